"""Damage to text: words, numbers and lines."""

import re

_JUNK = ("", "0", "-1", "1", "2", "9" * 40, "9" * 5000, "1e999", "-1e-400", "nan", "inf", "-inf", "0x10", "1_0", "1,5",
         "½", "٣", "true", "None", "null", "''", '"', "'", "\\", "%s%n", "{}", "[]", "é", "\u202e", "\ud800",
         "\x1b[31m", "\x00", "\r", "\t", " ", "=", "==", "--", "#", "a" * 10_000, "../..", "/", ".", "~", "*", "gauss",
         "gauss25_50", "impulse999")  # fmt: skip
_WORD = re.compile(rb"[A-Za-z_]+|[0-9.]+")


def _junk(random):
    return random.choice(_JUNK).encode("utf-8", "surrogatepass")


def replace_word(random, data, other):
    """Replace a word or number by junk, or by one of another file."""
    words = [match.span() for match in _WORD.finditer(data[:8192])]
    if not words:
        return data, "nothing"
    start, end = random.choice(words)
    theirs = _WORD.findall(other[:8192]) or [b""]
    new = random.choice((_junk(random), _junk(random), random.choice(theirs)))
    return data[:start] + new + data[end:], f"{data[start:end]!r:.40} becomes {new!r:.40}"


def change_lines(random, data, other):
    """Drop, repeat, exchange, join or replace lines."""
    lines, theirs = data.split(b"\n"), other.split(b"\n")
    at, to = random.randrange(len(lines)), random.randrange(len(lines))
    action = random.choice(("drop", "repeat", "exchange", "join", "take", "junk", "many"))
    if action == "drop":
        del lines[at]
    elif action == "repeat":
        lines.insert(to, lines[at])
    elif action == "exchange":
        lines[at], lines[to] = lines[to], lines[at]
    elif action == "join":
        lines[at : at + 2] = [random.choice((b" ", b"", b"\r", b"=", b"\\")).join(lines[at : at + 2])]
    elif action == "take":
        lines.insert(at, random.choice(theirs))
    elif action == "junk":
        lines.insert(at, b"--" + random.choice(_WORD.findall(other) or [b"x"]) + b"=" + _junk(random))
    else:
        lines[at:at] = [lines[to]] * random.choice((100, 10_000))
    return b"\n".join(lines), f"{action} line {at}"


def damage(random, data, other):
    """One to three of them."""
    done = []
    for _ in range(random.randint(1, 3)):
        data, what = random.choice((replace_word, replace_word, change_lines))(random, data, other)
        done.append(what)
    return data, ", ".join(done)
