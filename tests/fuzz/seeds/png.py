"""PNG files of every colour type and depth, made by hand: Pillow writes neither interlaced ones nor 16-bit colour."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

from . import Seed

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
_CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
# First row, first column, step of rows, step of columns of Adam7's passes.
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind, data):
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(samples, depth):
    """Rows of samples (H×W×C) as bytes, each after its filter type."""
    height, width, channels = samples.shape
    flat = samples.reshape(height, width * channels)
    if depth == 16:
        packed = flat.astype(">u2").view(np.uint8).reshape(height, -1)
    else:
        bits = np.unpackbits(flat.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
        packed = np.packbits(bits.reshape(height, -1), axis=-1)
    return np.concatenate([np.zeros((height, 1), np.uint8), packed], axis=1).tobytes()


def encode(colour, depth, interlaced=False, before=(), after=(), height=11, width=13, parts=1):
    """A PNG file of random samples.

    Args:
        colour, depth: colour type and bits per sample.
        before, after: chunks, (kind, data), before and after the pixels.
        parts: number of IDAT chunks.
    """
    samples = np.random.RandomState(depth).randint(0, 2**depth, (height, width, _CHANNELS[colour]))
    if interlaced:
        passes = (samples[top::down, left::right] for top, left, down, right in _PASSES)
        pixels = b"".join(_rows(part, depth) for part in passes if part.size)
    else:
        pixels = _rows(samples, depth)
    pixels = zlib.compress(pixels)
    size = -(-len(pixels) // parts)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = [(b"PLTE", np.arange(3 * 2**depth).astype(np.uint8).tobytes())] if colour == PALETTE else []
    data = [(b"IDAT", pixels[at : at + size]) for at in range(0, len(pixels), size)]
    chunks = [(b"IHDR", header), *palette, *before, *data, *after, (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(*one) for one in chunks)


def exif():
    """An EXIF block with texts, fractions and an orientation."""
    made = Image.Exif()
    made[0x0110], made[0x0112], made[0x011A], made[0x0128], made[0x8298] = "camera", 6, 72.0, 2, "nobody"
    return made.tobytes()


def profile():
    """An ICC profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def seeds():
    """PNG files."""
    every = [(GREY, depth) for depth in (1, 2, 4, 8, 16)] + [(PALETTE, depth) for depth in (1, 2, 4, 8)]
    every += [(colour, depth) for colour in (COLOUR, GREY_ALPHA, COLOUR_ALPHA) for depth in (8, 16)]
    for colour, depth in every:
        for interlaced in (False, True):
            name = f"type {colour}, {depth} bits{', interlaced' if interlaced else ''}"
            yield Seed(name, encode(colour, depth, interlaced), depth < 16)
    texts = [(b"tEXt", b"Title\0a"), (b"zTXt", b"Comment\0\0" + zlib.compress(b"b" * 50)),
             (b"iTXt", b"Author\0\1\0en\0A\0" + zlib.compress(b"c" * 50))]  # fmt: skip
    colours = [(b"gAMA", struct.pack(">I", 45455)), (b"cHRM", bytes(32)), (b"sRGB", b"\0")]
    page = [(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)), (b"bKGD", bytes(6)), (b"tIME", bytes(7))]
    compressed = b"p\0\0" + zlib.compress(profile())
    yield Seed("texts", encode(COLOUR, 8, before=texts, after=texts, parts=3))
    yield Seed("colours", encode(COLOUR, 8, before=[*colours, *page, (b"tRNS", bytes(6))]))
    yield Seed("profile and EXIF", encode(COLOUR_ALPHA, 8, before=[(b"iCCP", compressed), (b"eXIf", exif()[6:])]))
    yield Seed("EXIF at the end", encode(GREY, 8, after=[(b"eXIf", exif()[6:])]))
    yield Seed("transparent palette", encode(PALETTE, 8, before=[(b"tRNS", bytes(range(200)))]))
    yield Seed("transparent grey", encode(GREY, 8, True, before=[(b"tRNS", bytes(2))]))
    frames = [Image.new("RGBA", (9, 7), (i * 40, 0, 0, 200)) for i in range(3)]
    stream = io.BytesIO()
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    yield Seed("animated", stream.getvalue(), whole=False)
