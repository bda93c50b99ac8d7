"""Named NumPy arrays through a pipe: eight bytes of length, then an .npz archive without pickles."""

import io
import struct

import numpy as np


def write_frame(stream, arrays):
    """Send a dict of arrays, numbers and texts."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    stream.write(struct.pack("<q", buffer.tell()))
    stream.write(buffer.getvalue())
    stream.flush()


def read_frame(stream):
    """The next dict of arrays, or None at the end of the stream."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    (length,) = struct.unpack("<q", head)
    body = stream.read(length)
    if len(body) < length:
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
