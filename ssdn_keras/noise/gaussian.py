"""Additive Gaussian noise of standard deviation σ."""

from keras import ops

from ssdn_keras.noise import additive


class Gaussian:
    """y = x + σ n. Levels are σ in grey levels of 0..255; the parameter is σ/255."""

    name = "gauss"
    unit = "σ in grey levels (0..255)"
    level_range = (0.0, 255.0)
    level_scale = 255.0
    zero_mean = True
    smallest_std = 1e-3
    # Within which the likeliest one is sought, see `ssdn_keras.noise.likelihood`: as `known` gives it.
    strengths = (smallest_std, 1.0)

    def corrupt(self, clean, parameter, random):
        """Noisy image. `random` draws: see `ssdn_keras.noise.sampling`."""
        return clean + parameter * random.normal(clean.shape)

    def known(self, parameter):
        """Standard deviation from a given σ/255."""
        return ops.maximum(parameter, self.smallest_std)

    def level_from_estimate(self, estimate):
        """Level in the units of the experiment names, for reports."""
        return estimate * self.level_scale

    def noise_std(self, mean, strength):
        """Standard deviation of the noise, N×H×W×C: the same everywhere."""
        return ops.broadcast_to(strength, ops.shape(mean))

    def loss_per_pixel(self, observed, mean, columns, strength, estimated):
        """Training loss, N×H×W."""
        return additive.loss_per_pixel(observed, mean, columns, strength, regularise=estimated)

    def posterior(self, observed, mean, columns, strength):
        """Posterior mean and deviations: see `additive.posterior`."""
        return additive.posterior(observed, mean, columns, strength)
