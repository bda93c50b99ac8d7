"""Networks that learn one image by regression: from clean images, second noisy ones, or the noisy one itself."""

from dataclasses import dataclass

from keras import ops

_SMALLEST_DIFFERENCE = 1e-8


def annealed_exponent(progress):
    """γ of the loss |x − y|^γ: from 2 at the start of a training to 0.5 after three quarters of it.

    Args:
        progress: images seen, as a fraction of the training.
    """
    return ops.maximum(0.5, 2.0 - 2.0 * progress)


@dataclass(frozen=True)
class Regression:
    """Mean squared error to a target; what the network returns is the result.

    Noise that moves the mean (impulses) would make noisy targets wrong on average: then the loss is |x − y|^γ, whose
    exponent is annealed from the mean to the mode (Lehtinen et al., 2018; paper, section 4.3).

    Attributes:
        blind: whether the network has a blind spot.
        target: what lies beside the noisy image and is learnt: "clean" (N2C), "second" (N2N: another noisy version),
            "unmasked" (N2V: the same noisy version before pixels were replaced), or None for the input itself.
        replacement: what N2V puts in place of masked pixels: "random" or "median" of their neighbourhood, or None.
    """

    name: str
    blind: bool
    target: str | None
    replacement: str | None = None
    uses_noise_model = False
    has_posterior = False

    def anneals(self, noise_model):
        """Whether the loss has an annealed exponent."""
        return self.target != "clean" and not noise_model.zero_mean

    def needs(self, noise_model):
        """Names of what must lie beside the noisy image in a training."""
        names = [] if self.target is None else [self.target]
        return names + ["mask"] * (self.replacement is not None) + ["progress"] * self.anneals(noise_model)

    def components(self, channels, diagonal):
        """Number of network outputs."""
        return channels

    def outputs(self, network_output, noisy, noise_model, strength, diagonal):
        """Dict of mean and denoised, the same N×H×W×C."""
        return {"mean": network_output, "denoised": ops.copy(network_output)}

    def loss_per_pixel(self, network_output, noisy, beside, noise_model, strength, diagonal, estimated):
        """Loss N×H×W×C. Where there is a mask, pixels outside count nothing and the others so much more."""
        difference = network_output - (noisy if self.target is None else beside[self.target])
        if self.anneals(noise_model):
            exponent = ops.reshape(annealed_exponent(beside["progress"]), (-1, 1, 1, 1))
            loss = ops.power(ops.abs(difference) + _SMALLEST_DIFFERENCE, exponent)
        else:
            loss = ops.square(difference)
        if self.replacement is not None:
            mask = beside["mask"]
            loss = loss * (mask / ops.maximum(ops.mean(mask), _SMALLEST_DIFFERENCE))
        return loss
