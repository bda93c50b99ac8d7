"""Damage to chunks of PNG files, whose checksums are then right again, and to the pixels before they are compressed."""

import contextlib
import struct
import zlib

from ..seeds.png import SIGNATURE, chunk
from . import raw

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
    found, done = chunks(data), []
    for _ in range(random.choice((1, 1, 2, 3))):
        if not found:
            break
        at, to = random.randrange(len(found)), random.randrange(len(found))
        kind, content = found[at]
        action = random.choice(("content", "content", "content", "inside", "drop", "repeat", "move", "rename", "take"))
        if action in ("content", "inside"):
            content, what = (raw.damage if action == "content" else _recompress)(random, content, other)
            found[at] = kind, content
            action = what
        elif action == "drop":
            del found[at]
        elif action == "repeat":
            found.insert(to, found[at])
        elif action == "move":
            found.insert(to, found.pop(at))
        elif action == "rename":
            found[at] = random.choice(_KINDS), content
        else:
            found.insert(at, random.choice(chunks(other) or [(b"IEND", b"")]))
        done.append(f"{kind!r}: {action}")
    return SIGNATURE + b"".join(chunk(*one) for one in found), ", ".join(done)
