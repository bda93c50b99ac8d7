"""Damage to any bytes, whatever they mean."""

from .places import place

_LONGEST = 64
_NUMBERS = (0, 1, 2, 7, 8, 15, 16, *(2**bits - below for bits in (8, 16, 31, 32, 62, 63, 64) for below in (0, 1)))


def _length(random, data):
    return min(random.choice((1, 2, 3, 4, 8, 16, random.randint(1, _LONGEST))), max(len(data), 1))


def flip(random, data, other):
    """Turn a few bits over."""
    out, count = bytearray(data), random.choice((1, 1, 1, 2, 5, 20))
    for _ in range(count if data else 0):
        out[place(random, data)] ^= 1 << random.randrange(8)
    return out, f"flip {count} bits"


def overwrite(random, data, other):
    """Replace bytes by random ones."""
    at, length = place(random, data), _length(random, data)
    return data[:at] + random.randbytes(length) + data[at + length :], f"overwrite {length} at {at}"


def truncate(random, data, other):
    """Cut the end off."""
    at = random.choice((place(random, data), len(data) - min(len(data), random.randint(1, 40))))
    return data[:at], f"truncate at {at}"


def insert(random, data, other):
    """Put random, equal or zero bytes in between."""
    at, length = place(random, data), _length(random, data)
    what = random.choice((random.randbytes(length), bytes(length), b"\xff" * length, data[at : at + 1] * length))
    return data[:at] + what + data[at:], f"insert {length} at {at}"


def delete(random, data, other):
    """Take bytes out."""
    at, length = place(random, data), _length(random, data)
    return data[:at] + data[at + length :], f"delete {length} at {at}"


def duplicate(random, data, other):
    """Copy a part to another place, over what is there or in between."""
    at, to, length = place(random, data), place(random, data), _length(random, data)
    over = random.choice((0, length))
    return data[:to] + data[at : at + length] + data[to + over :], f"copy {length} from {at} to {to}"


def swap(random, data, other):
    """Exchange two parts."""
    first, second = sorted((place(random, data), place(random, data)))
    length = min(_length(random, data), second - first)
    out = bytearray(data)
    out[first : first + length], out[second : second + length] = (
        data[second : second + length], data[first : first + length],
    )  # fmt: skip
    return out, f"swap {length} at {first} and {second}"


def extreme(random, data, other):
    """Replace a number, as a length might be, by one at the end of its range or near the file's own length."""
    at, size, order = place(random, data), random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
    number = random.choice((*_NUMBERS, len(data), len(data) - 1, len(data) - at, random.randrange(2**16)))
    value = (number % 256**size).to_bytes(size, order)
    return data[:at] + value + data[at + size :], f"{number} in {size} bytes at {at}"


def splice(random, data, other):
    """The beginning of one file and the end of another."""
    at, after = place(random, data), place(random, other)
    return data[:at] + other[after:], f"splice at {at} with another at {after}"


def transplant(random, data, other):
    """A part of another file over a part of this one."""
    at, source, length = place(random, data), place(random, other), _length(random, other)
    return data[:at] + other[source : source + length] + data[at + length :], f"transplant {length} to {at}"


_ALL = (flip, overwrite, truncate, insert, delete, duplicate, swap, extreme, splice, transplant)


def damage(random, data, other):
    """One to four of them, one after another."""
    done = []
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        data, what = random.choice((*_ALL, flip, overwrite, extreme))(random, bytes(data), bytes(other))
        done.append(what)
    return bytes(data), ", ".join(done)
