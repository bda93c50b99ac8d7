"""`tf.train.Example` messages, as far as image files need them, without the seconds that TensorFlow takes to load.

The message (protocol buffers): Example {1: Features}, Features {1: entry, repeated}, entry {1: name, 2: Feature},
Feature {1: BytesList, 2: FloatList, 3: Int64List}, each list {1: value, repeated}.
"""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_BYTES_LIST, _INT64_LIST = 1, 3


def _varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number, content):
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _feature(value):
    if isinstance(value, int):
        return _field(_INT64_LIST, _field(1, _varint(value)))  # packed
    return _field(_BYTES_LIST, _field(1, value))


def encode(features):
    """The message.

    Args:
        features: dict of names to bytes or to integers from 0 on; written in this order.
    """
    entries = (_field(1, name.encode()) + _field(2, _feature(value)) for name, value in features.items())
    return _field(1, b"".join(_field(1, entry) for entry in entries))


def _read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]  # an IndexError ends the message
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise IndexError


def _fields(data):
    """(number, content) of the fields that have a length, until the data ends or makes no sense."""
    at = 0
    try:
        while at < len(data):
            tag, at = _read_varint(data, at)
            kind = tag & 7
            if kind == _LENGTH:
                length, at = _read_varint(data, at)
                yield tag >> 3, data[at : at + length]
                at += length
            elif kind == _VARINT:
                _, at = _read_varint(data, at)
            elif kind in (_FIXED64, _FIXED32):
                at += 8 if kind == _FIXED64 else 4
            else:
                return
    except IndexError:
        return


def _first(data, number):
    return next((content for found, content in _fields(data) if found == number), None)


def decode(data):
    """Features of a message, or of its beginning: dict of names to the first bytes value, None where there is none.

    Whatever the data is, there is no error: what cannot be understood holds no features, and what is cut off is short.
    """
    features = {}
    for number, entry in _fields(memoryview(_first(memoryview(data), 1) or b"")):
        name, feature = (_first(entry, 1), _first(entry, 2)) if number == 1 else (None, None)
        if name is not None:
            values = None if feature is None else _first(feature, _BYTES_LIST)
            value = None if values is None else _first(values, 1)
            features[bytes(name).decode("utf-8", "replace")] = None if value is None else bytes(value)
    return features
