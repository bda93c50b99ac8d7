"""The training that fits what was measured, as flags of `python -m ssdn_keras.train`."""

import shlex

import numpy as np

# Levels that part by more than this are estimated for each image; texture alone accounts for some percent.
LEVELS_DIFFER = 0.15
_CROP, _CROP_MULTIPLE, _SMALLEST_CROP = 64, 8, 32
# A crop a step: with few images many small steps teach more than few large ones (docs/training-efficiency.md).
_MINIBATCH, _IMAGES = 1, {"known": 10_000, "per_image": 20_000}
# What else learns faster than what was published (the same page). Not Muon: on few images, with the same noise in every
# crop, it was worse.
_FASTER = {"mean_start": "neighbours"}
# Networks take the noise of photon counts to be that of at least this share of white.
_DARKEST = 1e-3
# Noise takes values below black by so many standard deviations at most, but for a percent.
_BELOW_BLACK = 3.0
# Poisson or Gaussian noise alone that is off by less than this share of σ will do.
_FITS = 0.05


def number(value):
    """A number with three digits that count and without an exponent, as flags take it."""
    return np.format_float_positional(float(f"{value:.3g}"), trim="-")


def exact(value):
    """A file value without an exponent, with all digits that it has: those of float32 where it is one."""
    if value == int(value):
        return str(int(value))
    narrow = np.float32(value)
    return np.format_float_positional(narrow if float(narrow) == value else value, trim="-")


def dark_share(overall, black_level):
    """Share of the values below a black level; 0 where noise alone may have taken them there.

    Raises:
        ValueError: most do, or none is above it: no image has its black there.
    """
    if black_level == 0:  # the default, which nobody need have meant: files may hold negative values
        return 0.0
    floor, values = black_level - overall.level, overall.brightness
    if np.median(values) < floor or values[-1] <= black_level:
        raise ValueError(
            f"black_level {black_level:g} is too high for values from {values[0]:g} to {values[-1]:g}, half of which "
            f"are below {np.median(values):g}: give what a dark frame holds"
        )
    # The darkest percent is left to noise and broken pixels.
    return float(np.mean(values < black_level)) if values[1] < black_level - _BELOW_BLACK * overall.level else 0.0


def presumed_black(overall):
    """Where black is taken to be if nobody said so and it cannot be at 0, in file units; else None.

    There the noise's line reaches zero: photon counts from there on have the measured noise, wherever black itself is.
    But not above the darkest percent of the values, which have noise too.
    """
    zero, darkest = overall.fit.zero(), overall.brightness[1]
    return float(f"{min(zero, darkest):.5g}") if zero is not None and darkest > 0 else None


def poisson_misfit(fit, brightness, low, high):
    """(λ, misfit as Poisson noise, misfit as Gaussian noise): root mean squares of the error of the noise's σ.

    λ is the number of events of a pixel of value `high`, if one of value `low` has none: of equal mean variance.
    """
    variance, white = fit.variance(brightness), high - low
    seen = np.maximum(brightness - low, _DARKEST * white)
    photons = white * seen.mean() / max(variance.mean(), 1e-30)
    sigma, of_photons, constant = np.sqrt(variance), np.sqrt(seen * white / photons), np.sqrt(variance.mean())
    return float(photons), *(float(np.sqrt(np.mean((sigma - other) ** 2))) for other in (of_photons, constant))


def value_range(overall, black_level):
    """(low, high): file values that become 0 and 1 for the network; None for 0..255, the range of 8-bit images."""
    if all(one.described["dtype"] == "uint8" for one in overall.measurements):
        return None if black_level == 0 else (black_level, 255.0)
    return black_level, max(one.described["highest"] for one in overall.measurements)


def noise_flags(overall, black_level, with_level=True):
    """Flags of the noise model that fits best.

    gauss with σ in file units, poisson with λ at the range's end, or poisson_gauss with gain and read noise in file
    units, if both were measured and neither of the simpler ones will do.
    """
    black = black_level or presumed_black(overall) or 0.0
    low, high = limits = value_range(overall, black) or (0.0, 255.0)
    photons, as_poisson, as_gauss = poisson_misfit(overall.fit, overall.brightness, low, high)
    read_noise, certain = overall.fit.read_noise(low)
    if overall.fit.depends and certain and min(as_poisson, as_gauss) > _FITS * overall.level:
        name, level = "poisson_gauss", f"{number(overall.fit.gain)}+{number(read_noise)}"
    elif overall.fit.depends and as_poisson < as_gauss:
        name, level = "poisson", number(photons)
    else:
        return {"noise": f"gauss{number(overall.level)}" if with_level else "gauss"}
    flags = {"noise": name + (level if with_level else "")}
    if limits == (0.0, 255.0):
        return flags
    return flags | {"value_range": f"{exact(low)},{exact(high)}"}  # whose low is black, and of whose high λ speaks


def crop_of(overall):
    """(side of training crops, number of images that are smaller)."""
    sides = [min(one.described["height"], one.described["width"]) for one in overall.measurements]
    crop = _CROP
    if np.median(sides) < _CROP:
        crop = max(_SMALLEST_CROP, int(np.median(sides)) // _CROP_MULTIPLE * _CROP_MULTIPLE)
    return crop, sum(side < crop for side in sides)


def _channels(overall):
    """1 if all are grey; 3 for colour; what all have, of other numbers."""
    if all(one.described["grey"] for one in overall.measurements):
        return 1
    found = {one.described["channels"] for one in overall.measurements}
    return found.pop() if len(found) == 1 else 3


def train_flags(overall, source, black_level, blind_spot, run_dir):
    """Dict of flags.

    Args:
        overall: `measure.Overall`.
        source: folder of the noisy images.
        black_level: value of black, in file units.
        blind_spot: width that covers the noise's correlation.
        run_dir: folder for the training.
    """
    flags, images = {"train_noisy": str(source)}, _IMAGES["known"]
    if overall.correlated:  # the posterior mean assumes independent noise, and would put it back
        flags |= {"algorithm": "ssdn_mean", "blindspot_size": blind_spot, **noise_flags(overall, black_level)}
    elif overall.spread > LEVELS_DIFFER:
        flags |= {**noise_flags(overall, black_level, with_level=False), "noise_parameter": "per_image"}
        images = _IMAGES["per_image"]
    else:
        flags |= noise_flags(overall, black_level)
    size = {"crop": crop_of(overall)[0], "minibatch": _MINIBATCH, "images": images}
    return flags | {"channels": _channels(overall), **size, **_FASTER, "run_dir": run_dir}


def command(flags):
    """The command line, quoted for a shell."""
    return shlex.join(["python", "-m", "ssdn_keras.train", *(f"--{name}={value}" for name, value in flags.items())])
