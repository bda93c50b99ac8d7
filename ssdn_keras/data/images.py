"""Image files to arrays and back."""

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

SUFFIXES = (".png", ".jpg", ".jpeg")
_EIGHT_BIT_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")


class ImageError(ValueError):
    """A file that cannot be used as an image; the message says why, without the path."""


def list_images(folder):
    """All PNG and JPEG files below a folder, sorted by path.

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
        raise FileNotFoundError(f"{folder}: no PNG or JPEG file in this folder or below it")
    return sorted(found)


def open_image(path):
    """A fully decoded Pillow image.

    Raises:
        ImageError: unreadable, truncated, or of more than 8 bits per channel.
    """
    try:
        image = Image.open(path)
        image.load()
        deep = image.format == "PNG" and _png_bit_depth(path) == 16
    except UnidentifiedImageError:
        raise ImageError("not an image, or a damaged one") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(str(error).strip() or "damaged image") from None
    if deep or image.mode not in _EIGHT_BIT_MODES:
        raise ImageError("more than 8 bits per channel: convert it to 8 bits")
    return image


def _png_bit_depth(path):
    # Pillow reads 16-bit colour as 8-bit without a word.
    with open(path, "rb") as file:
        return file.read(25)[24]


def is_grey(image):
    """Whether a Pillow image has one channel beside alpha."""
    return image.mode in ("1", "L", "LA", "La")


def to_channels(array, channels):
    """H×W×1 or H×W×3 to the wanted number: colour to its unweighted mean, rounded if 8-bit; grey is repeated."""
    if array.shape[-1] == channels:
        return array
    if channels == 1:
        mean = array.mean(axis=-1, keepdims=True, dtype="float64")
        return np.rint(mean).astype(array.dtype) if array.dtype.kind == "u" else mean.astype(array.dtype)
    if array.shape[-1] == 1:
        return np.repeat(array, channels, axis=-1)
    raise ImageError(f"has {array.shape[-1]} channels, {channels} are needed")


def to_array(image, channels):
    """Pillow image to uint8 H×W×channels; alpha is dropped."""
    array = np.asarray(image.convert("L" if is_grey(image) else "RGB"))
    return to_channels(array.reshape(*array.shape[:2], -1), channels)


def read_image(path, channels):
    """File to uint8 H×W×channels; raises ImageError as `open_image` does."""
    return to_array(open_image(path), channels)


def write_atomically(path, write):
    """Call `write(temporary_path)` and move the result to `path`, so that the file is whole or absent."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
    os.close(handle)
    try:
        write(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save_image(path, image, **options):
    """Write a Pillow image, or a uint8 array H×W×C, whole or not at all; the format follows from the suffix."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if Path(path).suffix.lower() in (".jpg", ".jpeg"):
        options = {"quality": 95, "subsampling": 0, **options}
    write_atomically(path, lambda temporary: image.save(temporary, **options))
