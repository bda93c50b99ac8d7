"""How a case ended, and which ends are accepted."""

import contextlib
import io
import os
import re
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

MOST_SECONDS = 10
MOST_MIB = 2048
LONGEST_MESSAGE = 1200
READ, REFUSED = "read", "refused"
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes:
        end: READ, REFUSED, or the kind of finding: "traceback", "message", "memory", "hang", "crash".
        message: what the command printed, or the last lines of the traceback.
        seconds: on the clock.
        mib: by how much the process grew at its largest.
    """

    end: str
    message: str
    seconds: float
    mib: float

    @property
    def accepted(self):
        """Whether a user could live with it."""
        return self.end in (READ, REFUSED)


def _status(name):
    match = re.search(rf"^{name}:\s*(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(match.group(1)) / 1024


class _Growth:
    """By how many MiB this process grew at its largest, since it was made."""

    def __init__(self):
        # The only way to forget the largest size so far; elsewhere than on Linux nothing is measured.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._before = _status("VmRSS") if _STATUS.exists() else None

    def mib(self):
        return 0.0 if self._before is None else max(_status("VmHWM") - self._before, 0.0)


def _fault(code, printed):
    """What is wrong with how a command ended, or None."""
    last = printed.strip().splitlines()[-1:] or [""]
    if code == 0:
        return None
    if code not in (1, 2):
        return f"exit code {code}"
    if not re.fullmatch(r"\w+: error: \S.*", last[0]) or re.fullmatch(r"\w+: error: *(\(see --help\))?", last[0]):
        return "no line that says what is wrong"
    if len(last[0]) > LONGEST_MESSAGE:
        return f"a line of {len(last[0])} characters"
    if not last[0].isprintable():
        return "a line with characters that a terminal obeys"
    return None


def observe(read):
    """The `Outcome` of a function that ends with SystemExit as a command does."""
    growth, printed, code, trace, begin = _Growth(), io.StringIO(), 0, None, time.perf_counter()
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read()
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            trace = traceback.format_exc()
    seconds, mib = time.perf_counter() - begin, growth.mib()
    end, message = (READ if code == 0 else REFUSED), printed.getvalue().strip().splitlines()[-1:]
    message = message[0] if message else ""
    fault = _fault(code, printed.getvalue())
    if trace is not None:
        end, message = "traceback", trace
    elif mib > MOST_MIB:
        end = "memory"
    elif fault is not None:
        end, message = "message", f"{fault}: {message!r:.1500}"
    return Outcome(end, message[-4000:].replace(os.sep * 2, os.sep), seconds, mib)
