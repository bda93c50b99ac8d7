"""A clean stop: the first Ctrl-C or SIGTERM asks for it, the second one insists."""

import signal
import sys

from tqdm import tqdm


class StopRequest:
    """Catches SIGINT and SIGTERM from `start` to `finish`; `number` is the signal that came, or None."""

    def __init__(self):
        self.number, self._handlers = None, {}

    def start(self):
        """Catch the signals; outside of the main thread, where that cannot be done, nothing happens."""
        for name in (signal.SIGINT, signal.SIGTERM):
            try:
                self._handlers[name] = signal.signal(name, self._request)
            except ValueError:
                pass

    def _request(self, number, frame):
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = number
        tqdm.write("stopping after this step; once more to stop at once", file=sys.stderr)

    def finish(self):
        """Let the signals do what they did before."""
        for name, handler in self._handlers.items():
            signal.signal(name, handler)
        self._handlers = {}
