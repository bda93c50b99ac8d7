"""What every exported program computes, as one Keras model in the units that a user writes."""

import keras
from keras import ops

from ssdn_keras.value_range import span

OUTPUTS = ("denoised", "mean", "std")


def takes_level(model):
    """Whether the noise level is an input: it is known to the user and the network does not estimate it."""
    return model.algorithm.uses_noise_model and not model.estimated


def default_level(model):
    """The one level that the model was made for, in the units of its `noise`, or None."""
    if not takes_level(model) or model.noise.varying:
        return None
    return model.noise.levels[0]


def float32_copy(model):
    """The same denoiser with networks that compute in float32: itself, or a copy of one of another precision."""
    if model.dtype_policy.name == "float32":
        return model
    plain = type(model).from_config({**model.get_config(), "dtype": "float32"})
    plain.set_weights(model.get_weights())
    return plain


class Inference(keras.Model):
    """A denoiser of images and noise levels as `Denoiser.denoise` takes them.

    Inputs are a dict: "noisy", N×H×W×C, any H and W, in nominal range 0..1 or, of a model with a `value_range`, in the
    values of the files; and, where it is known, "noise_level", one value per image or one for all: σ of 0..255 (with a
    `value_range`: in the values of the files), λ, or α in percent. Outputs are a dict: "denoised", "mean" and, with a
    noise model, "std", each N×H×W×C, in the units of "noisy". All are float32.

    Args:
        model: the `Denoiser`; its weights are shared, not copied.
    """

    def __init__(self, model):
        super().__init__(name="inference")
        self.autocast = False  # noisy images stay in float32, as in the denoiser
        self.denoiser = model
        self.built = True

    def call(self, inputs):
        inputs, value_range = dict(inputs), self.denoiser.value_range
        if "noise_level" in inputs:
            inputs["noise_level"] = ops.divide(inputs["noise_level"], self.denoiser.noise.level_scale)
        if value_range is not None:
            # In float32, unlike `value_range.to_network`: what that loses is below the spacing of the given values.
            inputs["noisy"] = ops.divide(ops.subtract(inputs["noisy"], value_range[0]), span(value_range))
        outputs = self.denoiser(inputs)
        outputs = {name: outputs[name] for name in OUTPUTS if name in outputs}
        if value_range is None:
            return outputs
        black = {"denoised": value_range[0], "mean": value_range[0], "std": 0.0}
        return {name: ops.add(ops.multiply(value, span(value_range)), black[name]) for name, value in outputs.items()}
