"""What the values of an image say before any statistics: range, saturation, steps."""

import numpy as np

# A share of pixels at an extreme value from which on it can matter: one in ten thousand.
_SMALLEST_SHARE = 1e-4
# Clipped values pile up at the extreme: more of them than of the values beside it, by this factor.
_PILE = 2.0


def saturation(values, extreme, step):
    """(share of values at an extreme, whether they pile up there as clipped values do).

    Args:
        values: any shape.
        extreme: the lowest or the highest of them.
        step: distance to the next value, with the sign of the direction; 0 for floats, where equality is enough.
    """
    share = float(np.mean(values == extreme))
    if share < _SMALLEST_SHARE or np.count_nonzero(values == extreme) < 8:
        return share, False
    beside = float(np.mean(values == extreme + step)) if step else 0.0
    return share, bool(share > _PILE * beside)


def step_of(picture):
    """Greatest common step of an integer image: 16, say, for 12 bits that were moved up to 16. 0 for floats."""
    if picture.low is None:
        return 0.0
    levels = np.unique(picture.values)
    if levels.size < 2:
        return 1.0
    return float(np.gcd.reduce(np.diff(levels).astype(np.int64)))


def describe(picture):
    """Dict of type, size, range, steps and saturation of a `Picture`, in file units."""
    values = picture.values
    low, high, step = float(values.min()), float(values.max()), step_of(picture)
    share_low, clipped_low = saturation(values, low, step)
    share_high, clipped_high = saturation(values, high, -step)
    return {
        "name": picture.name, "format": picture.kind, "dtype": picture.dtype, "height": values.shape[0],
        "width": values.shape[1], "channels": values.shape[2], "grey": is_grey(values), "lowest": low, "highest": high,
        "mean": float(values.mean(dtype=np.float64)), "step": step, "share_at_lowest": share_low,
        "share_at_highest": share_high,
        "clipped_low": clipped_low and low < high, "clipped_high": clipped_high and low < high,
    }  # fmt: skip


def is_grey(values):
    """Whether all channels are the same."""
    return all(np.array_equal(values[..., 0], values[..., channel]) for channel in range(1, values.shape[-1]))


def unusable(values, described):
    """H×W×C bool: pixels that clipping holds at the lowest or highest value, whose noise has lost a side."""
    mask = np.zeros(values.shape, bool)
    if described["clipped_low"]:
        mask |= values <= described["lowest"]
    if described["clipped_high"]:
        mask |= values >= described["highest"]
    return mask
