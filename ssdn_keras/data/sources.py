"""Sets of training images: arrays, a folder, an HDF5 file, or TFRecord files.

The contract: `len(source)`; `image(i)`, H×W×channels in the file's units and type, which any number of threads may call
and which raises a ValueError that names the image if it cannot be read; `skipped`, a list of (name, reason);
`fingerprint`, short text that changes when the images do; and `dtypes`, the set of types that images have, by NumPy's
names.
"""

import functools
import os
from pathlib import Path

import numpy as np

from ssdn_keras.data.common import check_finite, digest, digest_of_bytes, tell, too_small
from ssdn_keras.data.folder_source import FolderSource
from ssdn_keras.data.hdf5_source import HDF5_SUFFIXES, HDF5Source
from ssdn_keras.data.images import to_channels
from ssdn_keras.data.shards import find_shards, names_tfrecord
from ssdn_keras.data.tfrecord_source import TFRecordSource

__all__ = ["ArraySource", "FolderSource", "HDF5Source", "TFRecordSource", "open_file", "open_source", "tell"]

EXPECTED = "expected a folder of images, an HDF5 file (.h5) or TFRecord files (.tfrecord)"


class ArraySource:
    """Images that are already in memory.

    Args:
        arrays: integer or float arrays H×W or H×W×C.
        channels: what `image` returns.
        smallest: images with a side below this are left out.
        names: for messages.

    Attributes:
        skipped: list of (name, reason).
        dtypes: set of the types of the values.

    Examples:
        >>> source = ArraySource([np.zeros((64, 80)), np.zeros((8, 8))], channels=3, smallest=32)
        >>> len(source), source.image(0).shape, source.skipped[0][0]
        (1, (64, 80, 3), 'image 1')
    """

    def __init__(self, arrays, channels, smallest=1, names=None):
        self.channels, self.skipped, self._images, self._names = channels, [], [], []
        names = names or [f"image {i}" for i in range(len(arrays))]
        for name, array in zip(names, arrays, strict=True):
            array = np.asarray(array)
            array = array[..., None] if array.ndim == 2 else array
            if array.ndim != 3:
                raise ValueError(f"{name}: expected an array H×W or H×W×C, received shape {array.shape}")
            if array.dtype.kind == "f":
                try:
                    array = check_finite(array).astype("float32")
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
            elif array.dtype not in (np.uint8, np.uint16, np.int16):
                raise ValueError(f"{name}: expected uint8, uint16, int16 or floats, received {array.dtype}")
            if min(array.shape[:2]) < smallest:
                self.skipped.append((name, too_small(array.shape, smallest)))
            else:
                self._images.append(to_channels(array, channels))
                self._names.append(str(name))
        self.dtypes = {image.dtype.name for image in self._images}

    def __len__(self):
        return len(self._images)

    @functools.cached_property
    def fingerprint(self):
        """Text that changes when images are added, removed, renamed or changed."""
        described = [
            (name, array.shape, str(array.dtype), digest_of_bytes(np.ascontiguousarray(array)))
            for name, array in zip(self._names, self._images, strict=True)
        ]
        return digest("arrays", described)

    def image(self, index):
        """Image `index`, H×W×channels."""
        return self._images[index]


def open_file(path, channels, smallest=1):
    """Source of an HDF5 file or of TFRecord files, or None if the path is of neither kind.

    Beside the contract such a source has `name(i)`, for messages; `filename(i)`, what the file calls it; `size(i)`
    (height, width); and `stored(i)`, the image with the channels that it has in the file.

    Raises:
        FileNotFoundError, ValueError: no such file; or files are missing, damaged, or of another layout.
    """
    path = Path(path)
    if names_tfrecord(path):
        return TFRecordSource(find_shards(path), channels, smallest)
    if path.suffix.lower() in HDF5_SUFFIXES and not path.is_dir():
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
        return HDF5Source(path, channels, smallest)
    return None


def open_source(images, channels, smallest=1):
    """A source of images from a folder, an HDF5 file, TFRecord files, a list of arrays, or a source.

    What is left out (unreadable, or with a side below `smallest`) is named and counted on standard error.

    Args:
        images: path of a folder of image files or of shards, of an HDF5 file, of a TFRecord file or set, or a
            pattern of TFRecord files with *; a list of arrays; or a source, which is returned as it is.
        channels: what the source's `image` returns.
        smallest: in pixels.

    Raises:
        FileNotFoundError: no such file or folder, or no image in it.
        ValueError: nothing usable, or a file of another layout.
    """
    if isinstance(images, (str, os.PathLike)):
        path = Path(images)
        source = open_file(path, channels, smallest)
        if source is None:
            if path.is_file():
                raise ValueError(f"{path}: {EXPECTED}")
            if not path.is_dir():
                raise FileNotFoundError(f"{path}: no such file or folder")
            source = FolderSource(path, channels, smallest)
    elif hasattr(images, "image"):
        return images
    else:
        path, source = "the images", ArraySource(list(images), channels, smallest)
    for name, reason in source.skipped[:20]:
        tell(f"skipped {name}: {reason}")
    if len(source.skipped) > 20:
        tell(f"skipped {len(source.skipped) - 20} more")
    if not len(source):
        raise ValueError(
            f"{path}: no usable image, {len(source.skipped)} skipped"
            + (f" (the first: {source.skipped[0][1]})" if source.skipped else "")
        )
    if source.skipped:
        tell(f"{path}: {len(source)} images used, {len(source.skipped)} skipped")
    return source
