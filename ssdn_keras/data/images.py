"""Image files to arrays and back."""

import contextlib
import io
import os
import threading
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ssdn_keras.atomic import write_atomically
from ssdn_keras.choices import MAX_PIXELS

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", *TIFF_SUFFIXES)
SUFFIXES_IN_WORDS = "PNG, JPEG, WebP, BMP or TIFF"
# Under these names Pillow would read many other formats, some of which call other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
# Pixels are stored in no less: deflate makes at most 1032 bytes of one, and a block of 8×8 pixels takes at least a bit.
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEFLATE, _JPEG_PIXELS = 1032, 2048
_EIGHT_BIT_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")


class ImageError(ValueError):
    """A file that cannot be used as an image; the message says why, without the path."""


def list_images(folder):
    """All files below a folder whose names end as those of images do, sorted by path.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(parent, name) for name in files if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
    if not found:
        raise FileNotFoundError(f"{folder}: no {SUFFIXES_IN_WORDS} file in this folder or below it")
    return sorted(found)


_PILLOW_LIMIT = threading.Lock()


def _open_header(file, formats, max_pixels):
    """A Pillow image of which the header was read; its own limit of pixels, a global variable, gives way to ours."""
    with _PILLOW_LIMIT:
        kept, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = kept
    check_pixels(*image.size, max_pixels)
    return image


def check_pixels(width, height, max_pixels=MAX_PIXELS):
    """Raise ImageError if an image has more pixels than the limit."""
    if width * height > max_pixels:
        raise ImageError(
            f"{width}×{height} pixels, more than the limit of {max_pixels}: if the file is what you think it is, "
            "raise the limit (--max_pixels of denoise)"
        )


def bit_depth(image, head):
    """Bits per channel: 8, or 16. Pillow reads 16-bit colour as 8-bit without a word.

    Args:
        image: Pillow image.
        head: the first 26 bytes of its file; in a PNG file byte 24 is the bit depth.

    Raises:
        ImageError: another number.
    """
    if (image.format == "PNG" and head[24] == 16) or image.mode.startswith("I;16"):
        return 16
    if image.mode not in _EIGHT_BIT_MODES:
        raise ImageError(f"pixels of the kind {image.mode}: convert it to 8 or 16 bits per channel")
    return 8


@contextlib.contextmanager
def opened(source, formats=_FORMATS, whole=True, max_pixels=MAX_PIXELS):
    """(Pillow image whose header was read, first bytes); whatever goes wrong, then or later, becomes an ImageError.

    Args:
        source: path, or the bytes of a file.
        formats: names of those that are accepted, as Pillow calls them.
        whole: whether these are all bytes of the file, which can then be compared with what its header claims.
        max_pixels: images with more are refused.
    """
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            head, size = file.read(26), file.seek(0, os.SEEK_END)
            file.seek(0)
            image = _open_header(file, formats, max_pixels)
            if whole:
                _check_claim(image, head, size)
            yield image, head
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError("not an image, or a damaged one") from None
    except Exception as error:  # what damage makes of a file, Pillow does not foresee
        raise ImageError(getattr(error, "strerror", None) or str(error).strip() or "damaged image") from None


def _check_claim(image, head, size):
    """A damaged header may claim any size, and Pillow would make room for it and fill it with black."""
    if image.format == "PNG":
        too_many = image.width * image.height * head[24] * _PNG_CHANNELS.get(head[25], 1) > 8 * _DEFLATE * size
    else:  # WebP stores a constant image in a few bytes
        too_many = image.format != "WEBP" and image.width * image.height > _JPEG_PIXELS * size
    if too_many:
        raise ImageError(f"damaged: its {size} bytes cannot hold {image.width}×{image.height} pixels")


def open_image(source, formats=_FORMATS):
    """A fully decoded Pillow image.

    Args:
        source: path, or the bytes of a file.
        formats: names of those that are accepted, as Pillow calls them.

    Raises:
        ImageError: unreadable, truncated, or of more than 8 bits per channel.
    """
    with opened(source, formats) as (image, head):
        if bit_depth(image, head) != 8:
            raise ImageError("more than 8 bits per channel: convert it to 8 bits")
        image.load()
        return image


def image_size(source, formats=_FORMATS):
    """(height, width) from the header alone, of which `bytes` need not hold more; raises ImageError as `open_image`."""
    with opened(source, formats, whole=not isinstance(source, bytes)) as (image, head):
        bit_depth(image, head)
        return image.height, image.width


def is_grey(image):
    """Whether a Pillow image has one channel beside alpha."""
    return image.mode in ("1", "L", "LA", "La")


def to_channels(array, channels):
    """H×W×C to the wanted number: colour to its unweighted mean, rounded if of integers; grey is repeated as colour."""
    if array.shape[-1] == channels:
        return array
    if channels == 1 and array.shape[-1] == 3:
        mean = array.mean(axis=-1, keepdims=True, dtype="float64")
        return np.rint(mean).astype(array.dtype) if array.dtype.kind in "iu" else mean.astype(array.dtype)
    if channels == 3 and array.shape[-1] == 1:
        return np.repeat(array, channels, axis=-1)
    raise ImageError(f"has {array.shape[-1]} channels, {channels} are needed")


def to_array(image, channels):
    """Pillow image to uint8 H×W×channels; alpha is dropped."""
    array = np.asarray(image.convert("L" if is_grey(image) else "RGB"))
    return to_channels(array.reshape(*array.shape[:2], -1), channels)


def save_image(path, image, **options):
    """Write a Pillow image, or a uint8 array H×W×C, whole or not at all; the format follows from the suffix."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if Path(path).suffix.lower() in (".jpg", ".jpeg"):
        options = {"quality": 95, "subsampling": 0, **options}
    write_atomically(path, lambda temporary: image.save(temporary, **options))
