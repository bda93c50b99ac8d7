"""The noise curve of an image: noise variance against brightness, measured where there is the least texture.

After Ponomarenko et al. (2007) and Colom and Buades (2013): among patches of about the same mean, those with the least
energy at low frequencies are flat; the variance of their high frequencies is the noise's. For white noise the two are
independent, so that choosing by the one does not bias the other.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ssdn_keras.diagnosis.patches import cosine_basis, frequencies, sample

SIDE = 8
_MOST_PATCHES = 200_000
_PATCHES_OF_A_POINT = (2_000, 10_000)
_POINTS = 20
_FLATTEST = 0.02
_FEWEST = 30
_FREQUENCY = frequencies(SIDE)
LOW = (_FREQUENCY > 0) & (_FREQUENCY < 9)
HIGH = _FREQUENCY >= 10


@dataclass(frozen=True)
class Curve:
    """Points of a noise curve, in file units; arrays of the same length.

    Attributes:
        mean: brightness.
        variance: of the noise.
        texture: energy at low frequencies over that of the noise; the larger, the less the point can be trusted.
        patches: how many it was measured in.
    """

    mean: np.ndarray
    variance: np.ndarray
    texture: np.ndarray
    patches: np.ndarray

    def __len__(self):
        return len(self.mean)

    def scaled(self, factor):
        """The curve of so many times the variance."""
        return dataclasses.replace(self, variance=self.variance * factor)


def join(curves):
    """All points of several curves as one."""
    return Curve(
        *(
            np.concatenate([getattr(curve, name) for curve in curves]) if curves else np.empty(0)
            for name in ("mean", "variance", "texture", "patches")
        )
    )


def noise_curves(plane, unusable):
    """(curve, curve of all frequencies) of one plane H×W.

    The second is for correlated noise, whose variance lies in the low frequencies. It is too low by what the choice of
    flat patches takes away of them: `lost_variance` tells how much.

    Args:
        plane, unusable: as `patches.sample` takes them.
    """
    # Centred, so that float32 keeps small noise on a large background.
    centre = float(np.median(plane))
    found = sample(plane - centre, unusable, SIDE, _MOST_PATCHES)
    if len(found) < _FEWEST:
        return join([]), join([])
    coefficients = found @ cosine_basis(SIDE).T
    mean = coefficients[:, 0] / SIDE
    energy = np.square(coefficients)
    low = energy[:, LOW].sum(axis=1)
    smallest, largest = _PATCHES_OF_A_POINT
    size = int(np.clip(len(mean) / _POINTS, smallest, largest))
    points, full = [], []
    for group in np.array_split(np.argsort(mean, kind="stable"), max(1, len(mean) // size)):
        count = min(len(group), max(_FEWEST, int(_FLATTEST * len(group))))
        flat = group[np.argpartition(low[group], count - 1)[:count]]
        brightness, left = mean[flat].mean() + centre, low[flat].mean() / LOW.sum()
        for variance, into in (
            # The median over coefficients: texture of one direction is in few of them.
            (np.median(energy[flat][:, HIGH].mean(axis=0)), points),
            (energy[flat, 1:].mean(), full),
        ):
            if variance > 0:
                into.append((brightness, variance, left / variance, count))
    return tuple(Curve(*np.array(found, np.float64).reshape(-1, 4).T) for found in (points, full))


def lost_variance(field):
    """Share of the variance that the curve of all frequencies misses, measured on a field of noise of variance 1."""
    _, full = noise_curves(field, np.zeros(field.shape, bool))
    return 1.0 - float(np.median(full.variance))
