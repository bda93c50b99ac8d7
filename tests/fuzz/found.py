"""Files that a reader once did not deal with as it should, in tests/fuzz_found: KIND-WHAT.SUFFIX, or packed, .xz."""

import lzma

from . import FOLDER

FOUND = FOLDER.parent / "fuzz_found"


def found_files():
    """(kind, path) of all of them."""
    return [(path.name.partition("-")[0], path) for path in sorted(FOUND.iterdir())]


def content(path):
    """The bytes of the damaged file."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
