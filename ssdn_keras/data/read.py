"""Pages of files as images, of training or of a test."""

from pathlib import Path

import numpy as np

from ssdn_keras.data.common import check_finite
from ssdn_keras.data.formats import open_pages
from ssdn_keras.data.images import TIFF_SUFFIXES, ImageError, open_image, to_array, to_channels


def checked_channels(found, wanted):
    """Raise ImageError unless an image of `found` channels can be one of `wanted`; see `images.to_channels`."""
    to_channels(np.zeros((1, 1, found), "uint8"), wanted)


def prepare(values, channels):
    """Values of a page to an array H×W×channels of its own, in the byte order of this machine; float64 to float32.

    Raises:
        ImageError: another number of channels, or NaN or infinity.
    """
    kind = "float32" if values.dtype.kind == "f" else values.dtype.newbyteorder("=")
    try:
        return check_finite(np.array(to_channels(values, channels), kind, order="C"))
    except ImageError:
        raise
    except ValueError as error:
        raise ImageError(str(error)) from None


def read_image(path, channels):
    """File of 8 bits per channel to uint8 H×W×channels, of a stack the first page; raises ImageError."""
    if Path(path).suffix.lower() not in TIFF_SUFFIXES:
        return to_array(open_image(path), channels)
    with open_pages(path) as reader:
        values = reader.read(0).values
    if values.dtype != np.uint8:
        raise ImageError(f"holds {values.dtype}: here images must have 8 bits per channel")
    return np.array(to_channels(values, channels))
