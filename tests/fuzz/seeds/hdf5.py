"""Training files in the authors' layout, of the old and the new version of the format, and some of other layouts."""

import io

import h5py
import numpy as np

from . import Seed, bombs

_SHAPES = ((3, 8, 9), (1, 7, 8), (4, 6, 5), (3, 10, 8))
_BYTES = h5py.vlen_dtype(np.dtype("uint8"))


def _images():
    random = np.random.RandomState(0)
    return [random.randint(0, 256, shape, dtype=np.uint8) for shape in _SHAPES]


def _file(write, **options):
    stream = io.BytesIO()
    with h5py.File(stream, "w", **options) as file:
        write(file)
    return stream.getvalue()


def _authors(**options):
    """What writes the authors' layout; the options are those of the dataset of images."""

    def write(file):
        images = _images()
        data = file.create_dataset("images", (len(images),), dtype=_BYTES, **options)
        for i, image in enumerate(images):
            data[i] = image.ravel()
        file.create_dataset("shapes", data=np.array([image.shape for image in images], "int32"))

    return write


def _linked(file):
    _authors()(file)
    file.create_group("group")["images"] = file["images"]
    file["soft"], file["external"] = h5py.SoftLink("/group/images"), h5py.ExternalLink("other.h5", "/images")
    file.attrs["text"] = "note" * 9


def _unfinished(file):
    file.create_dataset("images", (40,), dtype=_BYTES)[0] = np.zeros(192, "uint8")
    file.create_dataset("shapes", data=np.array([(3, 8, 8)] + [(0, 0, 0)] * 39, "int32"))


def seeds():
    """HDF5 files."""
    yield Seed("authors", _file(_authors()))
    yield Seed("authors, newest version", _file(_authors(), libver="latest"))
    yield Seed("growing", _file(_authors(maxshape=(None,), chunks=(2,))))
    yield Seed("growing, newest version", _file(_authors(maxshape=(None,), chunks=(2,)), libver="latest"))
    yield Seed("compressed", _file(_authors(chunks=(2,), compression="gzip")))
    yield Seed("linked", _file(_linked))
    yield Seed("linked, order kept", _file(_linked, track_order=True))
    yield Seed("not finished", _file(_unfinished))
    yield from bombs.hdf5_seeds()
