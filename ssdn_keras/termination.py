"""SIGTERM as an exception, so that a command removes what it has half written."""

import contextlib
import signal


class TerminatedError(BaseException):
    """SIGTERM came."""


@contextlib.contextmanager
def unwound_by_sigterm():
    """SIGTERM raises TerminatedError in this block, where it can be caught: in the main thread."""

    def end(number, frame):
        signal.signal(number, signal.SIG_IGN)  # some senders do it twice, and the second must not stop the tidying up
        raise TerminatedError

    try:
        former = signal.signal(signal.SIGTERM, end)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is end:
            signal.signal(signal.SIGTERM, former)
