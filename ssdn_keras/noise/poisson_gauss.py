"""Photon and read noise together: independent Gaussian noise of variance a x + b² (Foi et al., IEEE TIP 2008)."""

import math

from keras import ops

from ssdn_keras.noise import additive


class PoissonGaussian:
    """y = x + √(a x + b²) n: of gain a, the variance per unit of brightness, and read noise b.

    A parameter is two numbers, gain and read noise, on the last axis. Levels are both in grey levels of 0..255; the
    parameters are these / 255. Photon counts are taken for normal in samples as well as in the likelihood.
    """

    name = "poisson_gauss"
    unit = "gain and read noise in grey levels (0..255)"
    level_names = ("gain", "read_noise")
    level_range = (0.0, math.inf)
    level_scale = 255.0
    zero_mean = True
    smallest_mean = 1e-3
    smallest_std = 1e-3
    # Of an estimate, see `Denoiser`. Read noise keeps the variance from 0; the gain of a bright camera is far below it.
    smallest_estimate = (1e-6, 1e-3)
    starts_at_level = True
    # Of a constant for all images: a step of Adam is as long for one number as for each of the network's many weights,
    # which move an estimate together. With 1, some thousand steps do not get from 10 to 8.
    global_rate = 10.0

    def corrupt(self, clean, parameter, random):
        """Noisy image. `random` draws: see `ssdn_keras.noise.sampling`."""
        gain, read_noise = parameter[0], parameter[1]
        light = 0.5 * (clean + abs(clean))  # what is darker than black has no photons
        return clean + (gain * light + read_noise**2) ** 0.5 * random.normal(clean.shape)

    def known(self, parameter):
        """Gain and read noise themselves."""
        return parameter

    def level_from_estimate(self, estimate):
        """Levels in the units of the experiment names, for reports."""
        return estimate * self.level_scale

    def noise_std(self, mean, strength):
        """Standard deviation of the noise at a clean value of `mean`, N×H×W×C; `strength` is N×1×1×2."""
        gain, read_noise = strength[..., :1], strength[..., 1:]
        variance = gain * ops.maximum(mean, self.smallest_mean) + ops.square(read_noise)
        return ops.sqrt(ops.maximum(variance, self.smallest_std**2))

    def loss_per_pixel(self, observed, mean, columns, strength, estimated):
        """Training loss, N×H×W."""
        return additive.loss_per_pixel(observed, mean, columns, self.noise_std(mean, strength), regularise=estimated)

    def posterior(self, observed, mean, columns, strength):
        """Posterior mean and deviations: see `additive.posterior`."""
        return additive.posterior(observed, mean, columns, self.noise_std(mean, strength))
