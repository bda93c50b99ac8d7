"""Damage to segments of JPEG files, whose lengths then fit again."""

import struct

from . import parts, raw

_ALONE = {0x01, *range(0xD0, 0xDA)}  # markers without content


def segments(data):
    """List of (marker, content); what follows the start of the pixels is the content of a last marker 0."""
    found, at = [], 0
    while at + 2 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _ALONE:
            found.append((marker, b""))
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((marker, data[at + 4 : at + 2 + length]))
        at += 2 + max(length, 2)
        if marker == 0xDA:
            break
    return [*found, (0, data[at:])]


def joined(found):
    """The file of such a list."""
    out = b""
    for marker, content in found:
        if marker == 0:
            out += content
        elif marker in _ALONE:
            out += bytes((0xFF, marker))
        else:
            out += bytes((0xFF, marker)) + struct.pack(">H", min(len(content) + 2, 0xFFFF)) + content[:0xFFFD]
    return out


def _marker(random):
    return random.choice((random.randrange(0xC0, 0xFF), 0xC0, 0xC2, 0xE1, 0xE2, 0xED, 0xEE))


def damage(random, data, other):
    """Change, drop, repeat, move or rename segments."""
    found, done = parts.damage(random, segments, data, other, 3 * (raw.damage,), _marker)
    return joined(found), ", ".join(f"{marker:02x}: {what}" for marker, what in done)
