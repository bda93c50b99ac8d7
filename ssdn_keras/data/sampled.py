"""Values of a training set, some of them: enough to measure its range."""

import numpy as np

from ssdn_keras.data.readable import Readable

_IMAGES, _PIXELS = 200, 20_000
# Of one file, which is all that there is, fewer images and more of each.
_PAGES, _PAGE_PIXELS = 20, 10**6


def some_values(image, count):
    """Values, 1-D, of at most `count` pixels of an image H×W×C, evenly spaced, with all channels of each."""
    pixels = image.reshape(-1, image.shape[-1])
    if len(pixels) > count:
        # A whole step could divide the width, and one column would stand for all.
        pixels = pixels[np.linspace(0, len(pixels) - 1, count).astype(int)]
    return pixels.reshape(-1)


def sample(source):
    """float64 array of values of evenly spaced images and pixels, in the units of the files."""
    count, readable, parts = len(source), Readable(source), []
    for index in np.unique(np.linspace(0, count - 1, min(count, _IMAGES)).round().astype(int)):
        parts.append(some_values(readable(int(index))[1], _PIXELS).astype("float64"))
    return np.concatenate(parts)


def sample_pages(reader, dtype):
    """float64 array of values of evenly spaced pages and pixels of a file, in its units.

    Args:
        reader: see `ssdn_keras.data.formats.open_pages`.
        dtype: name of a type; pages of others are left out.

    Raises:
        ImageError: the file is damaged.
    """
    indices = [index for index, shape in enumerate(reader.pages) if shape.dtype == dtype]
    chosen = indices[:: max(len(indices) // _PAGES, 1)]
    return np.concatenate([some_values(reader.read(index).values, _PAGE_PIXELS).astype("float64") for index in chosen])
