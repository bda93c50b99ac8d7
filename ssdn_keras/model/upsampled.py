"""Nearest-neighbour upsampling ×2 and a 3×3 convolution in one: four 2×2 convolutions of the small map.

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


def convolve_upsampled(x, kernel, shifted, training):
    """Convolve the upsampled map.

    Args:
        x: N×H×W×C.
        kernel: 3×3×C×F.
        shifted: the convolution sees only rows at or above its own, as `ShiftConv2D`; else padding="same".
        training: whether gradients will be asked for.

    Returns:
        N×2H×2W×F.
    """
    kernel = _spread(_spread(kernel, 0), 1)
    # With its gradients a transposed convolution is the faster one, by a quarter on a CPU. Alone it is not, and
    # TensorFlow keeps memory as large as its input for every size of images in bfloat16.
    return (_transposed if training else _interleaved)(x, kernel, shifted)


def _interleaved(x, kernel, shifted):
    """One convolution for the four places that an output has in a pixel of the small map, as channels."""
    channels, filters = kernel.shape[2:]
    # Output 2i + a takes weight a from pixel i, and weight a + 2 from the pixel before.
    kernel = ops.flip(ops.reshape(kernel, (2, 2, 2, 2, channels, filters)), axis=0)
    kernel = ops.reshape(ops.transpose(ops.flip(kernel, axis=2), (0, 2, 4, 1, 3, 5)), (2, 2, channels, 4 * filters))
    x = ops.conv(ops.pad(x, [[0, 0], [1, 0 if shifted else 1], [1, 1], [0, 0]]), kernel, padding="valid")
    batch, height, width = ops.shape(x)[:3]
    x = ops.transpose(ops.reshape(x, (batch, height, width, 2, 2, filters)), (0, 1, 3, 2, 4, 5))
    x = ops.reshape(x, (batch, 2 * height, 2 * width, filters))
    return x[:, :, 1:-1] if shifted else x[:, 1:-1, 1:-1]


def _transposed(x, kernel, shifted):
    """A transposed convolution of stride 2."""
    kernel = ops.transpose(kernel, (0, 1, 3, 2))
    if not shifted:
        return ops.conv_transpose(x, kernel, strides=2, padding="same")
    height, width = ops.shape(x)[1], ops.shape(x)[2]
    # One row of the full result lies above the first, two below the last that "same" would keep: of those that see
    # rows above only, all are at the top.
    whole = ops.conv_transpose(x, kernel, strides=2, padding="valid")
    return ops.slice(whole, (0, 0, 1, 0), (ops.shape(x)[0], 2 * height, 2 * width, kernel.shape[2]))
