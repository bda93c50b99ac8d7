"""Spatial correlation of the noise, judged in flat patches so that an image's texture does not count.

In the patches whose 4×4 block means vary least, a plane is subtracted and the autocorrelation taken; its median over
patches is the measurement. Choosing flat patches and subtracting planes takes low frequencies away, of the noise as
well: `true_correlation` undoes that by running the same measurement on random fields of known correlation.
"""

import functools

import numpy as np

from ssdn_keras.diagnosis.patches import sample

SIDE = 16
RADIUS = 6
_BLOCK = 4
_MOST_PATCHES = 40_000
_FLATTEST = 0.03
_FEWEST = 50
_FEWEST_PIXELS = 48
# From this correlation on, neighbours tell enough of a pixel's noise for a network to learn it.
NOTICEABLE = 0.2
# Lags that a blind spot has to cover have at least this much. Below zero more is asked for beyond the next pixel: a
# few percent too little at larger lags is what remains of the low frequencies that flat patches lose.
_COVERED, _COVERED_NEGATIVE = 0.07, 0.15
# What is measured on white noise for lack of low frequencies, about; the exact value follows from `true_correlation`.
WHITE_BIAS = -0.027
_FIELD = 256
_ROUNDS = 6
_NEARLY_WHITE = 0.1


@functools.cache
def _plane_basis():
    row, column = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    basis, _ = np.linalg.qr(np.column_stack([np.ones(SIDE * SIDE), row.ravel(), column.ravel()]))
    return basis.astype(np.float32)


def _pairs():
    inside = SIDE - np.abs(np.arange(-RADIUS, RADIUS + 1))
    return np.outer(inside, inside)


def measure(plane, unusable, variance, most=_MOST_PATCHES):
    """Autocorrelation in the flattest patches of one plane: (2 RADIUS + 1)², 1 at its centre; None if too few are flat.

    Args:
        plane, unusable: as `patches.sample` takes them.
        variance: function of brightness to the noise's variance, by which patches of different brightness compare.
        most: how many patches are looked at.
    """
    if min(plane.shape) < _FEWEST_PIXELS:
        return None
    centre = float(np.median(plane))
    found = sample(plane - centre, unusable, SIDE, most)
    if len(found) < _FEWEST:
        return None
    expected = np.maximum(variance(found.mean(axis=1) + centre), 1e-30)
    detrended = found - (found @ _plane_basis()) @ _plane_basis().T
    blocks = detrended.reshape(-1, SIDE // _BLOCK, _BLOCK, SIDE // _BLOCK, _BLOCK).mean(axis=(2, 4))
    structure = blocks.reshape(len(blocks), -1).var(axis=1) / expected
    count = max(_FEWEST, int(_FLATTEST * len(found)))
    flat = np.argpartition(structure, count - 1)[:count]
    chosen = detrended[flat].reshape(-1, SIDE, SIDE)
    spectrum = np.abs(np.fft.rfft2(chosen, (2 * SIDE, 2 * SIDE))) ** 2
    lags = np.fft.fftshift(np.fft.irfft2(spectrum), axes=(1, 2))
    lags = lags[:, SIDE - RADIUS : SIDE + RADIUS + 1, SIDE - RADIUS : SIDE + RADIUS + 1] / _pairs()
    power = lags[:, RADIUS, RADIUS]
    good = power > 1e-12 * power.max()
    if not good.any():
        return None
    return np.median(lags[good] / power[good, None, None], axis=0)


def field(correlation):
    """A stationary Gaussian field of this correlation and variance 1, always the same."""
    white = np.random.default_rng(0).standard_normal((_FIELD, _FIELD))
    padded = np.zeros(white.shape)
    padded[: 2 * RADIUS + 1, : 2 * RADIUS + 1] = correlation
    padded = np.roll(padded, (-RADIUS, -RADIUS), (0, 1))
    power = np.maximum(np.fft.fft2(padded).real, 0.0)  # what noise and cut-off made negative, no field can have
    power /= power.mean()
    return np.fft.ifft2(np.fft.fft2(white) * np.sqrt(power)).real


def _measured_on(correlation):
    return measure(field(correlation), np.zeros((_FIELD, _FIELD), bool), np.ones_like)


@functools.cache
def _white():
    """The correlation of white noise, and what is measured on it."""
    exact = np.zeros((2 * RADIUS + 1,) * 2)
    exact[RADIUS, RADIUS] = 1.0
    return exact, _measured_on(exact)


def true_correlation(measured):
    """The correlation of noise on which `measure` would find `measured`; both as `measure` returns them."""
    guess, found = _white()
    for _ in range(_ROUNDS):
        guess = np.clip(guess + measured - found, -1.0, 1.0)
        guess[RADIUS, RADIUS] = 1.0
        if max(map(abs, nearest(guess))) < _NEARLY_WHITE:
            break  # what flat patches lose is then what they lose of white noise
        found = _measured_on(guess)
    return guess


def nearest(correlation):
    """(horizontal, vertical) correlation with the next pixel."""
    return float(correlation[RADIUS, RADIUS + 1]), float(correlation[RADIUS + 1, RADIUS])


def is_noticeable(correlation):
    """Whether neighbouring pixels share noise, or (after sharpening) have opposite noise."""
    return max(map(abs, nearest(correlation))) > NOTICEABLE


def reach(correlation):
    """Largest lag, in pixels along an axis, at which noise is still correlated; 0 for white noise.

    Lags are walked outwards as long as a ring of them has one that counts: what lies beyond a gap is texture.
    """
    distance = np.maximum(*np.abs(np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]))
    for lag in range(1, RADIUS + 1):
        ring = correlation[distance == lag]
        if ring.max() < _COVERED and ring.min() > -_COVERED_NEGATIVE:
            return lag - 1
    return RADIUS


def blind_spot(correlation):
    """Width of the blind spot that covers the correlation: 1, 3, 5, …; None if it reaches too far to measure."""
    if not is_noticeable(correlation):
        return 1
    lag = reach(correlation)
    return None if lag >= RADIUS else 2 * max(lag, 1) + 1
