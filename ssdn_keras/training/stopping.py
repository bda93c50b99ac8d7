"""A clean stop: the first Ctrl-C or SIGTERM asks for it, the second one insists. SIGTERM does not wait for ever."""

import os
import select
import signal
import sys
import threading

from tqdm import tqdm

# What a scheduler leaves a program after SIGTERM may be 5 seconds; a step of a large crop on a CPU takes longer.
PATIENCE = 3.0


class StopRequest:
    """Catches SIGINT and SIGTERM from `start` to `finish`; `number` is the signal that came, or None.

    Args:
        emergency: called from a thread if SIGTERM came and `finish` was not called within `PATIENCE` seconds, as when a
            single step takes longer; it saves what it can and ends the process.
    """

    def __init__(self, emergency=None):
        self.number, self._handlers, self._emergency = None, {}, emergency
        self._finished, self._pipe, self._former = threading.Event(), None, -1

    def start(self):
        """Catch the signals; outside of the main thread, where that cannot be done, nothing happens."""
        for name in (signal.SIGINT, signal.SIGTERM):
            try:
                self._handlers[name] = signal.signal(name, self._request)
            except ValueError:
                return
        if self._emergency is not None:
            self._watch()

    def _watch(self):
        # Python runs a handler between two of its own instructions only, which a long step has none of; the number of
        # the signal is written to this pipe at once.
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        self._former = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        threading.Thread(target=self._wait_for_signal, args=(self._pipe[0],), daemon=True).start()

    def _wait_for_signal(self, pipe):
        while not self._finished.is_set():
            ready, _, _ = select.select([pipe], [], [], 0.2)
            if ready and signal.SIGTERM in os.read(pipe, 64):
                if not self._finished.wait(PATIENCE):
                    self._emergency()
                break
        os.close(pipe)

    def _request(self, number, frame):
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = number
        tqdm.write("stopping after this step; once more to stop at once", file=sys.stderr)

    def finish(self):
        """Let the signals do what they did before."""
        self._finished.set()
        if self._pipe is not None:
            signal.set_wakeup_fd(self._former)
            os.close(self._pipe[1])  # the other end is closed by the thread, which may still look at it
            self._pipe = None
        for name, handler in self._handlers.items():
            signal.signal(name, handler)
        self._handlers = {}
