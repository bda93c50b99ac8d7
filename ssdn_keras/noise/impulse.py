"""Impulse noise: with probability α a whole pixel is replaced by a uniformly random colour (paper, section 3.5)."""

import math

from keras import ops

from ssdn_keras.noise import covariance

VARIANCE_OFFSET = 1e-6
SMALLEST_DETERMINANT = 1e-9
# Below this a mixture weight only keeps square roots differentiable; no float32 result depends on it.
SMALLEST_WEIGHT = 1e-12


def _clip_value_only(x, low, high):
    # An estimated α may exceed 1. Its value is clipped but its gradient is not, so that training can bring it back.
    return x + ops.stop_gradient(ops.clip(x, low, high) - x)


class Impulse:
    """Levels are α in percent; the parameter is α in 0..1."""

    name = "impulse"
    unit = "α in percent of the pixels (0..100)"
    level_range = (0.0, 100.0)
    level_scale = 100.0
    zero_mean = False
    # See `ssdn_keras.noise.likelihood`.
    strengths = (1e-4, 1.0)

    def corrupt(self, clean, parameter, random):
        """Noisy image. `random` draws: see `ssdn_keras.noise.sampling`."""
        replaced = random.below(clean.shape[:-1] + (1,), parameter)
        return clean + replaced * (random.uniform(clean.shape) - clean)

    def known(self, parameter):
        """α itself."""
        return parameter

    def level_from_estimate(self, estimate):
        """Level in the units of the experiment names, for reports."""
        return estimate * self.level_scale

    def loss_per_pixel(self, observed, mean, columns, strength, estimated):
        """Training loss, N×H×W: a Gaussian with the moments of the mixture (no ½, no regularisation).

        With d = μ − ½: m = μ − α d and Sy = α I/12 + (1 − α)(Σx + 1e-6 I) + α(1 − α) d dᵀ, a sum of positive terms.
        """
        alpha = _clip_value_only(ops.broadcast_to(strength, ops.shape(mean)), 0.0, 1.0)
        weight = _clip_value_only(alpha, SMALLEST_WEIGHT, 1.0)
        rest = _clip_value_only(1.0 - alpha, SMALLEST_WEIGHT, 1.0)
        offset = mean - 0.5
        isotropic = ops.sqrt(weight / 12.0 + rest * VARIANCE_OFFSET)
        scaled = [ops.sqrt(rest[..., 0]) * column for column in columns]
        extra = covariance.to_rows(ops.sqrt(weight) * ops.sqrt(rest) * offset)
        total, _ = covariance.absorb(scaled, [*covariance.diagonal_columns(isotropic), extra])
        whitened = covariance.solve(total, covariance.to_rows(observed - mean + alpha * offset))
        log_det = ops.maximum(covariance.log_determinant(total), math.log(SMALLEST_DETERMINANT))
        return ops.sum(ops.square(whitened), axis=0) + log_det

    def posterior(self, observed, mean, columns, strength):
        """Dict of denoised, std (N×H×W×C), network_std, noise_std (N×H×W).

        The pixel was kept (x = y) with probability (1 − α) g / (α + (1 − α) g), else x ~ N(μ, S). In logarithms, so
        that α = 0 with an underflowing g gives y instead of 0/0.
        """
        prior = covariance.add_isotropic(columns, VARIANCE_OFFSET)
        alpha = ops.broadcast_to(ops.clip(strength, 0.0, 1.0), ops.shape(mean))[..., :1]
        tiny = 1e-30
        log_odds = (
            ops.log(ops.maximum(1.0 - alpha, tiny))
            - ops.log(ops.maximum(alpha, tiny))
            + self._log_density(observed - mean, prior)[..., None]
        )
        # The limits exactly: without noise every pixel was kept, with α = 1 none.
        log_odds = ops.where(alpha <= 0.0, 100.0, ops.where(alpha >= 1.0, -100.0, log_odds))
        kept, replaced = ops.sigmoid(log_odds), ops.sigmoid(-log_odds)
        std = covariance.diagonal(prior)
        variance = replaced * (self._marginal_variance(prior) + kept * ops.square(observed - mean))
        return {
            "denoised": kept * observed + replaced * mean,
            "std": ops.sqrt(ops.maximum(variance, 1e-30)),
            "network_std": covariance.generalised_std(std),
            "noise_std": alpha[..., 0] * (100.0 / 255.0),
        }

    @staticmethod
    def _log_density(difference, prior):
        channels = len(prior)
        whitened = covariance.solve(prior, covariance.to_rows(difference))
        log_det = ops.maximum(covariance.log_determinant(prior), math.log(SMALLEST_DETERMINANT))
        return -0.5 * (ops.sum(ops.square(whitened), axis=0) + log_det + channels * math.log(2.0 * math.pi))

    @staticmethod
    def _marginal_variance(columns):
        channels = len(columns)
        rows = [ops.pad(ops.square(column), [[0, channels - 1 - j], [0, 0], [0, 0], [0, 0]])
                for j, column in enumerate(columns)]  # fmt: skip
        return covariance.to_image(sum(rows))
