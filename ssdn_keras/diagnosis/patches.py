"""Small patches of an image plane, and their cosine transform."""

import numpy as np

# Of 64 pixels of a patch one may be clipped: more would take noise away, fewer would refuse dark and bright areas.
_CLIPPED_SHARE = 1 / 64


def cosine_basis(side):
    """Orthonormal two-dimensional DCT-II as a matrix side² × side² that multiplies flattened patches."""
    frequency, place = np.arange(side)[:, None], np.arange(side)[None]
    basis = np.cos(np.pi * (2 * place + 1) * frequency / (2 * side)) * np.sqrt(2.0 / side)
    basis[0] /= np.sqrt(2.0)
    return np.kron(basis, basis).astype(np.float32)


def frequencies(side):
    """Sum of vertical and horizontal frequency of each flattened DCT coefficient."""
    return np.add.outer(np.arange(side), np.arange(side)).ravel()


def sample(plane, unusable, side, most):
    """At most about `most` patches of a plane on a regular grid, as float32 N × side².

    Patches in which clipping took noise away, or without any variation at all, are left out.

    Args:
        plane: float H×W.
        unusable: bool H×W, as `values.unusable` gives it.
        side: of the square patches.
        most: how many; the grid is as dense as that allows.
    """
    if min(plane.shape) < side:
        return np.empty((0, side * side), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(plane, (side, side))
    stride = max(1, int(np.ceil(np.sqrt(windows.shape[0] * windows.shape[1] / most))))
    found = windows[::stride, ::stride].reshape(-1, side * side)
    good = np.ptp(found, axis=1) > 0
    if unusable.any():
        clipped = np.lib.stride_tricks.sliding_window_view(unusable, (side, side))[::stride, ::stride]
        good &= clipped.mean(axis=(2, 3)).ravel() <= _CLIPPED_SHARE
    return found[good].astype(np.float32)


def constant_share(plane, side):
    """Share of patches, side by side, in which all values are the same."""
    height, width = (size // side for size in plane.shape)
    tiles = plane[: height * side, : width * side].reshape(height, side, width, side)
    return float(np.mean(tiles.max(axis=(1, 3)) == tiles.min(axis=(1, 3)))) if tiles.size else 1.0
