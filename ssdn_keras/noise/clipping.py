"""Likelihood and posterior of noisy values that were clipped to a range and rounded, by moment matching.

y = Q(clip(x + n)): n independent per channel, of a standard deviation that is known for each; Q rounds to steps. A
belief about the clean pixel, a Gaussian that starts as the network's prior, takes up one channel after another: first
those inside the range, whose values say most, then those at its ends, of which only a bound is known. After each the
belief is the Gaussian with the mean and covariance of the true posterior (assumed-density filtering; exact with at most
one channel at an end). The product of the channels' evidences is the likelihood.
"""

import functools
import math
from dataclasses import dataclass

from keras import ops

from ssdn_keras.noise import covariance, intervals
from ssdn_keras.noise.tails import LOG_SQRT_2PI

# Steps from here on are taken as intervals. For finer ones the variance of rounding, step²/12, is as good.
COARSE = 1 / 64
# Keeps the square root differentiable where a prior is certain.
_SMALLEST_VARIANCE = 1e-30


@dataclass(frozen=True)
class ClippedRange:
    """Where values were clipped, and to which steps they were rounded, in the network's units.

    Args:
        low, high: the ends of the range.
        step: distance of two neighbouring values; 0 for values that were not rounded.
    """

    low: float = 0.0
    high: float = 1.0
    step: float = 1 / 255

    def __post_init__(self):
        if not (self.high > self.low and 0 <= self.step < self.high - self.low):
            raise ValueError(f"expected low < high and 0 ≤ step < high − low. Received: {self}")

    def at_ends(self, observed):
        """(at the lower end, at the upper end) of each value, as booleans; float rounding is allowed for."""
        tolerance = max(0.25 * self.step, 1e-6 * (self.high - self.low))
        return observed <= self.low + tolerance, observed >= self.high - tolerance


def _inside(observed, step, mean, std):
    if step < COARSE:
        log_evidence, shift, rest = intervals.exact((observed - mean) / std)
        return log_evidence - ops.log(std), shift, rest
    half = 0.5 * step
    log_evidence, shift, rest = intervals.between((observed - half - mean) / std, (observed + half - mean) / std)
    return log_evidence - math.log(step), shift, rest  # a density of y, as for exact values


def _at_end(low, limits, mean, std):
    # A value at the lower end is the mirror image of one at the upper end.
    sign = ops.where(low, -1.0, 1.0)
    bound = ops.where(low, limits.low + 0.5 * limits.step, limits.high - 0.5 * limits.step)
    log_evidence, shift, rest = intervals.above(sign * (bound - mean) / std)
    return log_evidence, sign * shift, rest


def _take_up(belief, channel, noise_variance, measure):
    """One channel's measurement: (new belief, log evidence), a belief being (mean, columns of a factor)."""
    mean, columns = belief
    entries = [column[channel] for column in columns]
    variance = sum(ops.square(entry) for entry in entries)
    total = variance + noise_variance
    std = ops.sqrt(total)
    log_evidence, shift, rest = measure(mean[channel], std)
    gain = sum(column * entry for column, entry in zip(columns, entries, strict=True)) / total
    # Potter's update of a square root: nothing is subtracted from a variance, so small ones stay accurate.
    kept = ops.sqrt((noise_variance + rest * variance) / total)
    factor = (1.0 - rest) / (1.0 + kept) * gain
    columns = [column - factor * entry for column, entry in zip(columns, entries, strict=True)]
    return (mean + shift * std * gain, columns), log_evidence


def _choose(condition, new, old):
    return (
        ops.where(condition, new[0], old[0]),
        [ops.where(condition, a, b) for a, b in zip(new[1], old[1], strict=True)],
    )


def filter_pixel(observed, mean, columns, noise_std, limits):
    """The belief after all channels, and minus the logarithm of their evidence without a normal density's constants.

    Args:
        observed, mean, noise_std: N×H×W×C; noise_std positive.
        columns: columns of the upper-triangular factor of the prior's covariance, see `ssdn_keras.noise.covariance`.
        limits: `ClippedRange`.

    Returns:
        (posterior mean, posterior standard deviation, both N×H×W×C, loss N×H×W). Where nothing was clipped the loss is
        ½ (squared, whitened residual + log determinant), as for values that were not.
    """
    channels, space = len(columns), [[0, 0], [0, 0], [0, 0]]
    columns = [ops.pad(column, [[0, channels - 1 - j], *space]) for j, column in enumerate(columns)]
    low, high = limits.at_ends(covariance.to_rows(observed))
    observed, variances = covariance.to_rows(observed), ops.square(covariance.to_rows(noise_std))
    rounding = limits.step**2 / 12.0 if limits.step < COARSE else 0.0
    belief, total = (covariance.to_rows(mean), columns), 0.0
    for at_ends in (False, True):
        for channel in range(channels):
            use, variance = ops.logical_or(low[channel], high[channel]), variances[channel]
            if at_ends:
                measure = functools.partial(_at_end, low[channel], limits)
            else:
                use, variance = ops.logical_not(use), variance + rounding
                measure = functools.partial(_inside, observed[channel], limits.step)
            new, evidence = _take_up(belief, channel, variance, measure)
            belief = _choose(use, new, belief)
            total = total + ops.where(use, evidence, 0.0)
    mean, columns = belief
    variance = sum(ops.square(column) for column in columns)
    std = ops.sqrt(ops.maximum(variance, _SMALLEST_VARIANCE))
    return covariance.to_image(mean), covariance.to_image(std), -total - channels * LOG_SQRT_2PI
