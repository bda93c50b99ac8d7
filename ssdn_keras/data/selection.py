"""Which images of a folder, an HDF5 file or TFRecord files go into another file."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssdn_keras.data.common import tell
from ssdn_keras.data.formats import open_pages
from ssdn_keras.data.images import TIFF_SUFFIXES, ImageError, list_images
from ssdn_keras.data.read import prepare
from ssdn_keras.data.sources import EXPECTED, open_file

# The authors' tool shuffles the sorted paths with this seed, and takes files of these suffixes, so spelt.
_PUBLISHED_SEED = 0xBADF00D
_PUBLISHED_SUFFIXES = (".JPEG", ".jpg", ".png")


class _Folder:
    """Files of a folder as a source of images to copy: `name`, `size` and `stored` as files of images have them."""

    def __init__(self, folder, paths):
        self._folder = folder
        self._pages = [(path, page) for path in paths for page in range(_count_pages(path))]

    def __len__(self):
        return len(self._pages)

    def name(self, index):
        path, page = self._pages[index]
        return f"{path}: page {page}" if page else str(path)

    def filename(self, index):
        path, page = self._pages[index]
        return path.relative_to(self._folder).as_posix() + (f" page {page}" if page else "")

    def size(self, index):
        path, page = self._pages[index]
        with open_pages(path) as reader:
            return reader.pages[page][:2]

    def stored(self, index):
        """8-bit images as RGB, as the authors' tool has them; others with their own channels."""
        path, page = self._pages[index]
        try:
            with open_pages(path) as reader:
                shape = reader.pages[page]
                usual = shape.dtype == "uint8" and shape.channels in (1, 3)
                return prepare(reader.read(page).values, 3 if usual else shape.channels)
        except (ImageError, IndexError) as error:
            raise ValueError(f"{self.name(index)}: {error}") from None


def _count_pages(path):
    """Pages of a file; one if it cannot be read, which is said when that is tried."""
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return 1
    try:
        with open_pages(path) as reader:
            return len(reader.pages)
    except ImageError:
        return 1


class Selection:
    """The images of a source that can be read and have the wanted size.

    Args:
        source: folder of image files, nested; HDF5 file in the authors' layout; or TFRecord files.
        smallest, largest: leave out images with a side outside this range, in pixels.
        most: stop after so many.
        order: of a folder's files: "path", or "published" as in the authors' tool.

    Attributes:
        skipped: how many of those that were looked at could not be used.

    Raises:
        FileNotFoundError, ValueError: no image.
    """

    def __init__(self, source, smallest=None, largest=None, most=None, order="path"):
        self._path, self._smallest, self._largest, self._most, self.skipped = Path(source), smallest, largest, most, 0
        self._images = open_file(source, None)
        if self._images is not None:
            for name, reason in self._images.skipped:
                self._skip(f"{name}: {reason}")
        else:
            if self._path.is_file():
                raise ValueError(f"{source}: {EXPECTED}")
            paths = list_images(source)
            self._images = _Folder(self._path, self._published(paths) if order == "published" else paths)

    def __len__(self):
        """The most images that there can be."""
        return min(len(self._images), self._most or len(self._images))

    def _skip(self, what):
        self.skipped += 1
        tell(f"skipped {what}")

    def _published(self, paths):
        """The files that the authors' tool takes, in its order, which bad files among them do not change."""
        for path in paths:
            if path.suffix not in _PUBLISHED_SUFFIXES:
                self._skip(f"{path}: the authors' tool takes {', '.join(_PUBLISHED_SUFFIXES)}, so spelt")
        taken = [path for path in paths if path.suffix in _PUBLISHED_SUFFIXES]
        taken.sort(key=lambda path: path.relative_to(self._path).as_posix())  # as text: "a-b/c" comes before "a/c"
        np.random.RandomState(_PUBLISHED_SEED).shuffle(taken)
        return taken

    def expected(self):
        """How many there will be, as far as the headers tell; without reading the images."""
        good = 0
        for index in tqdm(range(len(self._images)), desc="looking at sizes", unit="image", delay=2, leave=False):
            try:
                good += self._wrong_size(self._images.size(index)) is None
            except ImageError:
                continue
        return min(good, self._most or good)

    def usable(self, description):
        """Yield (name within the source, image H×W×C), all of one type; raises ValueError if there is none."""
        found, dtype = 0, None
        for index in tqdm(range(len(self._images)), desc=description, unit="image"):
            if found == self._most:
                break
            try:
                array = self._images.stored(index)
            except ValueError as error:  # which names the image itself
                self._skip(error)
                continue
            dtype = array.dtype if dtype is None else dtype
            wrong = self._wrong_size(array.shape)
            if wrong is None and array.dtype != dtype:
                wrong = f"holds {array.dtype}, others {dtype}"
            if wrong is not None:
                self._skip(f"{self._images.name(index)}: {wrong}")
                continue
            found += 1
            yield self._images.filename(index), array
        if not found:
            raise ValueError(f"{self._path}: no usable image, {self.skipped} skipped")

    def _wrong_size(self, shape):
        low, high = min(shape[:2]), max(shape[:2])
        if (self._smallest and low < self._smallest) or (self._largest and high > self._largest):
            return f"{shape[1]}×{shape[0]} pixels is outside {self._smallest or 1}..{self._largest or '∞'}"
        return None
