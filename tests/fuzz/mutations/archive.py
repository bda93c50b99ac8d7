"""Damage to the members of archives (.npz, .keras, .wt), whose checksums are then right again."""

import functools
import io
import json
import warnings
import zipfile

from . import json_values, raw, words

_LARGEST = 2**26


@functools.lru_cache(maxsize=16)
def _members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if any(entry.file_size > _LARGEST for entry in archive.infolist()):
            raise ValueError("not to be unpacked")
        return tuple((entry.filename, entry.compress_type, archive.read(entry)) for entry in archive.infolist())


def members(data):
    """List of (name, compression, content); empty if it is no archive."""
    try:
        return list(_members(data))
    except zipfile.BadZipFile:
        return []


def joined(found):
    """The archive of such a list."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name are what is wanted
        for name, compression, content in found:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return stream.getvalue()


def _damaged(random, name, content, other):
    if name.endswith(".json"):
        value, what = json_values.damage(random, json.loads(content))
        return json.dumps(value).encode(), what
    if content.startswith(b"\x93NUMPY") and random.random() < 0.5:
        changed, what = words.replace_word(random, content[:128], other)
        return changed + content[128:], what
    return raw.damage(random, content, other)


def damage(random, data, other):
    """Change, drop, repeat, rename or exchange members."""
    found, done = members(data), []
    if not found:
        raise ValueError("no archive")
    for _ in range(random.choice((1, 1, 2))):
        # Members of some size rather than small ones, but not in proportion.
        (at,) = random.choices(range(len(found)), [len(content).bit_length() + 1 for _, _, content in found])
        to = random.randrange(len(found))
        name, compression, content = found[at]
        action = random.choice(("content",) * 12 + ("drop", "repeat", "rename", "exchange", "compress"))
        if action == "content":
            content, action = _damaged(random, name, content, random.choice(members(other) or [("", 0, other)])[2])
            found[at] = name, compression, content
        elif action == "drop" and len(found) > 1:
            del found[at]
        elif action == "repeat":
            found.insert(to, (found[to][0], compression, content))
        elif action == "rename":
            found[at] = random.choice(("", "/", "../x", "a" * 3000, name + "x", name.upper())), compression, content
        elif action == "exchange":
            found[at], found[to] = (name, *found[to][1:]), (found[to][0], compression, content)
        else:
            found[at] = name, random.choice((0, 8, 12, 14)), content
        done.append(f"{name:.40}: {action}")
    return joined(found), ", ".join(done)
