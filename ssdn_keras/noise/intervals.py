"""What is learnt from a normal measurement that is only known to lie in an interval: evidence, shift, and shrinkage.

All three are in units of the measurement's standard deviation s: with m the expected measurement, `log_evidence` is
log Z, the belief's mean moves by `shift` · s times the gain, and its variance keeps the part `rest` of what it loses
nothing of; `rest` is 1 − γ, zero for a measurement that is exact.
"""

from keras import ops

from ssdn_keras.noise.tails import LOG_SQRT_2PI, hazard_excess, log_scaled_tail, log_tail

# Below this the density hardly changes within the interval, and differences of tails would lose all digits.
_NARROW = 0.1


def exact(distance):
    """A measurement at `distance` = (y − m)/s: (log evidence, shift, rest); the evidence is a density of y/s."""
    return -0.5 * ops.square(distance) - LOG_SQRT_2PI, distance, ops.zeros_like(distance)


def above(bound):
    """A measurement that exceeds m + bound · s: (log evidence, shift, rest)."""
    excess = hazard_excess(bound)
    shift = bound + excess
    return log_tail(bound), shift, ops.clip(1.0 - shift * excess, 0.0, 1.0)


def between(low, high):
    """A measurement in [m + low · s, m + high · s], finite, high > low: (log evidence, shift, rest)."""
    # Mirrored where the middle lies below the mean, so that both ends lie in the same tail, the upper one.
    middle, width = 0.5 * (low + high), high - low
    sign = ops.where(middle >= 0.0, 1.0, -1.0)
    middle = sign * middle
    narrow = width * (1.0 + middle) < _NARROW
    wide = _wide(ops.where(narrow, 0.0, middle - 0.5 * width), ops.where(narrow, 1.0, width))
    small = _narrow(middle, width)
    log_evidence, shift, rest = (ops.where(narrow, a, b) for a, b in zip(small, wide, strict=True))
    return log_evidence, sign * shift, ops.clip(rest, 0.0, 1.0)


def _narrow(middle, width):
    # To second order in the width, over which the density is φ(middle) (1 − middle (z − middle) + …).
    variance = ops.square(width) / 12.0
    log_evidence = -0.5 * ops.square(middle) - LOG_SQRT_2PI + ops.log(width)
    return log_evidence + 0.5 * (ops.square(middle) - 1.0) * variance, middle * (1.0 - variance), variance


def _wide(low, width):
    high = low + width
    # Φ(−high)/Φ(−low), from the difference of the exponents rather than of two large logarithms.
    tail = ops.where(low >= 0.0, log_scaled_tail(ops.maximum(low, 0.0)), log_tail(low) + 0.5 * ops.square(low))
    ratio = ops.exp(log_scaled_tail(ops.maximum(high, 0.0)) - tail - width * (low + 0.5 * width))
    excess, further = hazard_excess(low), hazard_excess(high)
    inverse = 1.0 / (1.0 - ratio)
    mean_excess = (excess - ratio * (width + further)) * inverse
    shift = low + mean_excess
    density = ratio * (high + further) * inverse  # φ(high) / Z
    rest = 1.0 - shift * mean_excess - width * density
    return log_tail(low) + ops.log1p(-ratio), shift, rest
