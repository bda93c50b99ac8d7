"""Time and memory of a piece of work, measured in the process that does it."""

import contextlib
import re
import time
from pathlib import Path

_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _peak():
    """Largest resident memory of this process in bytes: since `_forget_peak` on Linux, since its start elsewhere."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text()).group(1)) * 1024
    except (OSError, AttributeError):
        pass
    try:
        import resource
        import sys
    except ImportError:  # Windows has no such count
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _forget_peak():
    with contextlib.suppress(OSError):
        _FORGET.write_text("5")


class Measured:
    """`with Measured() as measured:` leaves `seconds` and `memory` (peak of the process, bytes of host memory)."""

    seconds, memory = 0.0, 0

    def __enter__(self):
        _forget_peak()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self._began
        self.memory = _peak()
