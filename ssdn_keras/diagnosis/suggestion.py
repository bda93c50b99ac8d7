"""The training that fits what was measured, as flags of `python -m ssdn_keras.train`."""

import shlex

import numpy as np

# Levels that part by more than this are estimated for each image; texture alone accounts for some percent.
LEVELS_DIFFER = 0.15
_CROP, _CROP_MULTIPLE, _SMALLEST_CROP = 64, 8, 32
_IMAGES = {"known": 20_000, "per_image": 50_000}
# Networks take the noise of photon counts to be that of at least this share of white.
_DARKEST = 1e-3


def number(value):
    """A number with three digits that count and without an exponent, as flags take it."""
    return np.format_float_positional(float(f"{value:.3g}"), trim="-")


def poisson_misfit(fit, brightness, white):
    """(λ, misfit as Poisson noise, misfit as Gaussian noise): root mean squares of the error of the noise's σ.

    λ is the number of events of a white pixel, whose value is `white`, if black is at 0: of equal mean variance.
    """
    variance = fit.variance(brightness)
    seen = np.maximum(brightness, _DARKEST * white)
    photons = white * seen.mean() / max(variance.mean(), 1e-30)
    sigma, of_photons, constant = np.sqrt(variance), np.sqrt(seen * white / photons), np.sqrt(variance.mean())
    return float(photons), *(float(np.sqrt(np.mean((sigma - other) ** 2))) for other in (of_photons, constant))


def noise_name(overall, white, with_level=True):
    """Name of the noise model that fits better, such as gauss12: σ of 0..255, or λ of a white pixel."""
    photons, as_poisson, as_gauss = poisson_misfit(overall.fit, overall.brightness, white)
    poisson = overall.fit.depends and as_poisson < as_gauss
    kind, level = ("poisson", photons) if poisson else ("gauss", overall.level / white * 255.0)
    return f"{kind}{number(level)}" if with_level else kind


def crop_of(overall):
    """(side of training crops, number of images that are smaller)."""
    sides = [min(one.described["height"], one.described["width"]) for one in overall.measurements]
    crop = _CROP
    if np.median(sides) < _CROP:
        crop = max(_SMALLEST_CROP, int(np.median(sides)) // _CROP_MULTIPLE * _CROP_MULTIPLE)
    return crop, sum(side < crop for side in sides)


def train_flags(overall, source, white, blind_spot, run_dir):
    """Dict of flags.

    Args:
        overall: `measure.Overall`.
        source: folder of the noisy images.
        white: value that networks take as 1, in file units.
        blind_spot: width that covers the noise's correlation.
        run_dir: folder for the training.
    """
    grey = all(one.described["grey"] for one in overall.measurements)
    flags, images = {"train_noisy": str(source)}, _IMAGES["known"]
    if overall.correlated:  # the posterior mean assumes independent noise, and would put it back
        flags |= {"algorithm": "ssdn_mean", "blindspot_size": blind_spot, "noise": noise_name(overall, white)}
    elif overall.spread > LEVELS_DIFFER:
        flags |= {"noise": noise_name(overall, white, with_level=False), "noise_parameter": "per_image"}
        images = _IMAGES["per_image"]
    else:
        flags |= {"noise": noise_name(overall, white)}
    return flags | {"channels": 1 if grey else 3, "crop": crop_of(overall)[0], "images": images, "run_dir": run_dir}


def command(flags):
    """The command line, quoted for a shell."""
    return shlex.join(["python", "-m", "ssdn_keras.train", *(f"--{name}={value}" for name, value in flags.items())])
