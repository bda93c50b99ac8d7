"""Which part of an image the network needs for a part of its output."""

from typing import NamedTuple

from ssdn_keras.model.mean_start import nearest_seen
from ssdn_keras.model.networks import LEVELS

GRID = 2**LEVELS


class _Reach(NamedTuple):
    """How far a 3×3 convolution sees back and ahead along an axis, and where a pool begins."""

    back: int
    ahead: int
    shift: int


# Along the rows of a shifted network nothing sees ahead; along its columns, and in the plain one, both sides alike.
_SHIFTED, _EVEN = _Reach(2, 0, 1), _Reach(1, 1, 0)


def _needed(first, last, reach):
    """First and last input position on which the outputs from `first` to `last` of the U-Net depend."""

    def convolve(first, last):
        return first - reach.back, last + reach.ahead

    skips = []
    for _ in range(LEVELS):  # decoder, from the output on
        first, last = convolve(*convolve(first, last))
        skips.append((first, last))
        first, last = first // 2, last // 2
    first, last = convolve(first, last)
    for level in reversed(range(LEVELS)):  # encoder, from its deepest level on
        first, last = convolve(2 * first - reach.shift, 2 * last + 1 - reach.shift)
        if level == 0:
            first, last = convolve(first, last)
        first, last = min(first, skips[level][0]), max(last, skips[level][1])
    return first, last


def window(first, stop, size, blindspot_size, rows):
    """(start, stop) of what must be seen along one axis of a view to compute it from `first` to before `stop`.

    It begins on the grid of the pools, and it ends on it or at the end of the image, so that all that is computed from
    it is as it would be from the whole image.

    Args:
        size: of the view along this axis.
        blindspot_size: of the network, 0 if it has none.
        rows: whether the axis is that of the rows, along which the networks with a blind spot are shifted.
    """
    reach, offset = (_SHIFTED, nearest_seen(blindspot_size)) if rows and blindspot_size else (_EVEN, 0)
    start, last = _needed(first - offset, stop - 1, reach)
    end = stop if reach is _SHIFTED else min(_on_grid(last + 1), size)
    return max(start // GRID * GRID, 0), end


def window_of_step(first, stop, size, step, blindspot_size, rows):
    """As `window`, but wider for up to `step` positions, so that the network sees few different lengths.

    After padding to the grid these are two: at a border of the image, and between its borders. What a backend keeps for
    each shape, tens of megabytes for TensorFlow in bfloat16, would add up otherwise.
    """
    start, end = window(first, stop, size, blindspot_size, rows)
    back, ahead, side = margins(blindspot_size)
    if not rows:
        back = ahead = side
    step = _on_grid(step)
    for length in (step + ahead + (GRID if ahead else 0), step + back + ahead + GRID):
        if size <= length:
            return 0, size
        begin = min(start, _on_grid(size - length))
        if end <= begin + length:
            return begin, min(begin + length, size)
    return start, end  # of more than a step: a rest of larger tiles, for which there was no memory


def _on_grid(length):
    return -(-length // GRID) * GRID


def margins(blindspot_size):
    """The most pixels that are needed (back, ahead) of the rows and (to each side) of the columns of a view."""
    far = 64 * GRID
    top, bottom = window(far, far + GRID, 2 * far, blindspot_size, rows=True)
    left, _ = window(far, far + GRID, 2 * far, blindspot_size, rows=False)
    return far - top, bottom - far - GRID, far - left
