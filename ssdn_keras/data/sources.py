"""Sets of training images: arrays, a folder, or an HDF5 file. One contract: a length and `image(i)`."""

import hashlib
import math
import os
import sys
import threading
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssdn_keras.data.images import ImageError, list_images, read_image, to_channels

HDF5_SUFFIXES = (".h5", ".hdf5")
# What h5py raises for a damaged file, beside the ValueError that says what is wrong with the layout.
_HDF5_ERRORS = (OSError, RuntimeError, KeyError, TypeError, OverflowError, MemoryError)
# The authors' tool makes room for all images first, and ends at the first that is damaged.
_NEVER_WRITTEN = "was never written: what made the file did not get so far"


def tell(message):
    """One line to the person who watches."""
    tqdm.write(message, file=sys.stderr)


def _free_memory():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError):
        return None


def _digest(description):
    return hashlib.sha256(repr(description).encode()).hexdigest()[:16]


class ArraySource:
    """Images that are already in memory.

    Args:
        arrays: uint8 (0..255) or float (nominal 0..1) arrays H×W or H×W×C.
        channels: what `image` returns.
        smallest: images with a side below this are left out.
        names: for messages.

    Attributes:
        skipped: list of (name, reason).

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
                if not np.isfinite(array).all():
                    raise ValueError(f"{name}: contains NaN or infinite values")
                array = array.astype("float32")
            elif array.dtype != np.uint8:
                raise ValueError(f"{name}: expected uint8 or floats, received {array.dtype}")
            if min(array.shape[:2]) < smallest:
                self.skipped.append((name, too_small(array.shape, smallest)))
            else:
                self._images.append(to_channels(array, channels))
                self._names.append(str(name))

    def __len__(self):
        return len(self._images)

    @property
    def fingerprint(self):
        """Text that changes when images are added, removed, renamed or resized."""
        return _digest([(name, array.shape) for name, array in zip(self._names, self._images, strict=True)])

    def image(self, index):
        """Image `index`, uint8 or float32, H×W×channels."""
        return self._images[index]


class HDF5Source:
    """The authors' format: `images`, flattened C×H×W uint8 of variable length, and `shapes`, N×3 (C, H, W).

    Images are read when they are needed, so the file may be larger than the memory. Of four channels the last, alpha,
    is dropped.

    Attributes:
        numbers: places in the file of the images that are used.
        skipped: list of (name, reason).
    """

    def __init__(self, path, channels, smallest=1):
        self.path, self.channels = Path(path), channels
        self._lock = threading.Lock()
        if channels not in (1, 3):
            raise ValueError(f"{path}: holds images for 1 or 3 channels, {channels} were asked for")
        try:
            self._images, self._shapes = self._open()
        except _HDF5_ERRORS as error:
            raise ValueError(f"{path}: not a readable HDF5 file ({error})") from None
        if not len(self._shapes):
            raise ValueError(f"{path}: holds no image")
        missing = ~self._shapes.any(axis=1)
        if not np.isin(self._shapes[:, 0], (1, 3, 4))[~missing].all():
            raise ValueError(f"{path}: images must have 1 or 3 channels (C, H, W), or 4 with alpha")
        large = self._shapes[:, 1:].min(axis=1) >= smallest
        self.skipped = [
            (f"image {i}", _NEVER_WRITTEN if missing[i] else too_small(self._shapes[i, 1:], smallest))
            for i in np.flatnonzero(~large)
        ]
        self.numbers = np.flatnonzero(large)

    def _open(self):
        """The dataset of images, and the shapes."""
        import h5py

        self._file = h5py.File(self.path, "r")
        names = sorted(map(str, self._file))
        if not {"images", "shapes"} <= set(names):
            raise ValueError(f"{self.path}: needs the datasets 'images' and 'shapes', has {names or 'none'}")
        images, shapes = (self._file[name] for name in ("images", "shapes"))
        if not all(isinstance(dataset, h5py.Dataset) for dataset in (images, shapes)):
            raise ValueError(f"{self.path}: 'images' and 'shapes' must be datasets, not groups")
        if h5py.check_vlen_dtype(images.dtype) != np.uint8 or images.ndim != 1:
            raise ValueError(f"{self.path}: 'images' must be one flattened uint8 array of variable length per image")
        if shapes.shape != (len(images), 3) or shapes.dtype.kind not in "iu":
            raise ValueError(f"{self.path}: 'shapes' must be integers {len(images)}×3 (C, H, W), is {shapes.shape}")
        return images, shapes[:]

    def __len__(self):
        return len(self.numbers)

    @property
    def fingerprint(self):
        """Text that changes when images are added, removed or resized."""
        return _digest(self._shapes.tolist())

    def image(self, index):
        """Image `index`, uint8 H×W×channels."""
        return to_channels(self.stored(index), self.channels)

    def stored(self, index):
        """Image `index` with the channels that it has in the file, 1 or 3: uint8 H×W×C.

        Raises:
            ValueError: it is damaged, or its shape does not fit.
        """
        index = int(self.numbers[index])
        try:
            with self._lock:
                flat = self._images[index]
        except _HDF5_ERRORS as error:
            raise ValueError(f"{self.path}: image {index} cannot be read ({error})") from None
        shape = tuple(int(size) for size in self._shapes[index])
        if flat.size != math.prod(shape):
            raise ValueError(
                f"{self.path}: image {index} has {flat.size} values, its shape {shape} needs more or fewer"
            )
        return flat.reshape(shape)[:3].transpose(1, 2, 0)


def too_small(shape, smallest):
    """Reason for leaving out an image."""
    return f"{shape[1]}×{shape[0]} pixels is smaller than the crop of {smallest}"


def _read_folder(folder, channels, smallest):
    arrays, names, unreadable, total = [], [], [], 0
    limit = _free_memory()
    paths = list_images(folder)
    for path in tqdm(paths, desc=f"reading {folder}", unit="image", delay=2, leave=False):
        try:
            array = read_image(path, channels)
        except ImageError as error:
            unreadable.append((str(path), str(error)))
            continue
        total += array.nbytes
        if limit is not None and total > 0.7 * limit:
            raise ValueError(
                f"{folder}: the images do not fit into memory; make an HDF5 file of them with "
                "`python -m ssdn_keras.prepare` and train from that"
            )
        arrays.append(array)
        names.append(str(path))
    source = ArraySource(arrays, channels, smallest, names)
    source.skipped = unreadable + source.skipped
    return source


def open_source(images, channels, smallest=1):
    """A source of images from a folder, an HDF5 file, a list of arrays, or a source.

    What is left out (unreadable, or with a side below `smallest`) is named and counted on standard error.

    Raises:
        FileNotFoundError: no such file or folder, or no image in it.
        ValueError: nothing usable, or a file of another layout.
    """
    if isinstance(images, (str, os.PathLike)):
        path = Path(images)
        if path.is_dir():
            source = _read_folder(path, channels, smallest)
        elif path.is_file():
            if path.suffix.lower() not in HDF5_SUFFIXES:
                raise ValueError(f"{path}: expected a folder of images or an HDF5 file (.h5)")
            source = HDF5Source(path, channels, smallest)
        else:
            raise FileNotFoundError(f"{path}: no such file or folder")
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
