"""Variables by the authors' names in an .npz file."""

import zipfile

import numpy as np

from ssdn_keras.atomic import write_atomically
from ssdn_keras.interop.network_file import LARGEST_FILE


def write_variables(path, arrays):
    """Write a dict of name to array, whole or not at all."""

    def write(temporary):
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)

    write_atomically(path, write)


def read_variables(path):
    """Read what `write_variables` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no .npz file of numbers.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_FILE:
                raise ValueError("larger than any network")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":  # bytes if its header is damaged
                raise ValueError(f"{name[:60]!r} holds no numbers")
    except Exception as error:
        raise ValueError(f"{path}: not an .npz file of arrays, or a damaged one ({error!s:.200})") from None
    return arrays
