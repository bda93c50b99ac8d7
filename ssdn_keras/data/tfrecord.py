"""TFRecord files: records of bytes with checksums.

A record: length (8 bytes), checksum of these 8 bytes (4), data, checksum of the data (4), all little-endian.
"""

import os
import struct
from typing import NamedTuple

from ssdn_keras.data.crc32c import masked
from ssdn_keras.data.images import ImageError

_HEADER, _FOOTER = struct.Struct("<QI"), struct.Struct("<I")
_GZIP, _ZLIB = b"\x1f\x8b", b"\x78"


class Record(NamedTuple):
    """Where the data of a record begins, its length in bytes, and its checksum."""

    start: int
    length: int
    checksum: int


def write_record(file, data):
    """Append a record to a binary file; returns the number of bytes written."""
    length = struct.pack("<Q", len(data))
    file.write(length + _FOOTER.pack(masked(length)))
    file.write(data)
    file.write(_FOOTER.pack(masked(data)))
    return _HEADER.size + len(data) + _FOOTER.size


def _at(file, start, size):
    file.seek(start)
    return file.read(size)


def index(path):
    """Yield the `Record`s of a file; only their lengths and checksums are read, so that it may be of any size.

    Raises:
        ValueError: a length is damaged, or the file ends in the middle of a record. Names file and record.
    """
    total, start, number = os.path.getsize(path), 0, 0
    with open(path, "rb", buffering=0) as file:
        while start < total:
            head = _at(file, start, _HEADER.size)
            cut_off = f"{path}: record {number} is cut off: the file ends too early, at byte {total}"
            if len(head) < _HEADER.size:
                raise ValueError(cut_off)
            length, checksum = _HEADER.unpack(head)
            if masked(head[:8]) != checksum:
                hint = "; is it a TFRecord file?" if number == 0 else ", and what follows it cannot be found"
                if number == 0 and head.startswith((_GZIP, _ZLIB)):
                    hint = "; if it is compressed, it has to be uncompressed first"
                raise ValueError(f"{path}: record {number} is damaged: its length does not match its checksum{hint}")
            after = start + _HEADER.size + length
            foot = _at(file, after, _FOOTER.size) if after < total else b""
            if len(foot) < _FOOTER.size:
                raise ValueError(cut_off)
            yield Record(start + _HEADER.size, length, _FOOTER.unpack(foot)[0])
            start, number = after + _FOOTER.size, number + 1


def read(path, record):
    """The data of a record.

    Raises:
        ImageError: it cannot be read, or does not match its checksum.
    """
    data = read_beginning(path, record, record.length)
    if len(data) < record.length or masked(data) != record.checksum:
        raise ImageError("damaged: does not match its checksum")
    return data


def read_beginning(path, record, size):
    """The first bytes of a record, unchecked; raises ImageError if they cannot be read."""
    try:
        with open(path, "rb") as file:  # anew each time: of a thousand files not all can be open at once
            return _at(file, record.start, min(size, record.length))
    except OSError as error:
        raise ImageError(error.strerror) from None
