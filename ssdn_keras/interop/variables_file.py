"""Variables by the authors' names in an .npz file."""

import numpy as np

from ssdn_keras.data.images import write_atomically


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
        ValueError: it is no .npz file of arrays.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:
        raise ValueError(f"{path}: not an .npz file of arrays, or a damaged one ({error!s:.200})") from None
