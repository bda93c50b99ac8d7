"""Nearest-neighbour upsampling ×2 and a 3×3 convolution in one: a transposed convolution of the small map.

Of the nine pixels under a 3×3 kernel on an upsampled map at most four differ, so the weights of equal ones can be added
beforehand: four products for each output instead of nine, and the upsampled map is never made. This is exact but for
the order in which float numbers are added.
"""

import contextlib
import contextvars

import keras
from keras import ops

# Sums in another order differ by rounding. Up to this side, where a step takes no time worth saving, the published
# order of operations is kept, and with it agreement with the reference files to the last digits of float32.
SMALL = 48

_published = contextvars.ContextVar("published", default=False)


@contextlib.contextmanager
def published_order():
    """Within it every network sums in the order of the authors' program, for comparisons to the last digit."""
    token = _published.set(True)
    try:
        yield
    finally:
        _published.reset(token)


def pays(height, width, training, dtype):
    """Whether to do this, for network inputs of this size (None: not known), rather than to upsample first.

    Networks that compute in float32 do it in training alone: results then are the same to the last digits whole and in
    tiles, here and exported. Not for small inputs, and not with JAX on a CPU, whose transposed convolution is slow.
    """
    if not training and dtype == "float32":
        return False
    if _published.get() or (None not in (height, width) and max(height, width) <= SMALL):
        return False
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.default_backend() != "cpu"


def upsample(x):
    """N×H×W×C to N×2H×2W×C, each pixel four times."""
    return ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2)


def _spread(kernel, axis):
    """Weights [w0, w1, w2] along an axis as those of the transposed convolution, [w2, w1 + w2, w0 + w1, w0]."""
    w0, w1, w2 = ops.split(kernel, 3, axis=axis)
    return ops.concatenate([w2, w1 + w2, w0 + w1, w0], axis=axis)


def transposed_kernel(kernel):
    """Kernel 3×3×in×out to that of the transposed convolution of stride 2, 4×4×out×in."""
    return ops.transpose(_spread(_spread(kernel, 0), 1), (0, 1, 3, 2))


def convolve_upsampled(x, kernel, shifted):
    """Convolve the upsampled map.

    Args:
        x: N×H×W×C.
        kernel: 3×3×C×F.
        shifted: the convolution sees only rows at or above its own, as `ShiftConv2D`; else padding="same".

    Returns:
        N×2H×2W×F.
    """
    kernel = transposed_kernel(kernel)
    if not shifted:
        return ops.conv_transpose(x, kernel, strides=2, padding="same")
    height, width = ops.shape(x)[1], ops.shape(x)[2]
    # One row of the full result lies above the first, two below the last that "same" would keep: of those that see
    # rows above only, all are at the top.
    whole = ops.conv_transpose(x, kernel, strides=2, padding="valid")
    return ops.slice(whole, (0, 0, 1, 0), (ops.shape(x)[0], 2 * height, 2 * width, kernel.shape[2]))
