"""Damage to the records of TFRecord files, whose checksums are then right again."""

import io
import struct

from ..seeds.png import SIGNATURE
from . import png, raw


def records(data):
    """The data of the records, as far as the lengths lead."""
    found, at = [], 0
    while at + 16 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        found.append(data[at + 12 : at + 12 + length])
        at += 16 + length
    return found


def _image_damaged(random, content, other):
    """The picture in a record damaged; the lengths before it are not corrected if its own changes."""
    start = content.find(SIGNATURE)
    if start < 0:
        return raw.damage(random, content, other)
    changed, what = png.damage(random, content[start:], other)
    return content[:start] + changed, what


def damage(random, data, other):
    """Change, drop, repeat or exchange records."""
    from ssdn_keras.data.tfrecord import write_record

    found, done = records(data), []
    for _ in range(random.choice((1, 1, 2))):
        at, to = random.randrange(len(found)), random.randrange(len(found))
        action = random.choice(("content", "content", "content", "image", "drop", "repeat", "exchange"))
        if action in ("content", "image"):
            change = raw.damage if action == "content" else _image_damaged
            found[at], action = change(random, found[at], other)
        elif action == "drop" and len(found) > 1:
            del found[at]
        elif action == "repeat":
            found.insert(to, found[at])
        else:
            found[at], found[to] = found[to], found[at]
        done.append(f"record {at}: {action}")
    stream = io.BytesIO()
    for content in found:
        write_record(stream, content)
    return stream.getvalue(), ", ".join(done)
