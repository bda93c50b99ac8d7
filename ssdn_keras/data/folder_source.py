"""Training images in a folder of PNG and JPEG files."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ssdn_keras.data.common import check_channels, check_size, digest, digest_of_bytes, tell, too_small
from ssdn_keras.data.images import ImageError, image_size, list_images, read_image
from ssdn_keras.data.memory import Cache, free_memory

# Parts of the free memory: what all images may take, and what is kept of those that do not fit.
_FITS, _KEPT = 0.7, 0.3
# How much of both ends of a file goes into the fingerprint. A PNG file ends with a checksum of all its pixels.
_END = 4096
_PNG_END, _JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"


@dataclass(frozen=True)
class _File:
    path: Path
    size: tuple  # height, width
    digest: str
    complete: bool  # whether it ends as its format does; what does not is decoded before it is believed

    @classmethod
    def look(cls, path):
        """What can be told without decoding; raises ImageError."""
        size = image_size(path)
        try:
            with open(path, "rb") as file:
                length, head = os.fstat(file.fileno()).st_size, file.read(_END)
                file.seek(max(length - _END, 0))
                tail = file.read(_END)
        except OSError as error:
            raise ImageError(error.strerror) from None
        complete = tail.endswith(_PNG_END) or tail.rstrip(b"\0").endswith(_JPEG_END)
        return cls(path, size, digest_of_bytes(str(length).encode(), head, tail), complete)


class FolderSource:
    """PNG and JPEG files of a folder and the folders below it, sorted by path.

    If they fit into memory they are read at once. Otherwise only their headers are, each is decoded when it is needed,
    and those that were used last are kept. Either way the same images are used, in the same order; only damage in the
    middle of a file shows when the file is decoded, so at the start in the first case, at its turn in the second.

    Args:
        folder: path.
        channels: what `image` returns, 1 or 3.
        smallest: images with a side below this are left out.

    Attributes:
        skipped: list of (path, reason).
        in_memory: whether all images are.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
    """

    def __init__(self, folder, channels, smallest=1):
        check_channels(folder, channels)
        self.folder, self.channels, self.skipped = Path(folder), channels, []
        files = self._look(smallest)
        need, free = sum(file.size[0] * file.size[1] * channels for file in files), free_memory()
        self.in_memory = free is None or need <= _FITS * free
        self._cache = Cache(None if self.in_memory else int(_KEPT * free))
        if not self.in_memory:
            tell(f"{folder}: images of {need / 2**30:.1f} GiB do not fit into memory and are read when they are needed")
        self._files = self._read(files)

    def _look(self, smallest):
        files, paths = [], list_images(self.folder)
        for path in tqdm(paths, desc=f"looking at {self.folder}", unit="image", delay=2, leave=False):
            try:
                file = _File.look(path)
            except ImageError as error:
                self.skipped.append((str(path), str(error)))
                continue
            if min(file.size) < smallest:
                self.skipped.append((str(path), too_small(file.size, smallest)))
            else:
                files.append(file)
        return files

    def _read(self, files):
        """Those that can be decoded, as far as that is tried now."""
        good = []
        for file in tqdm(files, desc=f"reading {self.folder}", unit="image", delay=2, leave=False):
            if self.in_memory or not file.complete:
                try:
                    self._cache.get(file.path, lambda file=file: self._decode(file))
                except ValueError as error:
                    self.skipped.append((str(file.path), str(error)))
                    continue
            good.append(file)
        return good

    def _decode(self, file):
        array = read_image(file.path, self.channels)
        check_size(array, file.size)
        return array

    def __len__(self):
        return len(self._files)

    @functools.cached_property
    def fingerprint(self):
        """Text that changes when images are added, removed, renamed or changed; another place is no change."""
        return digest("folder", [(file.path.relative_to(self.folder).as_posix(), file.digest) for file in self._files])

    def image(self, index):
        """Image `index`, uint8 H×W×channels.

        Raises:
            ValueError: it is not in memory, and the file cannot be read any more or has another size than before.
        """
        file = self._files[index]
        try:
            return self._cache.get(file.path, lambda: self._decode(file))
        except ValueError as error:
            raise ValueError(f"{file.path}: {error}") from None
