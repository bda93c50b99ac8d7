"""Training images in a folder."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssdn_keras.data.common import check_size, digest, digest_of_bytes, most_common, tell, too_small
from ssdn_keras.data.formats import open_pages
from ssdn_keras.data.images import TIFF_SUFFIXES, ImageError, list_images
from ssdn_keras.data.memory import Cache, free_memory
from ssdn_keras.data.read import checked_channels, prepare

# Parts of the free memory: what all images may take, and what is kept of those that do not fit.
_FITS, _KEPT = 0.7, 0.3
# How much of both ends of a file goes into the fingerprint. A PNG file ends with a checksum of all its pixels.
_END = 4096
_PNG_END, _JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"


@dataclass(frozen=True)
class _File:
    path: Path
    page: int
    size: tuple  # height, width
    dtype: str
    digest: str
    complete: bool  # whether it ends as its format does; what does not is decoded before it is believed

    @classmethod
    def look(cls, path):
        """What can be told of its pages without decoding: list of (`_File`, channels); raises ImageError."""
        with open_pages(path) as reader:
            pages = reader.pages
        try:
            with open(path, "rb") as file:
                length, head = os.fstat(file.fileno()).st_size, file.read(_END)
                file.seek(max(length - _END, 0))
                tail = file.read(_END)
        except OSError as error:
            raise ImageError(error.strerror) from None
        complete = tail.endswith(_PNG_END) or tail.rstrip(b"\0").endswith(_JPEG_END)
        complete = complete or path.suffix.lower() in TIFF_SUFFIXES  # its reader compares lengths
        known = digest_of_bytes(str(length).encode(), head, tail)
        return [
            (cls(path, number, page[:2], page.dtype, known, complete), page.channels)
            for number, page in enumerate(pages)
        ]

    @property
    def name(self):
        """For messages."""
        return f"{self.path}: page {self.page}" if self.page else str(self.path)


class FolderSource:
    """Image files of a folder and the folders below it, sorted by path; each page of a stack is an image.

    If they fit into memory they are read at once. Otherwise only their headers are, each is decoded when it is needed,
    and those that were used last are kept. Either way the same images are used, in the same order; only damage in the
    middle of a file shows when the file is decoded, so at the start in the first case, at its turn in the second.

    Args:
        folder: path.
        channels: what `image` returns. Images of other numbers are left out, but for colour and grey, which become each
            other. So are images of another type (uint8, uint16, …) than most have.
        smallest: images with a side below this are left out.

    Attributes:
        skipped: list of (path, reason).
        in_memory: whether all images are.
        dtypes: set of one, the type of the values.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
    """

    def __init__(self, folder, channels, smallest=1):
        self.folder, self.channels, self.skipped = Path(folder), channels, []
        files = self._of_one_type(self._look(smallest))
        self.dtypes = {file.dtype for file in files}
        bytes_of = (file.size[0] * file.size[1] * channels * np.dtype(file.dtype).itemsize for file in files)
        need, free = sum(bytes_of), free_memory()
        self.in_memory = free is None or need <= _FITS * free
        self._cache = Cache(None if self.in_memory else int(_KEPT * free))
        if not self.in_memory:
            tell(f"{folder}: images of {need / 2**30:.1f} GiB do not fit into memory and are read when they are needed")
        self._files = self._read(files)

    def _look(self, smallest):
        files, paths = [], list_images(self.folder)
        for path in tqdm(paths, desc=f"looking at {self.folder}", unit="image", delay=2, leave=False):
            try:
                pages = _File.look(path)
            except ImageError as error:
                self.skipped.append((str(path), str(error)))
                continue
            for file, channels in pages:
                if min(file.size) < smallest:
                    self.skipped.append((file.name, too_small(file.size, smallest)))
                    continue
                try:
                    checked_channels(channels, self.channels)
                except ImageError as error:
                    self.skipped.append((file.name, str(error)))
                else:
                    files.append(file)
        return files

    def _of_one_type(self, files):
        common = most_common([file.dtype for file in files])
        for file in files:
            if file.dtype != common:
                self.skipped.append((file.name, f"holds {file.dtype}, most of the others {common}"))
        return [file for file in files if file.dtype == common]

    def _read(self, files):
        """Those that can be decoded, as far as that is tried now."""
        good = []
        for file in tqdm(files, desc=f"reading {self.folder}", unit="image", delay=2, leave=False):
            if self.in_memory or not file.complete:
                try:
                    self._cache.get((file.path, file.page), lambda file=file: self._decode(file))
                except ValueError as error:
                    self.skipped.append((file.name, str(error)))
                    continue
            good.append(file)
        return good

    def _decode(self, file):
        with open_pages(file.path) as reader:
            if file.page >= len(reader.pages):
                raise ImageError(f"has {len(reader.pages)} pages now")
            array = prepare(reader.read(file.page).values, self.channels)
        check_size(array, file.size)
        return array

    def __len__(self):
        return len(self._files)

    @functools.cached_property
    def fingerprint(self):
        """Text that changes when images are added, removed, renamed or changed; another place is no change."""
        described = [
            (file.path.relative_to(self.folder).as_posix(), file.digest, *[file.page] * bool(file.page))
            for file in self._files
        ]
        return digest("folder", described)

    def image(self, index):
        """Image `index`, H×W×channels in the file's units and type.

        Raises:
            ValueError: it is not in memory, and the file cannot be read any more or has another size than before.
        """
        file = self._files[index]
        try:
            return self._cache.get((file.path, file.page), lambda: self._decode(file))
        except ValueError as error:
            raise ValueError(f"{file.name}: {error}") from None
