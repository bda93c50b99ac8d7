"""The normal distribution's tail, to float32 accuracy at any distance and with finite gradients."""

import math

from keras import ops

# Chebyshev fits over t = 2 / (2 + x/√2), which maps x in 0 … ∞ to t in 1 … 0, as coefficients of powers of t:
# log(erfcx(x/√2) / t) within 1.1e-7, and log(e(x) / t) within 3e-7, where e(x) = φ(x)/Φ(−x) − x.
_SCALED_TAIL = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678419, -0.18628806, 0.27886808, -1.135204, 1.48851589, -0.82215223,
    0.17087278,
)  # fmt: skip
_EXCESS = (
    -1.03972075, 1.0000018, 0.24962189, -0.15518188, -0.51814139, 0.63073105, -3.40941263, 7.99116086, -8.27613752,
    4.11211871, -0.81083173,
)  # fmt: skip
_LOG_HALF = -math.log(2.0)
LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def _polynomial(coefficients, t):
    value = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = value * t + coefficient
    return value


def _inverse(distance):
    return 2.0 / (2.0 + distance * math.sqrt(0.5))


def log_scaled_tail(x):
    """log Φ(−x) + x²/2, for x ≥ 0 only."""
    t = _inverse(x)
    return _LOG_HALF + ops.log(t) + _polynomial(_SCALED_TAIL, t)


def log_tail(x):
    """log Φ(−x): the logarithm of the probability that a standard normal number exceeds x."""
    distance = ops.abs(x)
    far = log_scaled_tail(distance) - 0.5 * ops.square(x)
    return ops.where(x >= 0.0, far, ops.log1p(-ops.exp(far)))


def hazard_excess(x):
    """φ(x)/Φ(−x) − x: by how much the mean of what exceeds x lies above x; positive, 1/x in the limit."""
    distance = ops.abs(x)
    t = _inverse(distance)
    above = t * ops.exp(_polynomial(_EXCESS, t))
    tail = ops.exp(log_scaled_tail(distance) - 0.5 * ops.square(x))
    density = ops.exp(-0.5 * ops.square(x) - LOG_SQRT_2PI)
    return ops.where(x >= 0.0, above, density / (1.0 - tail) + distance)
