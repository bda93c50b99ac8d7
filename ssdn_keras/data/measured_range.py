"""The value range of a training set, from what --value_range says and from its images; and that of a file."""

import numpy as np

from ssdn_keras.data.common import tell
from ssdn_keras.data.sampled import sample, sample_pages
from ssdn_keras.value_range import checked_range, parse_value_range, white_of

LOW, HIGH = 0.1, 99.9
# No measurement is larger: what is stands for "no data", and would drown everything else.
LARGEST = 1e30


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


def range_of(reader, dtype):
    """(low, high) of a file, for networks that have no range: the same percentiles of all its pages of one type.

    Where nearly all values are equal, all of them tell; where all are, they are given a place in the middle of a narrow
    range, so that they stay what they are. "No data", which is NaN, infinite or larger than any measurement, is left
    out.

    Args:
        reader: see `ssdn_keras.data.formats.open_pages`.
        dtype: name of the type.

    Returns:
        None where the type is the range: of 8 bits, and where there is no data at all.

    Raises:
        ImageError: the file is damaged.
    """
    if dtype == "uint8":
        return None
    values = sample_pages(reader, dtype)
    values = values[np.abs(values) <= LARGEST]
    if not len(values):
        return None
    low, high = percentiles_of(values) or (values.min(), values.max())
    margin = 5e-7 * max(abs(low), 1e-6) if low == high else 0.0
    return float(low - margin), float(high + margin)


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
