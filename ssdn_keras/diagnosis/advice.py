"""A verdict in plain words: what was measured, what that means for the method, and which training it suggests."""

from dataclasses import dataclass

import numpy as np

from ssdn_keras.diagnosis import correlation
from ssdn_keras.diagnosis.suggestion import (
    LEVELS_DIFFER,
    command,
    crop_of,
    dark_share,
    exact,
    number,
    presumed_black,
    train_flags,
)

_MUCH_CLIPPED = 0.01
_OFTEN_BLOCKED = 0.25
# Below half a step of the file's values, noise and rounding cannot be told apart.
_SMALLEST_STEPS = 0.5
_LITTLE_NOISE = 0.01

GOOD, CAUTION, BAD = "good", "caution", "bad"
_HEADLINES = {
    GOOD: "These images fit the method.",
    CAUTION: "These images can be trained on; mind what is said below.",
    BAD: "These images do not fit the method.",
}


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


def _of_level(overall):
    words, levels = f"Noise level σ = {number(overall.level)} in file units", overall.levels
    if len(levels) > 1:
        words += f", over {len(levels)} images (from {number(min(levels))} to {number(max(levels))})"
    yield GOOD, f"{words}."
    if overall.spread > LEVELS_DIFFER:
        yield GOOD, "The level differs between images: it is to be estimated for each."


def _of_black(overall, black_level):
    share = dark_share(overall, black_level)
    if share:
        yield (
            CAUTION,
            f"{share:.0%} of the values are below the black level of {exact(black_level)}, farther than noise takes "
            "them: check it on a dark frame.",
        )


def _of_brightness(overall, black_level):
    fit, presumed = overall.fit, None if black_level else presumed_black(overall)
    if not fit.depends:
        yield GOOD, "It does not depend on brightness: Gaussian noise."
        return
    words = f"It grows with brightness: gain {number(fit.gain)} file units per event"
    read, certain = fit.read_noise(black_level)
    if presumed is not None:
        yield (
            CAUTION,
            f"{words}. The line reaches zero at {exact(float(f'{fit.zero():.5g}'))}: the black level lies there or "
            "above it; give it as --black_level, from a dark frame, to learn the read noise. Until then "
            f"{exact(presumed)} is taken for black.",
        )
        return
    if certain:
        words += f", read noise {number(read)} at a black level of {exact(black_level)}."
    else:
        words += ". Read noise cannot be told from zero: there are too few dark, flat areas."
    yield GOOD, words


def _of_correlation(overall):
    if overall.correlation is None:
        yield CAUTION, "Correlation was not measured: no image has enough flat areas of 16×16 pixels."
        return
    right, down = correlation.nearest(overall.correlation)
    figures = f"{right:+.2f} with the next pixel to the right, {down:+.2f} below"
    width = correlation.blind_spot(overall.correlation)
    if not overall.correlated:
        yield GOOD, f"The noise is independent between pixels ({figures})."
    elif width is None:
        yield (
            BAD,
            f"The noise is correlated over more than {correlation.RADIUS - 1} pixels ({figures}), stripes perhaps: a "
            "blind spot that covers it would see too little of the image.",
        )
    else:
        yield (
            CAUTION,
            f"The noise is correlated between pixels ({figures}). A blind spot of {width}×{width} pixels covers that; "
            "the posterior assumes independent noise, so the mean alone is taken.",
        )


def _of_values(overall):
    if overall.clipped > _MUCH_CLIPPED:
        yield (
            CAUTION,
            f"{overall.clipped:.1%} of the values are clipped: noise there has lost a side. A training on 8-bit files "
            "knows it by itself; for others give --clipped=yes.",
        )
    if overall.blocked > _OFTEN_BLOCKED:
        yield (
            CAUTION,
            f"{overall.blocked:.0%} of the images show the 8×8 blocks of JPEG: compression has changed the noise, and "
            "its traces will be kept. Use the originals if you have them.",
        )
    step = min(one.described["step"] for one in overall.measurements)
    if step and overall.level < _SMALLEST_STEPS * step:
        yield (
            CAUTION,
            f"The noise is below half a step of the file's values ({number(step)}): rounding hides it, and there is "
            "next to nothing to remove.",
        )
    elif overall.level < _LITTLE_NOISE * float(np.ptp(overall.brightness)):
        yield CAUTION, "The noise is below 1 % of the range of the images: there is little to remove."
    crop, small = crop_of(overall)
    if small:
        count = len(overall.measurements)
        yield CAUTION, f"{small} of {count} images have a side below {crop} pixels: training leaves them out."


def advise(overall, source, black_level=0.0, run_dir="runs/mine"):
    """`Advice` on images.

    Args:
        overall: `measure.Overall`.
        source: folder for --train_noisy.
        black_level: value of black, in file units.
        run_dir: folder for the training.

    Raises:
        ValueError: black cannot be where it is said to be.
    """
    findings = [
        *_of_level(overall), *_of_black(overall, black_level), *_of_brightness(overall, black_level),
        *_of_correlation(overall), *_of_values(overall),
    ]  # fmt: skip
    kinds = {kind for kind, _ in findings}
    verdict = next((kind for kind in (BAD, CAUTION) if kind in kinds), GOOD)
    if verdict == BAD:
        return Advice(BAD, _HEADLINES[BAD], findings, {}, None)
    blind_spot = 1 if overall.correlation is None else correlation.blind_spot(overall.correlation)
    flags = train_flags(overall, source, black_level, blind_spot, run_dir)
    return Advice(verdict, _HEADLINES[verdict], findings, flags, command(flags))
