"""The U-Net with and without a blind spot (paper, section 3.1; supplement, table 1)."""

import keras
from keras import initializers, layers, ops

from ssdn_keras.choices import MEAN_STARTS, check_choice
from ssdn_keras.model import upsampled
from ssdn_keras.model.activation import leaky_relu
from ssdn_keras.model.layers import PACKAGE, RotateMerge, RotateStack, ShiftConv2D, ShiftPool, pad_above, shift_down
from ssdn_keras.model.mean_start import CORRECTION, nearest_seen, neighbour_mean

LEVELS = 5
# Of the encoder, as published; the decoder has twice as many.
FILTERS = 48


def _he_normal(fan_in):
    """Normal(0, sqrt(2 / fan_in)), not truncated and without a correction for the leak."""
    return initializers.RandomNormal(stddev=(2.0 / fan_in) ** 0.5)


def reflected_indices(size, padded):
    """Indices that extend 0 … size − 1 to `padded` entries by reflection, as often as it takes."""
    period = ops.maximum(2 * (size - 1), 1)
    position = ops.arange(padded, dtype="int32") % period
    return ops.minimum(position, period - position)


def pad_to_multiple(x, multiple=2**LEVELS):
    """Reflect N×H×W×C at the bottom and the right to multiples of `multiple`."""
    for axis in (1, 2):
        size = ops.shape(x)[axis]
        if isinstance(size, int) and size % multiple == 0:
            continue
        padded = (size + multiple - 1) // multiple * multiple
        x = ops.take(x, reflected_indices(size, padded), axis=axis)
    return x


@keras.saving.register_keras_serializable(package=PACKAGE)
class UNet(layers.Layer):
    """Encoder and decoder: N×H×W×C to N×H×W×2·filters, with H and W multiples of 32.

    Args:
        shifted: every convolution and pool sees only rows at or above its own.
        filters: of the convolutions of the encoder; those of the decoder have twice as many.
    """

    def __init__(self, shifted, filters=FILTERS, **kwargs):
        super().__init__(**kwargs)
        self.shifted = shifted
        self.filters = filters
        self.pool = ShiftPool(dtype=self.dtype_policy) if shifted else layers.MaxPooling2D(2, dtype=self.dtype_policy)
        self.convolutions = {}

    def build(self, input_shape):
        channels, encoder, decoder = input_shape[-1], self.filters, 2 * self.filters

        def add(name, inputs, filters):
            arguments = {"kernel_initializer": _he_normal(9 * inputs), "dtype": self.dtype_policy, "name": name}
            kind = ShiftConv2D if self.shifted else layers.Conv2D
            layer = kind(filters, 3, padding="same", **arguments)
            layer.build((None, None, None, inputs))
            self.convolutions[name] = layer

        add("enc_conv0", channels, encoder)
        for level in range(1, LEVELS + 2):
            add(f"enc_conv{level}", encoder, encoder)
        below = encoder
        for level in range(LEVELS, 0, -1):
            skip = encoder if level > 1 else channels
            add(f"dec_conv{level}a", below + skip, decoder)
            add(f"dec_conv{level}b", decoder, decoder)
            below = decoder
        super().build(input_shape)

    def _convolve(self, name, x, following=None):
        """Convolution and activation, the latter padded for the layer that follows."""
        return self._activate(self.convolutions[name](x), following)

    def _activate(self, x, following=None):
        return leaky_relu(x, following.padding_before if following is not None and self.shifted else None)

    def _apply_padded(self, layer, x):
        """A layer to what `_convolve` or `_activate` has padded for it."""
        return layer(x, padded=True) if self.shifted else layer(x)

    def _upsample(self, level, x, skip, apart, training):
        """Convolution of [x upsampled ×2, skip], padded for the next; `apart`: of each part on its own."""
        name, following = f"dec_conv{level}a", self.convolutions[f"dec_conv{level}b"]
        if not apart:
            return self._convolve(name, ops.concatenate([upsampled.upsample(x), skip], axis=-1), following)
        layer, below = self.convolutions[name], x.shape[-1]
        # Split, not sliced twice: the gradient of a slice is a whole kernel of zeros around it.
        of_upsampled, of_skip = ops.split(ops.convert_to_tensor(layer.kernel), [below], axis=2)
        if self.shifted:
            beside = ops.conv(pad_above(skip, layer.kernel_size), of_skip, padding="valid")
        else:
            beside = ops.conv(skip, of_skip, padding="same")
        x = upsampled.convolve_upsampled(x, of_upsampled, self.shifted, training)
        # The bias last: TensorFlow 2.21 would make one operation of a convolution, its bias and a sum, whose result is
        # wrong. And by ops.add, which takes its faster BiasAdd.
        bias = ops.reshape(ops.convert_to_tensor(layer.bias), (1, 1, 1, -1))
        return self._activate(ops.add(beside + x, bias), following)

    def call(self, inputs, training=False):
        skips = [inputs]
        second = self.convolutions["enc_conv1"]
        x = self._apply_padded(second, self._convolve("enc_conv0", inputs, second))
        x = self._apply_padded(self.pool, self._activate(x, self.pool))
        skips.append(x)
        for level in range(2, LEVELS + 1):
            x = self._apply_padded(self.pool, self._convolve(f"enc_conv{level}", x, self.pool))
            skips.append(x)
        x = self._convolve(f"enc_conv{LEVELS + 1}", x)
        skips.pop()
        apart = upsampled.pays(*inputs.shape[1:3], training, self.compute_dtype)
        for level in range(LEVELS, 0, -1):
            x = self._upsample(level, x, skips.pop(), apart, training)
            x = self._activate(self._apply_padded(self.convolutions[f"dec_conv{level}b"], x))
        return x

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * self.filters)

    def get_config(self):
        return {**super().get_config(), "shifted": self.shifted, "filters": self.filters}


def inputs_are_square(x):
    """Whether H = W is known of N×H×W×C."""
    return x.shape[1] is not None and x.shape[1] == x.shape[2]


@keras.saving.register_keras_serializable(package=PACKAGE)
class DenoisingNetwork(layers.Layer):
    """Image N×H×W×C of any size to N×H×W×components, in float32.

    Args:
        components: channels of the output.
        blindspot_size: 0 for an ordinary network; 1, 3, 5, … for one whose output at a pixel does not depend on the
            square of that many pixels around it.
        zero_output: start with an output of exactly zero. Noise estimation does not converge otherwise.
        filters: of the encoder; 48 as published.
        mean_start: "neighbours" adds the mean of the pixels next to the blind square to the first C components, which
            start small; "none" as published.
    """

    def __init__(self, components, blindspot_size=1, zero_output=False, filters=FILTERS, mean_start="none", **kwargs):
        super().__init__(**kwargs)
        if blindspot_size != 0 and (blindspot_size < 0 or blindspot_size % 2 == 0):
            raise ValueError(f"blindspot_size must be 0 or odd. Received: blindspot_size={blindspot_size}")
        check_choice("mean_start", mean_start, MEAN_STARTS)
        if mean_start != "none" and not blindspot_size:
            raise ValueError(f"mean_start={mean_start!r} needs a network with a blind spot")
        self.components = components
        self.blindspot_size = blindspot_size
        self.zero_output = zero_output
        self.filters = filters
        self.mean_start = mean_start
        self.trunk = UNet(shifted=blindspot_size > 0, filters=filters, dtype=self.dtype_policy, name="trunk")
        self.stack = RotateStack(dtype=self.dtype_policy)
        self.merge = RotateMerge(dtype=self.dtype_policy)
        self.output_layers = {}

    def build(self, input_shape):
        self.trunk.build(input_shape)
        width = 2 * self.filters
        inputs = width * (4 if self.blindspot_size else 1)
        last = initializers.Zeros() if self.zero_output else initializers.RandomNormal(stddev=width**-0.5)
        stages = [
            ("nin_a", inputs, inputs, _he_normal(inputs)),
            ("nin_b", inputs, width, _he_normal(inputs)),
            ("nin_c", width, self.components, last),
        ]
        for name, fan_in, filters, initializer in stages:
            # Means and levels are never rounded to half precision: bfloat16 has but 128 values from 0.5 to 1.
            half = self.dtype_policy.compute_dtype in ("bfloat16", "float16")
            dtype = "float32" if name == "nin_c" and half else self.dtype_policy
            layer = layers.Conv2D(filters, 1, kernel_initializer=initializer, dtype=dtype, name=name)
            layer.build((None, None, None, fan_in))
            self.output_layers[name] = layer
        if self.mean_start != "none":
            kernel, channels = self.output_layers["nin_c"].kernel, input_shape[-1]
            part = [CORRECTION] * channels + [1.0] * (self.components - channels)
            kernel.assign(kernel * ops.convert_to_tensor(part, kernel.dtype))
        super().build(input_shape)

    def convolutions(self):
        """All convolution layers by the names of the paper's table."""
        return {**self.trunk.convolutions, **self.output_layers}

    def _view(self, x, training=False):
        # Each view is padded after its rotation: what is added below is out of its sight, and what is added at the
        # side repeats pixels of the same row. Padding the image before would put copies of a pixel in sight of it.
        height, width = ops.shape(x)[1], ops.shape(x)[2]
        features = self.trunk(pad_to_multiple(x), training=training)
        if self.blindspot_size:
            features = shift_down(features, nearest_seen(self.blindspot_size))
        return ops.slice(features, (0, 0, 0, 0), (ops.shape(x)[0], height, width, 2 * self.filters))

    def _views(self, upright, sideways, training):
        if inputs_are_square(upright):
            return ops.split(self._view(ops.concatenate([upright, sideways], axis=0), training), 2, axis=0)
        return [self._view(upright, training), self._view(sideways, training)]

    def call(self, inputs, training=False):
        if self.blindspot_size:
            x = self.merge(self._views(*self.stack(inputs), training))
        else:
            x = self._view(inputs, training)
        return self.head(x, self.start(inputs))

    def start(self, x):
        """What is added to the first components, N×H×W×C as the image; None where nothing is.

        At a pixel it depends on the nearest that it sees and no others.
        """
        return None if self.mean_start == "none" else neighbour_mean(x, self.blindspot_size)

    def head(self, x, start=None):
        """Components from the features of all views and what they start from, pixel by pixel."""
        x = leaky_relu(self.output_layers["nin_a"](x))
        x = leaky_relu(self.output_layers["nin_b"](x))
        x = ops.cast(self.output_layers["nin_c"](x), "float32")
        if start is None:
            return x
        # Apart, not padded and added: TensorFlow 2.21 would make one operation of convolution, bias and sum, and crash.
        channels = start.shape[-1]
        return ops.concatenate([x[..., :channels] + start, x[..., channels:]], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.components)

    def get_config(self):
        config = {
            "components": self.components,
            "blindspot_size": self.blindspot_size,
            "zero_output": self.zero_output,
            "filters": self.filters,
            "mean_start": self.mean_start,
        }
        return {**super().get_config(), **config}
