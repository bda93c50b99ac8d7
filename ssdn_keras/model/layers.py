"""The four layers that make a network blind (paper, section 3.1, figure 2)."""

import keras
from keras import layers, ops

PACKAGE = "ssdn_keras"


def shift_down(x, rows):
    """Shift an N×H×W×C map down by `rows`: zeros come in at the top. It is `rows` higher than before."""
    return ops.pad(x, [[0, 0], [rows, 0], [0, 0], [0, 0]])


def padding_above(kernel_size):
    """Zeros around N×H×W×C with which a "valid" convolution by an odd kernel sees no row below its output row.

    Apart from the convolution: explicit padding inside it is 30 times slower in bfloat16 on a CPU.
    """
    height, width = kernel_size
    side = (width - 1) // 2
    return [[0, 0], [height - 1, 0], [side, side], [0, 0]]


def pad_above(x, kernel_size):
    """Pad N×H×W×C so that a "valid" convolution by an odd kernel sees no row below its output row."""
    return ops.pad(x, padding_above(kernel_size))


class _TakesPadding:
    """A layer whose call has a `padded`: its input may bring the zeros of its `padding_before`."""

    def compute_output_spec(self, inputs, padded=False):
        around = [before + after if padded else 0 for before, after in self.padding_before]
        plain = (None if size is None else size - zeros for size, zeros in zip(inputs.shape, around, strict=True))
        return keras.KerasTensor(self.compute_output_shape(tuple(plain)), self.compute_dtype)


@keras.saving.register_keras_serializable(package=PACKAGE)
class ShiftConv2D(_TakesPadding, layers.Conv2D):
    """Convolution that sees no row below its output row.

    The input is shifted down by half the kernel's height, so that a kernel of k rows covers the rows r − k + 1 … r of
    output row r. Columns are zero-padded as in padding="same".

    Args:
        filters: output channels.
        kernel_size: odd height and width.
        kwargs: as for `keras.layers.Conv2D`, but strides, dilation and groups must be 1 and padding is fixed.
    """

    def __init__(self, filters, kernel_size=3, **kwargs):
        kwargs.pop("padding", None)
        super().__init__(filters, kernel_size, padding="valid", **kwargs)
        if any(size % 2 == 0 for size in self.kernel_size):
            raise ValueError(f"ShiftConv2D needs odd kernel sizes. Received: kernel_size={kernel_size}")
        if set(self.strides) | set(self.dilation_rate) | {self.groups} != {1}:
            raise ValueError("ShiftConv2D supports strides, dilation_rate and groups of 1 only.")

    @property
    def padding_before(self):
        """Zeros around the input, as for `keras.ops.pad`."""
        return padding_above(self.kernel_size)

    def call(self, inputs, padded=False):
        """Convolve; `padded`: the input has its zeros already."""
        return super().call(inputs if padded else ops.pad(inputs, self.padding_before))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)


@keras.saving.register_keras_serializable(package=PACKAGE)
class ShiftPool(_TakesPadding, layers.Layer):
    """2×2 max pooling of the map shifted down by one row, so that a pooled row sees no row below its upper one."""

    padding_before = ((0, 0), (1, 0), (0, 0), (0, 0))

    def call(self, inputs, padded=False):
        """Pool; `padded`: the input has its zeros already."""
        x = inputs if padded else ops.pad(inputs, self.padding_before)
        pooled = ops.max_pool(x, 2, strides=2, padding="valid")
        shifted = x.shape[1]
        if shifted is not None and shifted % 2 == 1:
            return pooled  # the row that the shift pushes out has no partner and is not pooled
        batch, shifted, width, channels = ops.shape(x)
        height = shifted - 1
        return ops.slice(pooled, (0, 0, 0, 0), (batch, height // 2, width // 2, channels))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        half = [None if size is None else size // 2 for size in (height, width)]
        return (batch, *half, channels)


def _turn_over(x):
    if keras.backend.backend() == "tensorflow":  # where ops.flip of Keras 3.12 takes a single axis
        import tensorflow as tf

        return tf.reverse(x, axis=(1, 2))
    return ops.flip(x, axis=(1, 2))


def _rotate(x, quarter_turns):
    """Rotate N×H×W×C counter-clockwise, as numpy.rot90 does over height and width."""
    quarter_turns %= 4
    if quarter_turns == 0:
        return x
    if quarter_turns == 2:
        return _turn_over(x)
    return ops.flip(ops.transpose(x, (0, 2, 1, 3)), axis=1 if quarter_turns == 1 else 2)


@keras.saving.register_keras_serializable(package=PACKAGE)
class RotateStack(layers.Layer):
    """The image seen from four sides: N×H×W×C to [2N×H×W×C (0°, 180°), 2N×W×H×C (90°, 270°)].

    Two stacks instead of one, so that the image need not be square. Rotations are counter-clockwise.
    """

    def call(self, inputs):
        upright = ops.concatenate([inputs, _rotate(inputs, 2)], axis=0)
        sideways = ops.concatenate([_rotate(inputs, 1), _rotate(inputs, 3)], axis=0)
        return [upright, sideways]

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        twice = None if batch is None else 2 * batch
        return [(twice, height, width, channels), (twice, width, height, channels)]


@keras.saving.register_keras_serializable(package=PACKAGE)
class RotateMerge(layers.Layer):
    """Inverse of `RotateStack`: turns the four views back and joins them on the channels, 0°, 90°, 180°, 270°."""

    def call(self, inputs):
        upright, sideways = inputs
        view_0, view_180 = ops.split(upright, 2, axis=0)
        view_90, view_270 = ops.split(sideways, 2, axis=0)
        return ops.concatenate([view_0, _rotate(view_90, 3), _rotate(view_180, 2), _rotate(view_270, 1)], axis=-1)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape[0]
        return (None if batch is None else batch // 2, height, width, 4 * channels)
