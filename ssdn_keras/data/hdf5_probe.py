"""Reads an HDF5 file in a process of its own first.

Damage can make libhdf5 loop for ever, crash, or take all memory. Nothing in Python can stop that: while it reads, it
holds the interpreter's lock.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys

# Files up to this size are read whole, of larger ones what is not an image.
_SMALL = 64 * 2**20
_BATCH = 256
# Of processor time, so that other work on the machine refuses no file: a loop without end uses nothing else.
_SECONDS, _BYTES_PER_SECOND = 1, 4 * 2**20
_ON_THE_CLOCK = 300
_MEMORY = 512 * 2**20
# How the child ends if not by a signal.
_READ, _TOO_LARGE, _TOO_MANY = 0, 3, 4
_REASONS = {
    _TOO_LARGE: "reading it needs far more memory than it has bytes",
    _TOO_MANY: "it claims to hold more images than it has bytes",
}


def check_hdf5(path):
    """Raise ValueError if reading an HDF5 file would not end, crash, or take far more memory than the file is large.

    It takes about half a second, and says nothing about damage that h5py itself reports.
    """
    try:
        size = os.path.getsize(path)
        command = [sys.executable, "-I", __file__, os.path.abspath(path), json.dumps(sys.path)]
        # Each of these threads would reserve memory, and there is nothing to compute.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=_ON_THE_CLOCK + size / _BYTES_PER_SECOND,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        reason = "reading it does not end"
    except OSError:  # no such file, which its reader says better; or Python cannot be started, which is not its fault
        return
    else:
        reason = _reason(done.returncode)
    if reason is not None:
        raise ValueError(f"{path}: damaged HDF5 file ({reason})")


def _reason(code):
    if code in (-signal.SIGINT, -signal.SIGTERM):  # not the file's doing: all processes of a terminal get them
        return None
    if code < 0:
        return "reading it does not end" if code == -getattr(signal, "SIGPROF", 0) else "reading it crashes"
    return _REASONS.get(code)


def _limit(size):
    """Let the system end this process when it has used too much from here on; not every system can."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        signal.setitimer(signal.ITIMER_PROF, _SECONDS + min(size, _SMALL) / _BYTES_PER_SECOND)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with open("/proc/self/statm") as file:
            reserved = int(file.read().split()[0]) * resource.getpagesize()
        most = reserved + _MEMORY + 4 * size
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


class _TooManyError(Exception):
    pass


def _tolerant(read, *arguments):
    """Whether it could be read; what h5py reports is for the reader of the file, unless memory was the reason."""
    try:
        read(*arguments)
    except (MemoryError, _TooManyError):
        raise
    except Exception as error:
        if "alloc" in str(error).lower():
            raise MemoryError from None
        return False
    return True


def _visit(group, size, seen):
    """Read the datasets of a group and of those below it."""
    for name in group:
        _tolerant(_visit_item, group, name, size, seen)


def _visit_item(group, name, size, seen):
    import h5py

    item = group[name]
    if item.id in seen:  # groups may hold themselves
        return
    seen.add(item.id)
    if isinstance(item, h5py.Group):
        _visit(item, size, seen)
    elif isinstance(item, h5py.Dataset):
        repr(item.dtype)
        if h5py.check_vlen_dtype(item.dtype) is None:
            item[()]
            return
        if len(item) > size:
            raise _TooManyError
        for start in range(0, len(item) if size < _SMALL else 0, _BATCH):
            end = min(start + _BATCH, len(item))
            if not _tolerant(item.__getitem__, slice(start, end)):
                for index in range(start, end):  # one of them is damaged: so that the others are read, too
                    _tolerant(item.__getitem__, index)


def _read_all(path, folders):
    """What the process does: its exit code."""
    sys.path += [folder for folder in folders if folder and folder not in sys.path]
    import h5py

    size = os.path.getsize(path)
    _limit(size)

    def read():
        with h5py.File(path, "r") as file:
            _visit(file, size, set())

    try:
        _tolerant(read)
    except MemoryError:
        return _TOO_LARGE
    except _TooManyError:
        return _TOO_MANY
    return _READ


if __name__ == "__main__":
    sys.exit(_read_all(sys.argv[1], json.loads(sys.argv[2])))
