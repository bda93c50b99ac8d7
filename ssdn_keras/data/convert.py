"""Training images from one form to another: a folder, an HDF5 file in the authors' layout, TFRecord shards.

All writers take a source and a selection as `ssdn_keras.data.selection.Selection` does, and its errors are theirs. What
cannot be read is skipped and named.
"""

import io
import os
import tempfile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from ssdn_keras.atomic import write_atomically
from ssdn_keras.data import example, tfrecord
from ssdn_keras.data.images import save_image
from ssdn_keras.data.selection import Selection
from ssdn_keras.data.shards import existing_shards, shard_name
from ssdn_keras.data.tfrecord_source import ENCODED

# Bytes after which a new shard begins, where their number was not given.
SHARD_BYTES = 256 * 2**20
# Of zlib, for PNG files in records: three times as fast as its usual 6, and 8 % larger.
_COMPRESSION = 3


def write_hdf5(source, output, smallest=None, largest=None, most=None, order="path"):
    """Write an HDF5 file, whole or not at all.

    Images of a folder are written as RGB if they have 8 bits and are grey or colour; others, and those of a file, with
    the type and the channels that they have there.

    Returns:
        (number of images written, number skipped).
    """
    images, shapes = Selection(source, smallest, largest, most, order), []

    def write(temporary):
        with h5py.File(temporary, "w") as file:
            dataset = None
            for _, array in images.usable(f"writing {Path(output).name}"):
                if dataset is None:
                    kind = h5py.vlen_dtype(array.dtype)
                    dataset = file.create_dataset("images", (len(images),), maxshape=(None,), dtype=kind)
                planes = np.ascontiguousarray(array.transpose(2, 0, 1))
                dataset[len(shapes)] = planes.ravel()
                shapes.append(planes.shape)
            dataset.resize((len(shapes),))
            file.create_dataset("shapes", data=np.array(shapes, "int32"))

    write_atomically(output, write)
    return len(shapes), images.skipped


def write_folder(source, output, smallest=None, largest=None, most=None, order="path"):
    """Write files 00000000.png, 00000001.png, … into a folder, which is created if need be, in the source's order.

    What PNG files of 8 bits cannot hold is written as TIFF.

    Returns:
        (number of images written, number skipped).
    """
    images, written = Selection(source, smallest, largest, most, order), 0
    for _, array in images.usable(f"writing {output}"):
        Path(output).mkdir(parents=True, exist_ok=True)  # not before there is something to write
        if _fits_png(array):
            save_image(Path(output) / f"{written:08d}.png", array)
        else:
            content = _as_tiff(array)
            write_atomically(
                Path(output) / f"{written:08d}.tif", lambda path, content=content: Path(path).write_bytes(content)
            )
        written += 1
    return written, images.skipped


def write_tfrecord(source, output, smallest=None, largest=None, most=None, order="path", shards=None):
    """Write a set of TFRecord files, whole or not at all; an older set of the same name is replaced.

    Records are `tf.train.Example` with image/encoded (PNG; TIFF where 8 bits do not suffice), image/format,
    image/height, image/width, image/channels and image/filename. Each shard continues where the one before it ends, so
    that the shards in the order of their names hold the images in the order of the source.

    Args:
        output: photos.tfrecord for photos-00000-of-00016.tfrecord and so on.
        shards: how many; by default a new one begins when 256 MiB are full.

    Returns:
        (number of images written, number skipped).

    Raises:
        ValueError: more shards than images; or as `Selection` does.
    """
    images, written, output = Selection(source, smallest, largest, most, order), 0, Path(output)
    expected = images.expected() if shards else None
    if shards and shards > max(expected, 1):
        raise ValueError(f"{output}: {expected} images do not fill {shards} shards; ask for {expected} or fewer")
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".prepare-") as beside, _Parts(beside) as parts:
        for filename, array in images.usable(f"writing {output.name}"):
            if shards:
                parts.begin(min(written * shards // expected, shards - 1))
            elif parts.bytes >= SHARD_BYTES or not parts.paths:
                parts.begin(len(parts.paths))
            parts.write(_record(filename, array))
            written += 1
        if shards:  # images that proved unreadable late may have left the last ones without any
            parts.begin(shards - 1)
        parts.end()
        names = [shard_name(output, number, len(parts.paths)) for number in range(len(parts.paths))]
        _replace_all(parts.paths, names, existing_shards(output), beside)
    return written, images.skipped


class _Parts:
    """Numbered files in a temporary folder, one open at a time."""

    def __init__(self, folder):
        self._folder, self._file, self.paths, self.bytes = Path(folder), None, [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._file is not None:
            self._file.close()

    def begin(self, number):
        """Make file `number` the one that is written to, and all before it."""
        while len(self.paths) <= number:
            self.end()
            self.paths.append(self._folder / f"{len(self.paths)}")
            self._file, self.bytes = open(self.paths[-1], "wb"), 0

    def end(self):
        """Close the file, when it is on the disk."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def write(self, data):
        self.bytes += tfrecord.write_record(self._file, data)


def _fits_png(array):
    return array.dtype == np.uint8 and array.shape[-1] in (1, 3)


def _as_tiff(array):
    """The bytes of a TIFF file of one page, H×W×C."""
    import tifffile

    encoded, several = io.BytesIO(), array.shape[-1] > 1
    tifffile.imwrite(
        encoded, array if several else array[..., 0], photometric="minisblack", metadata=None, compression="zlib",
        planarconfig="contig" if several else None,
    )  # fmt: skip
    return encoded.getvalue()


def _record(filename, array):
    if _fits_png(array):
        encoded = io.BytesIO()
        picture = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
        picture.save(encoded, format="PNG", compress_level=_COMPRESSION)
        kind, content = b"png", encoded.getvalue()
    else:
        kind, content = b"tiff", _as_tiff(array)
    height, width, channels = array.shape
    # The image comes last: what is told about it is then found without reading it.
    return example.encode({
        "image/filename": filename.encode("utf-8", "replace"), "image/format": kind,
        "image/height": height, "image/width": width, "image/channels": channels, ENCODED: content,
    })  # fmt: skip


def _replace_all(written, names, older, folder):
    """Move the written files to their names and the older ones away; if that fails, all is as it was."""
    moves = [(path, Path(folder, f"older-{path.name}")) for path in older]
    moves += list(zip(written, names, strict=True))
    done = []
    try:
        for move in moves:
            done.append(move)
            os.replace(*move)
    except BaseException:
        for before, after in reversed(done):
            if not before.exists():
                os.replace(after, before)
        raise
