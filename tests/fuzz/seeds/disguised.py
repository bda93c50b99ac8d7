"""Files of other formats under the name of a PNG or JPEG file; whether they are accepted is of no matter."""

import io

import numpy as np
from PIL import Image

from . import Seed

_FORMATS = ("BMP", "DDS", "EPS", "GIF", "ICO", "IM", "JPEG2000", "MSP", "PCX", "PPM", "QOI", "SGI", "SPIDER", "TGA",
            "TIFF", "WEBP", "XBM")  # fmt: skip
_MODES = {"MSP": "1", "XBM": "1", "SPIDER": "F", "QOI": "RGB"}
# Pillow asks a program, Ghostscript, to read these.
_EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n0 0 moveto 9 9 lineto\nshowpage\n%%EOF\n"


def seeds():
    """Files of other formats, as far as this Pillow writes them."""
    yield Seed("EPS program", _EPS, False)
    picture = Image.fromarray(np.random.RandomState(0).randint(0, 256, (16, 20, 3), dtype=np.uint8))
    for kind in _FORMATS:
        stream = io.BytesIO()
        try:
            picture.convert(_MODES.get(kind, "RGB")).save(stream, kind)
        except (KeyError, OSError, ValueError):
            continue
        yield Seed(kind, stream.getvalue(), False)
