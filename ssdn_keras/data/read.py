"""Pages of files as training images."""

import numpy as np

from ssdn_keras.data.common import check_finite
from ssdn_keras.data.images import ImageError, to_channels


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
