"""Networks that learn one image by mean squared error: from clean images, second noisy ones, or the same one."""

from dataclasses import dataclass

from keras import ops


@dataclass(frozen=True)
class Regression:
    """Mean squared error to a target; what the network returns is the result.

    Attributes:
        blind: whether the network has a blind spot.
        target: "clean" (N2C), "second" (N2N: another noisy version), or None for the network's own input.
    """

    name: str
    blind: bool
    target: str | None
    uses_noise_model = False

    def components(self, channels, diagonal):
        """Number of network outputs."""
        return channels

    def outputs(self, network_output, noisy, noise_model, strength, diagonal):
        """Dict of mean and denoised, the same N×H×W×C."""
        return {"mean": network_output, "denoised": ops.copy(network_output)}

    def loss_per_pixel(self, network_output, noisy, target, noise_model, strength, diagonal, estimated):
        """Squared error, N×H×W×C."""
        return ops.square(network_output - (noisy if self.target is None else target))
