"""Poisson–Gaussian noise: the line variance = a·x + b through noise curves, robust against what texture adds."""

from dataclasses import dataclass

import numpy as np

_ROUNDS = 30
_FIRST_ROBUST_ROUND = 4
# How fast a point loses its weight with its texture, relative to the least textured tenth.
_TEXTURE_WIDTH = 0.2
# In standard deviations of the points: texture only ever adds, so what lies above counts as an outlier sooner.
_ABOVE, _BELOW = 1.5, 2.5
_SIGNIFICANT = 4.0
_NOTICEABLE = 0.25


@dataclass(frozen=True)
class NoiseFit:
    """Variance a·x + b of noise, in file units.

    Attributes:
        gain: a, file units per event; 0 where noise does not depend on brightness.
        offset: b; its root is the read noise if black is at 0.
        gain_error, offset_error: their standard errors.
        constant: the variance that fits best if it is one.
        depends: whether it clearly grows with brightness.
    """

    gain: float
    offset: float
    gain_error: float
    offset_error: float
    constant: float
    depends: bool

    def variance(self, brightness):
        """a·x + b, or the constant where noise does not depend on brightness; never below 0."""
        brightness = np.asarray(brightness, np.float64)
        if not self.depends:
            return np.full_like(brightness, self.constant)
        return np.maximum(self.gain * brightness + self.offset, 0.0)

    def level(self, brightness):
        """σ over an image: root of the mean variance over samples of its brightness."""
        return float(np.sqrt(np.mean(self.variance(brightness))))

    def zero(self):
        """Brightness above 0 at which the line surely reaches zero, so that black is there or above it; else None."""
        if not self.depends or self.offset >= -2 * self.offset_error:
            return None
        return -self.offset / self.gain

    def read_noise(self, black_level=0.0):
        """Standard deviation at the black level, and whether it can be told from zero."""
        variance = self.gain * black_level + self.offset if self.depends else self.constant
        return float(np.sqrt(max(variance, 0.0))), bool(variance > 2 * self.offset_error or not self.depends)


def _solve(design, variance, weights):
    root = np.sqrt(weights)
    solution, *_ = np.linalg.lstsq(design * root[:, None], variance * root, rcond=None)
    return solution


def _robust(design, curve, trust):
    """Iteratively reweighted least squares of the variances; returns the coefficients and the final weights."""
    smallest = 1e-3 * np.median(curve.variance)
    predicted = np.full(len(curve), np.median(curve.variance))
    for number in range(_ROUNDS):
        deviation = curve.variance / predicted - 1.0
        weights = trust / predicted**2
        if number >= _FIRST_ROBUST_ROUND:
            spread = 1.4826 * np.median(np.abs(deviation)) + 0.01
            above, below = np.maximum(deviation, 0) / (_ABOVE * spread), np.maximum(-deviation, 0) / (_BELOW * spread)
            weights = weights / np.maximum(1.0, above) ** 2 / np.maximum(1.0, below)
        coefficients = _solve(design, curve.variance, weights)
        predicted = np.maximum(design @ coefficients, smallest)
    return coefficients, weights, curve.variance / predicted - 1.0


def fit_noise(curve):
    """`NoiseFit` of a `Curve`, or None without points."""
    if not len(curve):
        return None
    least = np.quantile(curve.texture, 0.1)
    trust = curve.patches * np.exp(-np.square(np.maximum(curve.texture / max(least, 1e-12) - 1.0, 0) / _TEXTURE_WIDTH))
    ones = np.ones((len(curve), 1))
    (constant,), _, _ = _robust(ones, curve, trust)
    constant = float(max(constant, 0.0))
    centre, scale = float(np.mean(curve.mean)), float(np.std(curve.mean))
    if len(curve) < 3 or scale <= 1e-9 * max(1.0, abs(centre)):
        return NoiseFit(0.0, constant, 0.0, 0.0, constant, False)
    # Brightness is centred and scaled for the arithmetic's sake, and put back afterwards.
    design = np.column_stack([(curve.mean - centre) / scale, ones])
    (slope, level), weights, deviation = _robust(design, curve, trust)
    relative = weights * np.square(np.maximum(design @ (slope, level), 1e-3 * constant))
    freedom = max(relative.sum() ** 2 / np.square(relative).sum() - 2.0, 1.0)
    normal = (design * weights[:, None]).T @ design
    residual = float((weights * np.square(curve.variance - design @ (slope, level))).sum() / freedom)
    covariance = residual * np.linalg.pinv(normal)
    gain, offset = slope / scale, level - slope * centre / scale
    gain_error = float(np.sqrt(covariance[0, 0])) / scale
    back = np.array([-centre / scale, 1.0])
    offset_error = float(np.sqrt(back @ covariance @ back))
    low, high = np.quantile(curve.mean, [0.05, 0.95])
    rise = gain * (high - low) / max(level + slope * (low - centre) / scale, 0.05 * constant, 1e-30)
    depends = bool(gain > _SIGNIFICANT * gain_error and rise > _NOTICEABLE)
    return NoiseFit(float(gain), float(offset), gain_error, offset_error, constant, depends)
