"""What a reader says and gives of a page."""

import tempfile
from typing import NamedTuple

import numpy as np

# Arrays above this are kept in temporary files, which the system may drop from memory when it needs the room.
_IN_MEMORY = 256 * 2**20


class PageShape(NamedTuple):
    """Of one page, without alpha; `dtype` is NumPy's name of the values in the file."""

    height: int
    width: int
    channels: int
    dtype: str


class Page(NamedTuple):
    """Values H×W×C in the units and the type of the file, perhaps mapped from it; alpha H×W as it is, or None."""

    values: np.ndarray
    alpha: np.ndarray | None


def allocate(shape, dtype):
    """An array of zeros, in a temporary file if it is large."""
    size = int(np.prod(shape, dtype="int64")) * np.dtype(dtype).itemsize
    if size <= _IN_MEMORY:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(prefix="ssdn-") as file:  # without a name: it goes when the array goes
        return np.memmap(file, dtype=dtype, mode="w+", shape=tuple(shape))
