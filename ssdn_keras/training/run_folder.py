"""The folder of a run: one process at a time writes to it, and what a killed one left half-written is removed."""

import contextlib
import json
import os
import re
import socket
import time
from pathlib import Path

from ssdn_keras.atomic import TEMPORARY_PREFIX, write_atomically

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None

_LOCK = ".lock"


@contextlib.contextmanager
def locked(folder):
    """Hold the run folder's lock, which the operating system drops however this process ends.

    Raises:
        BlockingIOError: another process has it.
    """
    os.makedirs(folder, exist_ok=True)
    path = Path(folder) / _LOCK
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if fcntl is not None:
            _lock(handle, folder)
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        _remove_leftovers(folder)
        yield
    finally:
        os.close(handle)


def _lock(handle, folder):
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(handle, 200).decode(errors="replace").strip() or "another process"
        raise BlockingIOError(
            f"{folder}: in use by {owner}; wait until it has ended, or give another --run_dir"
        ) from None
    except OSError:  # a file system without locks
        pass


def _remove_leftovers(folder):
    """Files that a killed process was writing."""
    for place in (Path(folder), Path(folder) / "checkpoints"):
        for path in place.glob(f"{TEMPORARY_PREFIX}*"):
            path.unlink(missing_ok=True)


def next_folder(parent, name):
    """A folder `parent/NNNN-name` whose number no other has yet; it is created, so that nobody else gets it."""
    parent = Path(parent)
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        numbers = [int(found[1]) for path in parent.iterdir() if (found := re.match(r"(\d{4,})-", path.name))]
        folder = parent / f"{max(numbers, default=0) + 1:04d}-{name}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder


class History:
    """run.json: with what the run was started, each time that it was."""

    def __init__(self, folder):
        self._path = Path(folder) / "run.json"

    def add(self, **record):
        """Append one start."""
        try:
            starts = json.loads(self._path.read_text())["starts"]
        except (OSError, ValueError, KeyError, TypeError):
            starts = []
        starts = [*starts, {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **record}]
        text = json.dumps({"starts": starts}, indent=1, ensure_ascii=False) + "\n"
        write_atomically(self._path, lambda temporary: Path(temporary).write_text(text))
