"""A verdict in plain words, and the training that it suggests."""

import shlex
from dataclasses import dataclass

import numpy as np

from ssdn_keras.diagnosis import correlation

# Levels that part by more than this are estimated for each image, in which texture alone accounts for some percent.
_LEVELS_DIFFER = 0.15
_MUCH_CLIPPED = 0.01
_OFTEN_BLOCKED = 0.25
# Below half a step of the file's values, noise and rounding cannot be told apart.
_SMALLEST_STEPS = 0.5
_CROP, _CROP_MULTIPLE, _SMALLEST_CROP = 64, 8, 32
_IMAGES = {"known": 20_000, "per_image": 50_000}
# Networks take a brightness of at least this share of white for the noise of photon counts.
_DARKEST = 1e-3

GOOD, CAUTION, BAD = "good", "caution", "bad"


@dataclass(frozen=True)
class Advice:
    """What to think of the images.

    Attributes:
        verdict: "good" (fits), "caution" (fits with what the findings say), "bad".
        headline: the verdict in a sentence.
        findings: list of (kind, sentence), kinds as of the verdict.
        flags: dict of flags of the train command; empty if no training is suggested.
        command: the command line, or None.
    """

    verdict: str
    headline: str
    findings: list
    flags: dict
    command: str | None


def number(value):
    """A number with three digits that count and without an exponent, as flags take it."""
    return np.format_float_positional(float(f"{value:.3g}"), trim="-")


def poisson_misfit(fit, brightness, white):
    """(λ, misfit as Poisson noise, misfit as Gaussian noise): root mean square of the log ratios of variances.

    λ is the number of events of a white pixel, whose value is `white`, if black is at 0.
    """
    variance = np.maximum(fit.variance(brightness), 1e-30)
    per_unit = np.log(variance / np.maximum(brightness, _DARKEST * white))
    constant = np.log(variance)
    return float(white / np.exp(per_unit.mean())), float(per_unit.std()), float(constant.std())


def _noise_flags(overall, white, fixed_level):
    """Noise model, its level and whether it is known: in the units of experiment names."""
    photons, as_poisson, as_gauss = poisson_misfit(overall.fit, overall.brightness, white)
    if overall.fit.depends and as_poisson < as_gauss:
        kind, level = "poisson", photons
    else:
        kind, level = "gauss", overall.level / white * 255.0
    if fixed_level:
        return {"noise": f"{kind}{number(level)}", "noise_parameter": "known"}
    return {"noise": kind, "noise_parameter": "per_image"}


def _noise_findings(overall, black_level):
    fit, level = overall.fit, overall.level
    count = len(overall.levels)
    findings = [
        (GOOD, f"Noise level σ = {number(level)} in file units"
               + (f", over {count} images (from {number(min(overall.levels))} to {number(max(overall.levels))})."
                  if count > 1 else "."))
    ]  # fmt: skip
    if not fit.depends:
        findings.append((GOOD, "It does not depend on brightness: Gaussian noise."))
    else:
        read, certain = fit.read_noise(black_level)
        words = f"It grows with brightness: gain {number(fit.gain)} file units per event"
        if certain:
            words += f", read noise {number(read)} at a black level of {number(black_level)}."
        elif fit.offset < -2 * fit.offset_error and black_level == 0:
            words += (
                f". The line reaches zero at {number(-fit.offset / fit.gain)}: the black level lies there or above it, "
                "give it as --black_level to learn the read noise."
            )
        else:
            words += ". Read noise cannot be told from zero: there are too few dark, flat areas."
        findings.append((GOOD, words))
    if overall.spread > _LEVELS_DIFFER:
        findings.append((GOOD, "The level differs between images: it is to be estimated for each."))
    return findings


def _correlation_findings(overall):
    """(findings, width of the blind spot or None, whether training makes sense)."""
    if overall.correlation is None:
        return [(CAUTION, "Correlation was not measured: no image has enough flat area of 48×48 pixels or more.")], 1, True
    right, down = correlation.nearest(overall.correlation)
    figures = f"{right:+.2f} with the next pixel to the right, {down:+.2f} below"
    if not overall.correlated:
        return [(GOOD, f"The noise is independent between pixels ({figures}).")], 1, True
    width = correlation.blind_spot(overall.correlation)
    if width is None:
        return [(BAD, f"The noise is correlated over more than {correlation.RADIUS - 1} pixels ({figures}), stripes perhaps: "
                      "a blind spot that covers it would see too little of the image.")], None, False  # fmt: skip
    return [
        (CAUTION, f"The noise is correlated between pixels ({figures}). A blind spot of {width}×{width} pixels covers that; "
                  "the posterior assumes independent noise, so the mean alone is taken.")
    ], width, True  # fmt: skip


def _value_findings(overall, step, white):
    findings = []
    if overall.clipped > _MUCH_CLIPPED:
        findings.append((CAUTION, f"{overall.clipped:.1%} of the values are clipped: noise there has lost a side, and is "
                                  "not what the noise model believes."))  # fmt: skip
    if overall.blocked > _OFTEN_BLOCKED:
        findings.append((CAUTION, f"{overall.blocked:.0%} of the images show the 8×8 blocks of JPEG: compression has "
                                  "changed the noise, and its traces will be kept. Use the originals if you have them."))  # fmt: skip
    if step and overall.level < _SMALLEST_STEPS * step:
        findings.append((CAUTION, f"The noise is below half a step of the file's values ({number(step)}): rounding hides "
                                  "it, and there is next to nothing to remove."))  # fmt: skip
    elif overall.level < 0.002 * white and overall.level < 0.01 * float(np.ptp(overall.brightness)):
        findings.append((CAUTION, "The noise is below 1 % of the range of the images: there is little to remove."))
    return findings


def _crop(overall):
    """(side of training crops, images that are smaller)."""
    sides = [min(one.described["height"], one.described["width"]) for one in overall.measurements]
    crop = _CROP
    if np.median(sides) < _CROP:
        crop = max(_SMALLEST_CROP, int(np.median(sides)) // _CROP_MULTIPLE * _CROP_MULTIPLE)
    return crop, sum(side < crop for side in sides)


def advise(overall, source, white, black_level=0.0, run_dir="runs/mine"):
    """`Advice` on images.

    Args:
        overall: `measure.Overall`.
        source: folder for --train_noisy.
        white: value that networks take as 1, in file units.
        black_level: value of black, in file units.
        run_dir: folder for the training.
    """
    findings = _noise_findings(overall, black_level)
    about_correlation, width, sensible = _correlation_findings(overall)
    step = min((one.described["step"] for one in overall.measurements), default=0.0)
    findings += about_correlation + _value_findings(overall, step, white)
    crop, small = _crop(overall)
    if small:
        findings.append((CAUTION, f"{small} of {len(overall.measurements)} images have a side below {crop} pixels: training "
                                  "leaves them out."))  # fmt: skip
    kinds = {kind for kind, _ in findings}
    if not sensible:
        return Advice(BAD, "These images do not fit the method.", findings, {}, None)
    grey = all(one.described["grey"] for one in overall.measurements)
    flags = {"train_noisy": str(source), **_noise_flags(overall, white, overall.spread <= _LEVELS_DIFFER)}
    if overall.correlated:
        flags = {"train_noisy": str(source), "algorithm": "ssdn_mean", "blindspot_size": width,
                 "noise": _noise_flags(overall, white, True)["noise"]}  # fmt: skip
    flags |= {
        "channels": 1 if grey else 3, "crop": crop, "images": _IMAGES[flags.get("noise_parameter", "known")],
        "run_dir": run_dir,
    }  # fmt: skip
    if flags.get("noise_parameter") == "known":
        del flags["noise_parameter"]
    verdict = CAUTION if CAUTION in kinds else GOOD
    headline = {
        GOOD: "These images fit the method.",
        CAUTION: "These images can be trained on; mind what is said below.",
    }[verdict]
    words = [f"--{name}={value}" for name, value in flags.items()]
    return Advice(verdict, headline, findings, flags, shlex.join(["python", "-m", "ssdn_keras.train", *words]))


def advise_on_residual(figures, correlated):
    """List of (kind, sentence) on what a model left, from `residual.examine`'s figures over all images."""
    findings = []
    share, ratio, estimated = (
        figures["share_with_structure"], figures["implied_over_measured"], figures["estimated_over_measured"]
    )  # fmt: skip
    from ssdn_keras.diagnosis.residual import STRUCTURE_NOTICEABLE

    if share > STRUCTURE_NOTICEABLE:
        findings.append((CAUTION, f"Structure remains in the residual: {share:.1%} of its blocks hold more than noise. Detail "
                                  "of the images is being taken away: train longer or on larger crops, and check that σ is "
                                  "not too high."))  # fmt: skip
    else:
        findings.append((GOOD, f"The residual looks like noise ({share:.1%} of its blocks hold more than that)."))
    what = "Residual and posterior variance together imply" if figures["has_posterior"] else "The residual has"
    words = f"{what} σ = {number(figures['implied_level'])}, measured was {number(figures['measured_level'])}"
    if ratio < 0.9:
        findings.append((CAUTION, f"{words}: noise is left in the results."))
    elif ratio > (1.1 if figures["has_posterior"] else 1.3):
        findings.append((CAUTION, f"{words}: more than noise is taken away."))
    else:
        findings.append((GOOD, f"{words}."))
    if estimated is not None:
        words = f"The model works with σ = {number(figures['estimated_level'])}, {estimated:.2f} times what was measured"
        off = abs(estimated - 1) > 0.1 and not correlated
        findings.append((CAUTION if off else GOOD, words + (": train with the measured level." if off else ".")))
    return findings
