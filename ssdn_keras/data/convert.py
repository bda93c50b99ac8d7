"""Making an HDF5 file in the authors' layout from a folder of images, and a folder from such a file."""

from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from ssdn_keras.data.images import ImageError, list_images, read_image, save_image, write_atomically
from ssdn_keras.data.sources import HDF5_SUFFIXES, HDF5Source, tell

# The authors' tool shuffles the sorted paths with this seed, and takes files of these suffixes, so spelt.
_PUBLISHED_SEED = 0xBADF00D
_PUBLISHED_SUFFIXES = (".JPEG", ".jpg", ".png")


def write_hdf5(source, output, smallest=None, largest=None, most=None, order="path"):
    """Write the usable images of a folder or of another HDF5 file; what cannot be read is skipped and named.

    Images of a folder are written as RGB, those of a file with the channels that they have there.

    Args:
        source: folder of PNG and JPEG files, nested; or HDF5 file in the authors' layout.
        output: .h5 file, written whole or not at all.
        smallest, largest: leave out images with a side outside this range, in pixels.
        most: stop after so many usable images.
        order: of a folder's files: "path", or "published" as in the authors' tool.

    Returns:
        (number of images written, number skipped).

    Raises:
        FileNotFoundError, ValueError: no image, or none usable.
    """
    images = _Images(source, smallest, largest, order)
    count, shapes = min(len(images), most or len(images)), []

    def write(temporary):
        with h5py.File(temporary, "w") as file:
            kind = h5py.vlen_dtype(np.dtype("uint8"))
            dataset = file.create_dataset("images", (count,), maxshape=(None,), dtype=kind)
            for array in images.usable(count, f"writing {Path(output).name}"):
                planes = np.ascontiguousarray(array.transpose(2, 0, 1))
                dataset[len(shapes)] = planes.ravel()
                shapes.append(planes.shape)
            dataset.resize((len(shapes),))
            file.create_dataset("shapes", data=np.array(shapes, "int32"))

    write_atomically(output, write)
    return len(shapes), images.skipped


def write_folder(source, output, smallest=None, largest=None, most=None):
    """Write the usable images of an HDF5 file as PNG files 00000000.png, 00000001.png, … in its order.

    Args:
        source: HDF5 file in the authors' layout.
        output: folder, created if need be.
        smallest, largest, most: as in `write_hdf5`.

    Returns:
        (number of images written, number skipped).

    Raises:
        FileNotFoundError, ValueError: no such file, or none of its images is usable.
    """
    images, written = _Images(source, smallest, largest), 0
    for array in images.usable(most or len(images), f"writing {output}"):
        Path(output).mkdir(parents=True, exist_ok=True)  # not before there is something to write
        save_image(Path(output) / f"{written:08d}.png", array)
        written += 1
    return written, images.skipped


class _Images:
    """The images of a folder or HDF5 file, and how many of those that were looked at could not be used."""

    def __init__(self, source, smallest, largest, order="path"):
        self._source, self._smallest, self._largest, self.skipped = Path(source), smallest, largest, 0
        if self._source.suffix.lower() in HDF5_SUFFIXES and not self._source.is_dir():
            if not self._source.is_file():
                raise FileNotFoundError(f"{self._source}: no such file")
            file = HDF5Source(self._source, 3)
            for name, reason in file.skipped:
                self._skip(f"{self._source}: {name}: {reason}")
            names = [f"{self._source}: image {number}" for number in file.numbers]
            self._readers = [(name, lambda i=i: file.stored(i)) for i, name in enumerate(names)]
        else:
            if self._source.is_file():
                raise ValueError(f"{self._source}: expected a folder of images or an HDF5 file (.h5)")
            paths = list_images(self._source)
            if order == "published":
                paths = self._published(paths)
            self._readers = [(path, lambda path=path: read_image(path, 3)) for path in paths]

    def __len__(self):
        return len(self._readers)

    def _skip(self, what):
        self.skipped += 1
        tell(f"skipped {what}")

    def _published(self, paths):
        """The files that the authors' tool takes, in its order, which bad files among them do not change."""
        for path in paths:
            if path.suffix not in _PUBLISHED_SUFFIXES:
                self._skip(f"{path}: the authors' tool takes {', '.join(_PUBLISHED_SUFFIXES)}, so spelt")
        taken = [path for path in paths if path.suffix in _PUBLISHED_SUFFIXES]
        taken.sort(key=lambda path: path.relative_to(self._source).as_posix())  # as text: "a-b/c" comes before "a/c"
        np.random.RandomState(_PUBLISHED_SEED).shuffle(taken)
        return taken

    def usable(self, most, description):
        """The first so many that can be read and have the wanted size: uint8 H×W×C."""
        found = 0
        for name, read in tqdm(self._readers, desc=description, unit="image"):
            if found == most:
                break
            try:
                array = read()
                self._check_size(array)
            except ImageError as error:
                self._skip(f"{name}: {error}")
                continue
            except ValueError as error:  # of an HDF5 file, which names file and image itself
                self._skip(error)
                continue
            found += 1
            yield array
        if not found:
            raise ValueError(f"{self._source}: no usable image, {self.skipped} skipped")

    def _check_size(self, array):
        low, high = min(array.shape[:2]), max(array.shape[:2])
        if (self._smallest and low < self._smallest) or (self._largest and high > self._largest):
            limits = f"{self._smallest or 1}..{self._largest or '∞'}"
            raise ImageError(f"{array.shape[1]}×{array.shape[0]} pixels is outside {limits}")
