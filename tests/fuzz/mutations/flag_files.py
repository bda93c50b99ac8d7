"""Damage to flag files: words and lines, and flags that mean something to the parser itself."""

from . import words

_SPECIAL = (b"--flagfile=", b"--flagfile=absent.cfg", b"--flagfile=/", b"--flagfile=flags.cfg", b"--undefok=x",
            b"--undefok=", b"--help", b"--helpfull", b"--", b"-", b"--no", b"--nocrop", b"--crop",
            b"--nofreeze_noise=1", b"@file", b"file")  # fmt: skip


def damage(random, data, other):
    """Words and lines, and sometimes a special flag."""
    data, what = words.damage(random, data, other)
    if random.random() < 0.3:
        lines = data.split(b"\n")
        special = random.choice(_SPECIAL)
        lines.insert(random.randrange(len(lines) + 1), special)
        data, what = b"\n".join(lines), f"{what}, {special.decode()}"
    return data, what
