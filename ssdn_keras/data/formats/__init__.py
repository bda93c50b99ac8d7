"""Image files of every kind, page by page, in the files' own units.

The contract: `open_pages(path)` gives a reader with `pages`, a list of `PageShape` from the headers alone, and
`read(i)`, the `Page`. `create_pages(path, reader)` gives a writer of the same kind of file: `write(i, values)` for each
page in turn, values H×W×C; what else belongs to a page (alpha, resolution, descriptions) it takes from the reader.
"""

from pathlib import Path

from ssdn_keras.choices import MAX_PIXELS
from ssdn_keras.data.formats.page import Page, PageShape
from ssdn_keras.data.formats.pillow_reader import PillowReader
from ssdn_keras.data.images import TIFF_SUFFIXES, ImageError

__all__ = ["Page", "PageShape", "create_maps", "create_pages", "open_pages"]

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_pages(source, max_pixels=MAX_PIXELS):
    """A reader of an image file, to be used as a context manager.

    Args:
        source: path, or the bytes of a file.
        max_pixels: pages with more pixels are refused.

    Raises:
        ImageError: not an image, damaged, too large, of a kind that cannot be read, or named as another kind.
    """
    if isinstance(source, bytes):
        is_tiff = source[:4] in _TIFF_MAGIC
    else:
        is_tiff = _check_name(Path(source))
    if is_tiff:
        from ssdn_keras.data.formats.tiff_reader import TiffReader

        return TiffReader(source, max_pixels)
    return PillowReader(source, max_pixels)


def _check_name(path):
    """Whether a file holds a TIFF image; raises ImageError if its name says something else, or if it is empty."""
    try:
        with open(path, "rb") as file:
            head = file.read(4)
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from None
    if not head:
        raise ImageError("the file is empty (0 bytes)")
    is_tiff, named_tiff = head in _TIFF_MAGIC, path.suffix.lower() in TIFF_SUFFIXES
    if is_tiff and not named_tiff:
        raise ImageError("holds a TIFF image: its name must end in .tif")
    if named_tiff and not is_tiff:
        raise ImageError(f"named {path.suffix}, but it holds no TIFF image")
    return is_tiff


def create_pages(path, reader, dtype=None):
    """A writer of the same kind of file as `reader` reads; the kind follows from the suffix of `path`.

    Args:
        path: where to write; write to a temporary file and rename it to have the file whole or not at all.
        reader: see `open_pages`.
        dtype: of the values, as NumPy calls it; by default that of each page.

    Raises:
        ImageError: such a file cannot hold such values, or its suffix is that of another kind.
    """
    if Path(path).suffix.lower() in TIFF_SUFFIXES:
        from ssdn_keras.data.formats.tiff_writer import TiffWriter

        return TiffWriter(path, reader, dtype)
    from ssdn_keras.data.formats.pillow_writer import PillowWriter

    return PillowWriter(path, reader, dtype)


def create_maps(path, reader):
    """A writer of a TIFF file of float32 pages as large as those of `reader`, which may read another kind of file."""
    from ssdn_keras.data.formats.tiff_writer import MapWriter, TiffWriter

    return TiffWriter(path, reader, "float32") if hasattr(reader, "layout") else MapWriter(path)
