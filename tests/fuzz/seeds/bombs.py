"""Small files that claim to be, or would become, very large ones."""

import functools
import io
import zipfile
import zlib

import h5py
import numpy as np

from . import Seed

_PART = 2**24


@functools.cache
def _compressed_zeros():
    """The beginning of a deflated stream of zeros, and one that can follow it any number of times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(bytes(_PART)) + packer.flush(zlib.Z_FULL_FLUSH)


def archive(before, parts, head=b""):
    """An archive of members `before`, dict of name to bytes or to None: the one with None unpacks to zeros.

    Args:
        parts: of 16 MiB of zeros.
        head: what stands before the zeros. The checksum does not fit: it would be looked at last.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH) + _compressed_zeros() * parts + b"\x03\0"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in before.items():
            file.writestr(name, packed if content is None else content)
            if content is None:  # what the list of members says is what counts
                entry = file.getinfo(name)
                entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, len(head) + _PART * parts
    return stream.getvalue()


def _array_head(count):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (count,)})
    return stream.getvalue()


def zeros(before):
    """An archive of members `before`, dict of name to bytes, and of an array of 3 GiB."""
    return archive({**before, "x.npy": None}, 192, _array_head(192 * _PART))


def npz_seeds():
    """Archives of arrays: one of 3 GiB, and one that ends long before its claimed size."""
    yield Seed("3 GiB of zeros", zeros({}), False)
    yield Seed("claims 8 TiB", archive({"x.npy": None}, 1, _array_head(2**43)), False)


def keras_seeds(whole):
    """Models, made from the bytes of a whole one, with settings or weights that are large."""
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        members = {entry.filename: file.read(entry) for entry in file.infolist()}
    weights = io.BytesIO(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        found = []
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        del file[found[0]]
        file.create_dataset(found[0], (2**31,), "float32", chunks=(2**20,), compression="gzip")
    yield Seed("a variable of 8 GiB", archive({**members, "model.weights.h5": weights.getvalue()}, 0), False)
    for parts in (8, 65):
        large = archive({**members, "model.weights.h5": None}, parts, members["model.weights.h5"])
        yield Seed(f"weights of {16 * parts} MiB", large, False)
    yield Seed("settings of 1 GiB", archive({**members, "config.json": None}, 64, b"["), False)
    many = {**members, "config.json": members["config.json"].replace(b'"channels": 1', b'"channels": 1024')}
    yield Seed("1024 channels", archive(many, 0), False)


def hdf5_seeds():
    """Training files with more images, or a larger one, than they have room for."""
    for name, count in (("ten million images", 10**7), ("a thousand million images", 10**9)):
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            file.create_dataset("images", (count,), h5py.vlen_dtype(np.dtype("uint8")))
            file.create_dataset("shapes", (count, 3), "int32")
        yield Seed(name, stream.getvalue(), False)
