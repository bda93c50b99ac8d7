"""Training images in TFRecord files."""

import functools
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssdn_keras.data import example, tfrecord
from ssdn_keras.data.common import check_size, digest, most_common, too_small
from ssdn_keras.data.formats import open_pages
from ssdn_keras.data.formats.pillow_reader import PillowReader
from ssdn_keras.data.images import ImageError, to_channels
from ssdn_keras.data.memory import Cache, free_memory
from ssdn_keras.data.read import checked_channels, prepare

ENCODED = "image/encoded"
_BEGINNING = 4096  # bytes of a record that hold, as a rule, the beginning of its image
_KEPT = 0.3  # part of the free memory for decoded images


class _OtherLayoutError(Exception):
    """A sound record that holds no image file."""


def _encoded(data):
    """The image file in a record, or its beginning in the beginning of a record."""
    features = example.decode(data)
    if features.get(ENCODED) is None:
        found = ", ".join(sorted(features)) or "none, it is not a tf.train.Example"
        raise _OtherLayoutError(f"needs the feature {ENCODED!r} (bytes of an image file); its features: {found}")
    return features[ENCODED]


class TFRecordSource:
    """Records of `tf.train.Example` with image files in the feature image/encoded; of a stack the first page counts.

    At the start only lengths, checksums and headers are read; images are decoded when they are needed, so the files may
    be larger than the memory, and those that were used last are kept.

    Args:
        paths: files, in the order of their images.
        channels: what `image` returns; see `FolderSource`.
        smallest: images with a side below this are left out.

    Attributes:
        skipped: list of (name, reason).
        dtypes: set of one, the type of the values.

    Raises:
        ValueError: a file is cut off, or damaged so that records cannot be found, or holds something else.
    """

    def __init__(self, paths, channels, smallest=1):
        self.paths, self.channels, self.skipped = [Path(path) for path in paths], channels, []
        found, total = [], 0
        size = sum(path.stat().st_size for path in self.paths)
        with tqdm(total=size, desc="looking at records", unit="B", unit_scale=True, delay=2, leave=False) as bar:
            for shard, path in enumerate(self.paths):
                for number, record in enumerate(tfrecord.index(path)):
                    total += 1
                    image = self._look(path, number, record, smallest)
                    if image is not None:
                        found.append(((shard, number, *record, *image[:2]), image.dtype))
                    bar.update(record.length)
        if not total:
            raise ValueError(f"{self.paths[0]}: holds no record")
        self._table = np.array(self._of_one_type(found), np.int64).reshape(-1, 7)
        free = free_memory()
        self._cache = Cache(None if free is None else int(_KEPT * free))

    def _of_one_type(self, found):
        common = most_common([dtype for _, dtype in found])
        self.dtypes = {common} - {None}
        for (shard, number, *_), dtype in found:
            if dtype != common:
                name = f"{self.paths[shard]}: record {number}"
                self.skipped.append((name, f"holds {dtype}, most of the others {common}"))
        return [row for row, dtype in found if dtype == common]

    def _look(self, path, number, record, smallest):
        """`PageShape`, or None if the record was skipped."""
        try:
            try:
                page = PillowReader(_encoded(tfrecord.read_beginning(path, record, _BEGINNING)), whole=False).pages[0]
            except (ImageError, _OtherLayoutError):
                with open_pages(_encoded(tfrecord.read(path, record))) as reader:
                    page = reader.pages[0]
            if self.channels is not None:  # else for `stored` alone
                checked_channels(page.channels, self.channels)
        except _OtherLayoutError as error:
            raise ValueError(f"{path}: record {number} {error}") from None
        except ImageError as error:
            reason = str(error)
        else:
            if min(page[:2]) >= smallest:
                return page
            reason = too_small(page, smallest)
        self.skipped.append((f"{path}: record {number}", reason))
        return None

    def _record(self, index):
        shard, _, *record, height, width = self._table[index].tolist()
        return self.paths[shard], tfrecord.Record(*record), (height, width)

    def __len__(self):
        return len(self._table)

    @functools.cached_property
    def fingerprint(self):
        """Text that changes with the images; how they are spread over files does not matter."""
        return digest("tfrecord", self._table[:, 3:].tolist())

    def name(self, index):
        """What image `index` is called in messages."""
        return f"{self.paths[self._table[index, 0]]}: record {self._table[index, 1]}"

    def filename(self, index):
        """The feature image/filename of image `index`, or its place."""
        path, record, _ = self._record(index)
        stored = example.decode(tfrecord.read_beginning(path, record, _BEGINNING)).get("image/filename")
        return stored.decode("utf-8", "replace") if stored else f"record {self._table[index, 1]}"

    def size(self, index):
        """(height, width) of image `index`, without reading it."""
        return self._record(index)[2]

    def image(self, index):
        """Image `index`, H×W×channels; raises ValueError as `stored` does."""
        return self._cache.get(int(index), lambda: to_channels(self.stored(index), self.channels))

    def stored(self, index):
        """Image `index` with the channels that it has in the file, H×W×C.

        Raises:
            ValueError: it cannot be read (any more), or is damaged.
        """
        path, record, size = self._record(index)
        try:
            with open_pages(_encoded(tfrecord.read(path, record))) as reader:
                array = prepare(reader.read(0).values, reader.pages[0].channels)
            check_size(array, size)
        except (ValueError, _OtherLayoutError) as error:
            raise ValueError(f"{self.name(index)}: {error}") from None
        return array
