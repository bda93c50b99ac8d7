"""Files that are whole or absent, whatever stops the program."""

import contextlib
import os
import tempfile
from pathlib import Path

TEMPORARY_PREFIX = ".writing-"


@contextlib.contextmanager
def atomic(path):
    """A temporary path beside `path`, moved there at the end of the block, so that the file is whole or absent."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY_PREFIX, suffix=path.suffix)
    os.close(handle)
    try:
        yield temporary
        _synchronise(temporary)
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every system can open a folder, and the file itself is safe
        _synchronise(path.parent)


def write_atomically(path, write):
    """Call `write(temporary_path)` and move the result to `path`, so that the file is whole or absent."""
    with atomic(path) as temporary:
        write(temporary)


def _synchronise(path):
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask():
    value = os.umask(0o077)
    os.umask(value)
    return value


_UMASK = _umask()  # once: it can only be read by changing it, which other threads would notice
