"""What every exported program computes, as one Keras model in the units that a user writes."""

import keras
from keras import ops

OUTPUTS = ("denoised", "mean", "std")


def takes_level(model):
    """Whether the noise level is an input: it is known to the user and the network does not estimate it."""
    return model.algorithm.uses_noise_model and not model.estimated


def default_level(model):
    """The one level that the model was made for, in the units of the experiment names, or None."""
    if not takes_level(model) or model.noise.varying:
        return None
    # Exported programs know no range of values but 0..1 and 0..255: what a span of 255 leaves as it is.
    return model.noise.levels[0] * (model.noise.model.level_scale / model.noise.level_scale)


def float32_copy(model):
    """The same denoiser with networks that compute in float32: itself, or a copy of one of another precision."""
    if model.dtype_policy.name == "float32":
        return model
    plain = type(model).from_config({**model.get_config(), "dtype": "float32"})
    plain.set_weights(model.get_weights())
    return plain


class Inference(keras.Model):
    """A denoiser whose noise levels have the units of the experiment names: σ of 0..255, λ, α in percent.

    Inputs are a dict: "noisy", N×H×W×C in nominal range 0..1, any H and W; and, where it is known, "noise_level", one
    value per image or one for all. Outputs are a dict: "denoised", "mean" and, with a noise model, "std", each N×H×W×C.

    Args:
        model: the `Denoiser`; its weights are shared, not copied.
    """

    def __init__(self, model):
        super().__init__(name="inference")
        self.autocast = False  # noisy images stay in float32, as in the denoiser
        self.denoiser = model
        self.built = True

    def call(self, inputs):
        inputs = dict(inputs)
        if "noise_level" in inputs:
            inputs["noise_level"] = ops.divide(inputs["noise_level"], self.denoiser.noise.model.level_scale)
        outputs = self.denoiser(inputs)
        return {name: outputs[name] for name in OUTPUTS if name in outputs}
