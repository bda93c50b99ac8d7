"""From the values of a file to the range that networks work in, nominally 0..1, and back: one rule for everything.

A value range is a pair (low, high), which becomes 0 and 1; or None, by type: 0 stays 0, and white, the largest value of
an integer type or 1 of floats, becomes 1.
"""

import numpy as np

WORDS = ("auto", "dtype", "percentiles")


def white_of(dtype):
    """The value that is nominally white."""
    dtype = np.dtype(dtype)
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def checked_range(value_range):
    """(low, high) as floats, or None; raises ValueError if these are no two finite numbers in this order."""
    if value_range is None:
        return None
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError):
        raise ValueError(f"value_range must be None or a pair (low, high). Received: {value_range!r}") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"value_range must be two finite numbers, the lower one first. Received: {value_range!r}")
    return low, high


def checked_clipping(clipped):
    """(low, high), or (low, high, step) where values were not rounded to whole numbers; floats, in a file's units.

    Examples:
        >>> checked_clipping([64, 4095, 1]), checked_clipping((0, 1, 0))
        ((64.0, 4095.0), (0.0, 1.0, 0.0))

    Raises:
        ValueError: these are no such numbers, or the step leaves nothing between the ends.
    """
    try:
        low, high, step = map(float, clipped if len(clipped) == 3 else (*clipped, 1.0))
    except (TypeError, ValueError):
        raise ValueError(f"clipped must be a pair (low, high), or (low, high, step). Received: {clipped!r}") from None
    if not (np.isfinite([low, high]).all() and low < high and step >= 0):
        raise ValueError(f"clipped must be two finite numbers, the lower one first, and a step. Received: {clipped!r}")
    if step >= high - low:
        raise ValueError(
            f"clipped: there is nothing between {low:g} and {high:g} in steps of {step:g}; for values that were not "
            f"rounded give ({low:g}, {high:g}, 0)"
        )
    return (low, high) if step == 1 else (low, high, step)


def parse_pair(what, text, words):
    """One of the words, or the pair of file values that LOW,HIGH stands for.

    Examples:
        >>> parse_pair("clipped", "16,235", ("auto",)), parse_pair("clipped", "auto", ("auto",))
        ((16.0, 235.0), 'auto')

    Args:
        what: name of the setting, for messages.
        text: what the user wrote.
        words: allowed ones.

    Raises:
        ValueError: it is neither.
    """
    if text in words:
        return text
    try:
        return checked_range(text.split(","))
    except ValueError:
        raise ValueError(
            f"{what} {text!r}: expected {', '.join(words)}, or two file values LOW,HIGH, the lower one first"
        ) from None


def parse_value_range(text):
    """One of `WORDS`, or a pair: see `parse_pair`."""
    return parse_pair("value range", text, WORDS)


def span(value_range, dtype="uint8"):
    """What of the file's units makes 1 of the network's."""
    return white_of(dtype) if value_range is None else value_range[1] - value_range[0]


def to_network(values, value_range=None):
    """Array in the file's units to float32 in the network's."""
    if value_range is None:
        if values.dtype.kind == "f":
            return values.astype("float32")
        return values.astype("float32") / np.float32(white_of(values.dtype))
    low, high = value_range
    # In float64: the difference of large values must not lose what is small beside them.
    return ((values.astype("float64") - low) / (high - low)).astype("float32")


def from_network(values, dtype, value_range=None, own_dtype=None):
    """The inverse. Integers are rounded and clipped to what their type can hold, floats are not.

    Args:
        values: array in the network's units.
        dtype: of the result.
        value_range: see above.
        own_dtype: type that the values came from, by which None is meant; by default `dtype`.
    """
    dtype = np.dtype(dtype)
    values = np.asarray(values, "float64") * span(value_range, own_dtype or dtype)
    if value_range is not None:
        values = values + value_range[0]
    return cast(values, dtype)


def cast(values, dtype):
    """Float values to another type; for integers rounded and clipped."""
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    with np.errstate(over="ignore"):  # infinity then says it
        return values.astype(dtype)


def rescaled(values, dtype):
    """An array of one type, alpha perhaps, as another: white stays white."""
    return values if values.dtype == dtype else from_network(to_network(values), dtype)
