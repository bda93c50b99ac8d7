"""Wall time and processor time of repeated work."""

import time


class Clock:
    """`with clock:` adds one figure to `seconds` and `processor_seconds`; the first `warm_up` figures are thrown away.

    Processor time is that of all threads of this process. On a busy machine it says much better than wall time how much
    work a processor had to do; it says nothing about what a GPU did.
    """

    def __init__(self, warm_up=0):
        self.seconds, self.processor_seconds = [], []
        self._left = warm_up

    def __enter__(self):
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        seconds, processor_seconds = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        self._left -= 1
        if self._left < 0:
            self.seconds.append(seconds)
            self.processor_seconds.append(processor_seconds)
