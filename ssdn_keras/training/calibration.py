"""Putting the estimates of a trained noise estimator right, by noise of known strength.

A training learns σ through the likelihood alone, and is off by some percent: the published balance term rewards large
σ, and whole images differ from crops. Where noise was added for a training, its strength is known, and a straight line
in the number before the softplus puts the estimate right; it goes into the estimator's last layer. Denoised images are
compared with nothing.
"""

import numpy as np
from keras import ops
from scipy import optimize

from ssdn_keras.noise.parameters import smallest_estimate_of
from ssdn_keras.noise.sampling import NumpyRandom

# Relative errors below this σ (of 0..1) are taken as those at it: of nearly clean images no estimate is exact.
_LEAST = 3 / 255


def raw_estimates(model, images, seed=0):
    """What the estimator says before its softplus, and the true σ (0..1), for noise of all trained strengths.

    Args:
        model: `Denoiser` that estimates σ of Gaussian noise for each image, made for a range of levels.
        images: clean, uint8 H×W×C.
        seed: of the noise.

    Returns:
        Two arrays, one number per image.
    """
    low, high = model.noise.parameters
    raw, true = [], []
    for index, clean in enumerate(images):
        random = NumpyRandom(seed, index)
        # Evenly spaced: few images must do for all strengths.
        sigma = low + (high - low) * (index + 0.5) / len(images)
        noisy = model.noise.model.corrupt(clean / np.float32(255), np.float32(sigma), random).astype("float32")
        raw.append(float(ops.mean(model.estimator(noisy[None]))))
        true.append(sigma)
    return np.array(raw), np.array(true)


def fit_line(raw, true, floor=1e-3):
    """(slope, offset) of the number before the softplus that make the estimates right, in the least relative squares.

    Args:
        raw: numbers before the softplus.
        true: σ in 0..1.
        floor: smallest estimate.
    """

    def errors(line):
        estimate = np.logaddexp(0.0, line[0] * raw + line[1] - 4.0) + floor
        return (estimate - true) / np.maximum(true, _LEAST)

    # Single textured images must not decide.
    found = optimize.least_squares(errors, (1.0, 0.0), loss="soft_l1", f_scale=0.1)
    return tuple(map(float, found.x))


def apply_line(model, slope, offset):
    """Change the estimator's last layer so that it gives slope × what it gave + offset."""
    layer = model.estimator.output_layers["nin_c"]
    layer.kernel.assign(layer.kernel * slope)
    layer.bias.assign(layer.bias * slope + offset)


def calibrate(model, images, seed=0):
    """Put the estimates of a model right; returns the slope and the offset.

    Raises:
        ValueError: the model does not estimate σ of Gaussian noise for each image.
    """
    if model.estimator is None or model.noise.kind != "gauss" or model.noise.levels is None:
        raise ValueError("can only calibrate models that estimate σ of Gaussian noise, of known range, for each image")
    line = fit_line(*raw_estimates(model, images, seed), smallest_estimate_of(model.noise.model))
    apply_line(model, *line)
    return line
