"""What all sources of training images share: fingerprints, and what they say to the person who watches."""

import hashlib
import os
import sys

import numpy as np
from tqdm import tqdm

# Of a file up to this size a fingerprint takes every byte, of a larger one as much in evenly spaced blocks.
_WHOLE = 64 * 2**20
_BLOCK = 64 * 2**10


def tell(message):
    """One line to the person who watches."""
    tqdm.write(message, file=sys.stderr)


def too_small(shape, smallest):
    """Reason for leaving out an image."""
    return f"{shape[1]}×{shape[0]} pixels is smaller than the crop of {smallest}"


def check_finite(array):
    """The array; raises ValueError if it holds NaN or infinity."""
    bad = 0 if array.dtype.kind != "f" else array.size - int(np.isfinite(array).sum())
    if bad:
        raise ValueError(f"contains NaN or infinite values: {bad} of {array.size}")
    return array


def most_common(values):
    """The value that occurs most often, of several the first; None where there are none."""
    return max(dict.fromkeys(values), key=list(values).count, default=None)


def check_size(array, size):
    """Raises ValueError if an image is not as large (H, W) as it was when its source was opened."""
    if array.shape[:2] != tuple(size):
        now, before = (f"{width}×{height}" for height, width in (array.shape[:2], size))
        raise ValueError(f"is {now} pixels now, was {before} when the training began")


def digest(kind, description):
    """Short text that changes with `description`, an object whose repr tells everything."""
    return f"{kind}:{hashlib.sha256(repr(description).encode()).hexdigest()[:16]}"


def digest_of_bytes(*parts):
    """Checksum of bytes or of C-contiguous arrays, one after another; for `digest`."""
    checksum = hashlib.blake2b(digest_size=16)
    for part in parts:
        checksum.update(part)
    return checksum.hexdigest()


def digest_of_file(path):
    """Checksum of a file's contents; of more than 64 MiB its size and evenly spaced blocks, 64 MiB in all."""
    size = os.path.getsize(path)
    blocks = -(-min(size, _WHOLE) // _BLOCK)
    stride = _BLOCK if size <= _WHOLE else (size - _BLOCK) / (blocks - 1)
    checksum = hashlib.blake2b(str(size).encode(), digest_size=16)
    with open(path, "rb") as file:
        for block in range(blocks):
            file.seek(int(block * stride))
            checksum.update(file.read(_BLOCK))
    return checksum.hexdigest()
