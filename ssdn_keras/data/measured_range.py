"""The value range of a training set, from what --value_range says and from its images."""

import numpy as np

from ssdn_keras.data.common import tell
from ssdn_keras.data.sampled import sample
from ssdn_keras.value_range import checked_range, parse_value_range, white_of

LOW, HIGH = 0.1, 99.9


def percentiles(source):
    """(low, high) of the values of a training set: percentiles 0.1 and 99.9 of evenly spaced images and pixels.

    Raises:
        ValueError: all values are the same.
    """
    values = sample(source)
    found = percentiles_of(values)
    if found is None:
        raise ValueError(f"the training images have one value only, {values.flat[0]:g}: give --value_range=LOW,HIGH")
    return found


def percentiles_of(values):
    """The same of an array, of those values that are finite; None if there are none, or if they are all equal."""
    values = np.asarray(values, "float64").reshape(-1)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [LOW, HIGH]) if len(values) else (0.0, 0.0)
    return (float(low), float(high)) if low < high else None


def resolve(value_range, source):
    """The pair (low, high), or None for the published 0..255, that a model is to store.

    Args:
        value_range: "auto" (by type for 8-bit images, by percentiles for others), "dtype", "percentiles" or "LOW,HIGH".
        source: training images, see `ssdn_keras.data.sources`.

    Raises:
        ValueError: the range cannot be told from the images.
    """
    wanted = parse_value_range(value_range)
    dtypes = getattr(source, "dtypes", {"uint8"})
    if not isinstance(wanted, str):
        return checked_range(wanted)
    if wanted != "percentiles" and dtypes == {"uint8"}:
        return None
    if wanted == "dtype":
        whites = {white_of(dtype) for dtype in dtypes}
        if len(whites) > 1:
            raise ValueError(
                f"the training images have several types ({', '.join(sorted(dtypes))}): give --value_range"
            )
        return 0.0, whites.pop()
    low, high = percentiles(source)
    tell(f"value range {low:g} to {high:g}: percentiles {LOW:g} and {HIGH:g} of the training images")
    return low, high
