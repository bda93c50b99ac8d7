"""Reading network files of other programs: of bounded size, and every fault as one error that names the file."""

import struct
import zipfile

LARGEST_FILE = 256 * 2**20
LARGEST_RESULT = 2 * LARGEST_FILE


class NetworkFileError(ValueError):
    """The file is not a network file of the program in question, or not one that can be read; the message says why."""


# What Python's readers of pickles and archives, and NumPy, raise when the bytes make no sense.
_FAULTS = (
    ValueError, IndexError, TypeError, KeyError, OverflowError, RecursionError, EOFError, MemoryError, struct.error,
    zipfile.BadZipFile, RuntimeError,
)  # fmt: skip


def read_file(path, read, program):
    """What `read` makes of a file's bytes.

    Args:
        path: the file.
        read: function of bytes.
        program: whose file it should be, for messages.

    Raises:
        NetworkFileError: it is not such a file, is damaged, or holds what has no place in one.
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such network file")
    if path.stat().st_size > LARGEST_FILE:
        raise NetworkFileError(f"{path}: larger than any network of {program}")
    try:
        return read(path.read_bytes())
    except NetworkFileError as error:
        raise NetworkFileError(f"{path}: {error}") from None
    except _FAULTS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise NetworkFileError(f"{path}: not a network file of {program}, or a damaged one ({reason:.200})") from None


def refuse(what):
    """Raise the error for something that no network file holds."""
    raise NetworkFileError(f"{what}: a network file has no need of that; nothing of the file was run")


def shown(value):
    """A value from a file for a message: short texts and numbers as they are, of anything else its kind."""
    return (
        repr(value[:60] if isinstance(value, str) else value)
        if type(value) in (str, int, bool, type(None))
        else (f"of type {type(value).__name__}")
    )
