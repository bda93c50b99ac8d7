"""The noise level under which an image is most likely, given what a network says of its clean pixels.

A network that was told the level in its training has no reason to make its prior too wide or too narrow, and the prior
does not depend on the level: the pixel itself is hidden. So the noisy values alone say how strong their noise is, as
what the prior does not explain. (Of the paper's own estimate, section 3.5, a second network learns it together with
the prior, and a term of the loss must keep one from taking over what the other should explain.)
"""

import math

import numpy as np
from keras import ops

# So many pixels of an image say it: of σ, the standard error is then 1/√(2·32768) = 0.4 % of one channel that is all
# noise. More pixels would cost more than they tell.
SAMPLES = 2**15
# In large images they come from 3×3 windows of at most so many pixels a side, so that tiles without any can be skipped.
WINDOWS, WINDOW = 3, 256
# Points of an even grid of logarithms, and of a finer one within the neighbours of its best point. Closer points would
# have losses that float32 cannot tell apart where there is little noise; a parabola does the rest.
_FIRST, _FINER = 25, 9
# Samples that are enough for the even grid.
_COARSE = 2**12
# Fractional parts of multiples of these fill the unit square evenly, however many there are (the R2 sequence): as
# whole numbers over 2¹⁶, which all backends compute alike.
_ROW_STEP, _COLUMN_STEP, _UNIT = 49471, 37345, 2**16


def samples(height, width):
    """Rows and columns of the pixels that are looked at, two int32 vectors, spread evenly over the windows.

    Args:
        height, width: of the image; numbers, or tensors where they are not known yet.
    """
    if isinstance(height, int) and isinstance(width, int):
        # A lattice of more points than pixels would only repeat them.
        count = min(SAMPLES, height * width)
    else:
        height, width = ops.cast(height, "int32"), ops.cast(width, "int32")
        # Not the product of sides, which may be too large for 32 bits.
        count = ops.minimum(SAMPLES, ops.minimum(height, SAMPLES) * ops.minimum(width, SAMPLES))
    index = ops.arange(count, dtype="int32")
    place, index = index % WINDOWS**2, index // WINDOWS**2
    rows = _within(height, place // WINDOWS, index * _ROW_STEP % _UNIT)
    columns = _within(width, place % WINDOWS, index * _COLUMN_STEP % _UNIT)
    return rows, columns


def _within(size, place, fraction):
    """Positions along one axis: in the middle of a third of it, at so many parts of 2¹⁶ of a window's length."""
    third = size / WINDOWS
    length = ops.minimum(ops.cast(third, "float32"), float(WINDOW))
    start = (ops.cast(place, "float32") + 0.5) * ops.cast(third, "float32") - 0.5 * length
    position = start + length * (ops.cast(fraction, "float32") + 0.5) / _UNIT
    return ops.clip(ops.cast(ops.floor(position), "int32"), 0, size - 1)


def at_samples(image, rows, columns):
    """N×H×W×C to N×P×1×C, the pixels at P positions."""
    shape = ops.shape(image)
    flat = ops.reshape(image, (-1, shape[1] * shape[2], 1, image.shape[-1]))
    return ops.take(flat, rows * shape[2] + columns, axis=1)


def most_likely(noise_model, observed, mean, columns):
    """The parameter under which noisy values are most likely, as the noise model's likelihood takes it: N×1×1×1.

    On a logarithmic grid over `noise_model.strengths`, refined once around its best point, and at last the vertex of a
    parabola.

    Args:
        noise_model: with one number as parameter.
        observed, mean: N×P×1×C.
        columns: of the factor of the prior's covariance, see `ssdn_keras.noise.covariance`.
    """
    low, high = map(math.log, noise_model.strengths)
    coarse = (high - low) / (_FIRST - 1)
    fine = 2.0 * coarse / (_FINER - 1)
    best, losses = ops.zeros_like(mean[:, 0, 0, :1]), None
    some = (observed[:, :_COARSE], mean[:, :_COARSE], [column[:, :, :_COARSE] for column in columns])
    grids = (np.linspace(low, high, _FIRST), some), (np.linspace(-coarse, coarse, _FINER), (observed, mean, columns))
    for grid, pixels in grids:
        points = ops.clip(best + ops.convert_to_tensor(grid[None], "float32"), low, high)
        losses = _losses(noise_model, *pixels, points)
        chosen = ops.cast(ops.top_k(-losses, 1)[1], "int32")  # argmin looks at bits, which ONNX has no operation for
        best = ops.take_along_axis(points, chosen, axis=1)
    before, at, after = (
        ops.take_along_axis(losses, ops.clip(chosen + step, 0, _FINER - 1), axis=1) for step in (-1, 0, 1)
    )
    vertex = 0.5 * (before - after) / ops.maximum(before - 2.0 * at + after, 1e-30)
    best = ops.clip(best + fine * ops.clip(vertex, -1.0, 1.0), low, high)
    return ops.reshape(ops.exp(best), (-1, 1, 1, 1))


def _losses(noise_model, observed, mean, columns, points):
    """Mean loss of N images at N×K logarithms of a parameter, N×K."""
    count = points.shape[1]
    repeated = [ops.repeat(image, count, axis=0) for image in (observed, mean)]
    columns = [ops.repeat(column, count, axis=1) for column in columns]
    strength = ops.exp(ops.reshape(points, (-1, 1, 1, 1)))
    losses = noise_model.loss_per_pixel(*repeated, columns, strength, False)
    return ops.reshape(ops.mean(losses, axis=(1, 2)), (-1, count))
