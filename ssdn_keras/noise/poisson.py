"""Poisson noise of peak λ, approximated in training by a Gaussian of variance μ/λ (paper, section 3.4)."""

from keras import ops

from ssdn_keras.noise import additive


class Poisson:
    """y = Poisson(λ x) / λ. Levels and the parameter are λ, the mean count of a white pixel."""

    name = "poisson"
    unit = "λ, events of a white pixel"
    level_range = (0.0, float("inf"))
    level_scale = 1.0
    zero_mean = True
    smallest_mean = 1e-3
    # Of λ = 100,000 and 0.1; see `ssdn_keras.noise.likelihood`.
    strengths = (1e-5, 10.0)

    def corrupt(self, clean, parameter, random):
        """Noisy image. `random` draws: see `ssdn_keras.noise.sampling`."""
        return random.poisson(clean * parameter) / parameter

    def known(self, parameter):
        """Variance per unit of brightness, 1/λ, from a given λ."""
        return 1.0 / parameter

    def level_from_estimate(self, estimate):
        """Level in the units of the experiment names, for reports."""
        return 1.0 / estimate

    def noise_std(self, mean, strength):
        """Standard deviation of the noise at a clean value of `mean`, N×H×W×C."""
        return ops.sqrt(ops.maximum(mean, self.smallest_mean) * strength)

    def loss_per_pixel(self, observed, mean, columns, strength, estimated):
        """Training loss, N×H×W."""
        return additive.loss_per_pixel(observed, mean, columns, self.noise_std(mean, strength), regularise=estimated)

    def posterior(self, observed, mean, columns, strength):
        """Posterior mean and deviations: see `additive.posterior`."""
        return additive.posterior(observed, mean, columns, self.noise_std(mean, strength))
