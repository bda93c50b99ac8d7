"""All measurements of the noise: of one image, and of all images together."""

from dataclasses import dataclass, field

import numpy as np

from ssdn_keras.diagnosis import correlation, values
from ssdn_keras.diagnosis.blocking import NOTICEABLE as BLOCKS_NOTICEABLE
from ssdn_keras.diagnosis.blocking import blocking
from ssdn_keras.diagnosis.curve import SIDE, Curve, join, lost_variance, noise_curves
from ssdn_keras.diagnosis.fit import NoiseFit, fit_noise
from ssdn_keras.diagnosis.patches import constant_share

SMALLEST_SIDE = 32
_MOST_CHANNELS = 8
_FLAT_PATCHES = 40_000
_BRIGHTNESS_SAMPLES = 101
_MOSTLY_CONSTANT = 0.9


@dataclass
class Measurement:
    """What was found in one image; see `values.describe` and `blocking.blocking` for the dicts.

    Attributes:
        why_not: why its noise could not be measured, or None.
        brightness: quantiles of its values, over which levels are averaged.
        fit: of `curve`; where the images' noise turns out to be correlated, `combine` fits `full_curve` instead.
        channel_levels: σ of each channel, as for white noise.
        raw_correlation: `correlation.measure`, median over channels; None if too few patches are flat.
    """

    described: dict
    blocks: dict
    why_not: str | None = None
    curve: Curve | None = None
    full_curve: Curve | None = None
    fit: NoiseFit | None = None
    brightness: np.ndarray | None = None
    channel_levels: list = field(default_factory=list)
    raw_correlation: np.ndarray | None = None

    @property
    def level(self):
        """σ over the image; None where it was not measured."""
        return self.fit.level(self.brightness) if self.fit else None

    @property
    def correlated(self):
        """Whether the noise of neighbours is correlated; None where that was not measured."""
        if self.raw_correlation is None:
            return None
        nearest = np.array(correlation.nearest(self.raw_correlation)) - correlation.WHITE_BIAS
        return bool(np.abs(nearest).max() > correlation.NOTICEABLE)


def measure(picture):
    """`Measurement` of a `Picture`."""
    array = picture.values
    described = values.describe(picture)
    if described["lowest"] == described["highest"]:
        return Measurement(described, blocking(array), f"all values are {described['lowest']:g}")
    if min(array.shape[:2]) < SMALLEST_SIDE:
        return Measurement(described, blocking(array), f"a side below {SMALLEST_SIDE} pixels")
    found = Measurement(described, blocking(array))
    constant = np.mean([constant_share(array[..., channel], SIDE) for channel in range(array.shape[2])])
    if constant > _MOSTLY_CONSTANT:
        found.why_not = f"{constant:.0%} of its areas have a single value: drawn, masked, or rounded"
        return found
    mask = values.unusable(array, described)
    planes = range(1 if described["grey"] else min(array.shape[2], _MOST_CHANNELS))
    curves = [noise_curves(array[..., channel], mask[..., channel]) for channel in planes]
    found.curve, found.full_curve = (join(list(of_planes)) for of_planes in zip(*curves, strict=True))
    found.brightness = np.quantile(array, np.linspace(0, 1, _BRIGHTNESS_SAMPLES)).astype(np.float64)
    found.fit = fit_noise(found.curve)
    if found.fit is None:
        found.why_not = "no area whose values vary and are not clipped"
        return found
    for channel, (curve, _) in zip(planes, curves, strict=True):
        fit = fit_noise(curve)
        samples = np.quantile(array[..., channel], np.linspace(0, 1, _BRIGHTNESS_SAMPLES))
        found.channel_levels.append(fit.level(samples) if fit else None)
    maps = [
        correlation.measure(array[..., channel], mask[..., channel], found.fit.variance, _FLAT_PATCHES // len(planes))
        for channel in planes
    ]
    maps = [one for one in maps if one is not None]
    if maps:
        found.raw_correlation = np.median(maps, axis=0)
    return found


@dataclass
class Overall:
    """What was found in all images together.

    Attributes:
        curve: the noise curve that `fit` goes through.
        correlation: the noise's autocorrelation, or None if no image is large enough; see `correlation.measure`.
        level: σ over all images.
        levels: σ of each measured image.
        spread: how far images part from the common fit: half of the distance of the 16th and 84th percentile of the
            ratios.
        correlated: whether the noise is.
        blocked: share of images with a grid of 8×8 blocks.
        clipped: mean share of pixels at a value where values pile up.
    """

    measurements: list
    curve: Curve
    fit: NoiseFit
    correlation: np.ndarray | None
    brightness: np.ndarray
    level: float
    levels: list
    spread: float
    correlated: bool
    blocked: float
    clipped: float


def combine(measurements):
    """`Overall` of a list of `Measurement`, or None if no image's noise could be measured.

    Whether noise is correlated is judged over all images; where it is, the fit of each is made anew.
    """
    good = [one for one in measurements if one.fit is not None]
    if not good:
        return None
    maps = [one.raw_correlation for one in good if one.raw_correlation is not None]
    shape = correlation.true_correlation(np.median(maps, axis=0)) if maps else None
    correlated = shape is not None and correlation.is_noticeable(shape)
    curve = join([one.curve for one in good])
    if correlated:
        kept = 1.0 - lost_variance(correlation.field(shape))
        for one in good:
            one.fit = fit_noise(one.full_curve.scaled(1.0 / kept)) or one.fit
        curve = join([one.full_curve for one in good]).scaled(1.0 / kept)
    fit, levels = fit_noise(curve), [one.level for one in good]
    ratios = [level / max(fit.level(one.brightness), 1e-30) for level, one in zip(levels, good, strict=True)]
    low, high = np.quantile(ratios, [0.16, 0.84])
    brightness = np.quantile(np.concatenate([one.brightness for one in good]), np.linspace(0, 1, _BRIGHTNESS_SAMPLES))
    clipped = [
        one.described["clipped_low"] * one.described["share_at_lowest"]
        + one.described["clipped_high"] * one.described["share_at_highest"]
        for one in measurements
    ]
    return Overall(
        measurements, curve, fit, shape, brightness, fit.level(brightness), levels, float(high - low) / 2, correlated,
        float(np.mean([one.blocks["score"] > BLOCKS_NOTICEABLE for one in good])), float(np.mean(clipped)),
    )  # fmt: skip
