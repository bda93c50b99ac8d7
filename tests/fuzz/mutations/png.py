"""Damage to chunks of PNG files, whose checksums are then right again, and to the pixels before they are compressed."""

import contextlib
import struct
import zlib

from ..seeds.png import SIGNATURE, chunk
from . import parts, raw

_KINDS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"pHYs",
          b"bKGD", b"acTL", b"fcTL", b"fdAT", b"cICP", b"mDCV", b"JDAT", b"Ihdr")  # fmt: skip


def chunks(data):
    """List of (kind, data), as far as the lengths lead."""
    found, at = [], len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _recompress(random, content, other):
    """Content that is compressed, at its beginning or after a name, damaged before the compression."""
    start = content.find(b"\x78")
    with contextlib.suppress(zlib.error):
        changed, what = raw.damage(random, zlib.decompress(content[max(start, 0) :]), other)
        return content[: max(start, 0)] + zlib.compress(changed), f"inside: {what}"
    return raw.damage(random, content, other)


def damage(random, data, other):
    """Change, drop, repeat, move or rename chunks."""
    ways = (*3 * (raw.damage,), _recompress)
    found, done = parts.damage(random, chunks, data, other, ways, lambda random: random.choice(_KINDS))
    return SIGNATURE + b"".join(chunk(*one) for one in found), ", ".join(f"{kind!r}: {what}" for kind, what in done)
