"""Training images in an HDF5 file of the authors' layout."""

import functools
import math
import threading
from pathlib import Path

import numpy as np

from ssdn_keras.data.common import check_finite, digest, digest_of_file, too_small
from ssdn_keras.data.hdf5_probe import check_hdf5
from ssdn_keras.data.images import to_channels

HDF5_SUFFIXES = (".h5", ".hdf5")
TYPES = ("uint8", "uint16", "int16", "float32")
# What h5py raises for a damaged file, beside the ValueError that says what is wrong with the layout.
_HDF5_ERRORS = (OSError, RuntimeError, KeyError, TypeError, OverflowError, MemoryError)
# The authors' tool makes room for all images first, and ends at the first that is damaged.
_NEVER_WRITTEN = "was never written: what made the file did not get so far"


class HDF5Source:
    """The authors' format: `images`, flattened C×H×W of variable length, and `shapes`, N×3 (C, H, W).

    The authors have uint8 of 1 or 3 channels; other types and numbers of channels are read as well. Images are read
    when they are needed, so the file may be larger than the memory. Of four channels the last, alpha, is dropped unless
    four are asked for, or None, which is for `stored` alone and takes every number of channels.

    Attributes:
        dtypes: set of one, the type of the values.
        numbers: places in the file of the images that are used.
        skipped: list of (name, reason).
    """

    def __init__(self, path, channels, smallest=1):
        self.path, self.channels = Path(path), channels
        self._lock = threading.Lock()
        check_hdf5(path)
        try:
            self._images, self._shapes = self._open()
        except _HDF5_ERRORS as error:
            raise ValueError(f"{path}: not a readable HDF5 file ({error})") from None
        if not len(self._shapes):
            raise ValueError(f"{path}: holds no image")
        missing = ~self._shapes.any(axis=1)
        usual = (1, 3, 4) if channels in (1, 3) else (channels,)
        if channels is None:  # any number, but not what H, W, C was written for
            usual, wrong = (1, 3, 4), ((self._shapes[:, 0] > 4) & (self._shapes[:, 2] <= 4)).any()
        else:
            wrong = not np.isin(self._shapes[:, 0], usual)[~missing].all()
        if wrong:
            found = ", ".join(str(count) for count in sorted({int(count) for count in self._shapes[~missing, 0]}))
            wanted = "1 or 3 channels (C, H, W), or 4 with alpha" if len(usual) > 1 else f"{channels} channels"
            raise ValueError(f"{path}: images must have {wanted}; they have {found}")
        # Four channels beside images of one or three are colour and alpha; where all have four, None takes them so.
        self._has_alpha = channels != 4 and (channels is not None or bool(np.isin(self._shapes[:, 0], (1, 3)).any()))
        large = self._shapes[:, 1:].min(axis=1) >= smallest
        self.skipped = [
            (f"{path}: image {i}", _NEVER_WRITTEN if missing[i] else too_small(self._shapes[i, 1:], smallest))
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
        kind = h5py.check_vlen_dtype(images.dtype)
        if kind is None or np.dtype(kind).name not in TYPES or images.ndim != 1:
            raise ValueError(
                f"{self.path}: 'images' must be one flattened array of variable length per image, of {', '.join(TYPES)}"
            )
        self.dtypes = {np.dtype(kind).name}
        if shapes.shape != (len(images), 3) or shapes.dtype.kind not in "iu":
            raise ValueError(f"{self.path}: 'shapes' must be integers {len(images)}×3 (C, H, W), is {shapes.shape}")
        return images, shapes[:]

    def __len__(self):
        return len(self.numbers)

    @functools.cached_property
    def fingerprint(self):
        """Text that changes with the images; of a file above 64 MiB, with its size and with what samples of it tell."""
        return digest("hdf5", (self.numbers.tolist(), self._shapes.tolist(), digest_of_file(self.path)))

    def name(self, index):
        """What image `index` is called in messages."""
        return f"{self.path}: image {self.numbers[index]}"

    def filename(self, index):
        """What to call image `index` elsewhere; the file holds no names."""
        return f"image {self.numbers[index]}"

    def size(self, index):
        """(height, width) of image `index`, without reading it."""
        return tuple(int(size) for size in self._shapes[self.numbers[index], 1:])

    def image(self, index):
        """Image `index`, H×W×channels; raises ValueError as `stored` does."""
        return to_channels(self.stored(index), self.channels)

    def stored(self, index):
        """Image `index` with the channels that it has in the file, without alpha: H×W×C.

        Raises:
            ValueError: it is damaged, or its shape does not fit.
        """
        number = int(self.numbers[index])
        try:
            with self._lock:
                flat = self._images[number]
        except _HDF5_ERRORS as error:
            raise ValueError(f"{self.name(index)} cannot be read ({error})") from None
        shape = tuple(int(size) for size in self._shapes[number])
        if flat.size != math.prod(shape):
            raise ValueError(f"{self.name(index)} has {flat.size} values, its shape {shape} needs more or fewer")
        colours = 3 if shape[0] == 4 and self._has_alpha else shape[0]
        try:
            return check_finite(flat.reshape(shape)[:colours].transpose(1, 2, 0))
        except ValueError as error:
            raise ValueError(f"{self.name(index)}: {error}") from None
