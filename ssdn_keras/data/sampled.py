"""Values of a training set, some of them: enough to measure its range."""

import numpy as np

from ssdn_keras.data.readable import Readable

_IMAGES, _PIXELS = 200, 20_000


def sample(source):
    """float64 array of values of evenly spaced images and pixels, in the units of the files."""
    count, readable, parts = len(source), Readable(source), []
    for index in np.unique(np.linspace(0, count - 1, min(count, _IMAGES)).round().astype(int)):
        values = readable(int(index))[1].reshape(-1)
        parts.append(values[:: max(len(values) // _PIXELS, 1)].astype("float64"))
    return np.concatenate(parts)
