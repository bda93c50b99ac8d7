"""Additive noise of values that were then clipped and rounded, as in every 8-bit file."""

from keras import ops

from ssdn_keras.noise import clipping, covariance
from ssdn_keras.noise.parameters import global_rate_of, names_of, smallest_estimate_of


class Clipped:
    """y = Q(clip(x + n)), with the noise n of another model: see `ssdn_keras.noise.clipping`.

    Args:
        base: noise model that has `noise_std(mean, strength)`.
        limits: `ClippedRange`; by default that of 8-bit files, 0..1 in steps of 1/255.
    """

    def __init__(self, base, limits=None):
        self.base, self.limits = base, limits or clipping.ClippedRange()
        self.name = f"{base.name}-clipped"
        self.unit, self.level_range, self.level_scale = base.unit, base.level_range, base.level_scale
        self.level_names = names_of(base)
        self.smallest_estimate = smallest_estimate_of(base)
        self.starts_at_level = getattr(base, "starts_at_level", False)
        self.global_rate = global_rate_of(base)
        self.strengths = getattr(base, "strengths", None)
        self.zero_mean = base.zero_mean  # of the noise; what clipping does to it n2n and n2v have to live with

    def __eq__(self, other):
        return isinstance(other, Clipped) and (self.base, self.limits) == (other.base, other.limits)

    def __hash__(self):
        return hash((self.base.name, self.limits))

    def corrupt(self, clean, parameter, random):
        """Noisy image. `random` draws: see `ssdn_keras.noise.sampling`."""
        noisy = self.base.corrupt(clean, parameter, random)
        return random.quantise(noisy, self.limits.low, self.limits.high, self.limits.step)

    def known(self, parameter):
        """As the noise model itself wants it."""
        return self.base.known(parameter)

    def level_from_estimate(self, estimate):
        """Level in the units of the experiment names, for reports."""
        return self.base.level_from_estimate(estimate)

    def noise_std(self, mean, strength):
        """Standard deviation of the noise before clipping, N×H×W×C."""
        return self.base.noise_std(mean, strength)

    def loss_per_pixel(self, observed, mean, columns, strength, estimated):
        """Training loss, N×H×W, on the scale of the unclipped model's, with the same term for an estimated level."""
        noise_std = self.noise_std(mean, strength)
        *_, loss = clipping.filter_pixel(observed, mean, columns, noise_std, self.limits)
        if len(columns) == 1:
            loss = 2.0 * loss
        if estimated:
            loss = loss - 0.1 * ops.mean(noise_std, axis=-1)
        return loss

    def posterior(self, observed, mean, columns, strength):
        """Dict of denoised, std (N×H×W×C), network_std, noise_std (N×H×W)."""
        noise_std = self.noise_std(mean, strength)
        denoised, std, _ = clipping.filter_pixel(observed, mean, columns, noise_std, self.limits)
        return {
            "denoised": denoised,
            "std": std,
            "network_std": covariance.generalised_std(covariance.diagonal(columns)),
            "noise_std": covariance.generalised_std(noise_std),
        }
