"""JPEG files: baseline, progressive, grey, CMYK, with EXIF data and colour profile, and several pictures in one."""

import io

import numpy as np
from PIL import Image

from . import Seed
from .png import exif, profile


def _encoded(mode, kind="JPEG", **options):
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.RandomState(channels).randint(0, 256, (19, 21, channels), dtype=np.uint8)
    picture = Image.frombytes(mode, (21, 19), values.tobytes())
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def seeds():
    """JPEG files."""
    yield Seed("colour", _encoded("RGB"))
    yield Seed("without subsampling", _encoded("RGB", subsampling=0, quality=95))
    yield Seed("grey", _encoded("L"))
    yield Seed("CMYK", _encoded("CMYK"))
    yield Seed("progressive", _encoded("RGB", progressive=True, optimize=True))
    yield Seed("progressive CMYK", _encoded("CMYK", progressive=True))
    yield Seed("restart markers", _encoded("RGB", restart_marker_blocks=1))
    yield Seed("EXIF", _encoded("RGB", exif=exif(), dpi=(300, 300), comment=b"a comment"))
    yield Seed("profile", _encoded("RGB", icc_profile=profile()))
    yield Seed("CMYK with profile and EXIF", _encoded("CMYK", icc_profile=profile(), exif=exif()))
    other = Image.new("RGB", (8, 8), "red")
    yield Seed("two pictures", _encoded("RGB", "MPO", save_all=True, append_images=[other]))
