"""At which values the images of a training set were clipped, from what --clipped says and from the images."""

import numpy as np

from ssdn_keras.data.common import tell
from ssdn_keras.data.sampled import sample
from ssdn_keras.noise.levels import CLIPPED, NOISE_MODELS
from ssdn_keras.value_range import checked_clipping, parse_pair, white_of

WORDS = ("auto", "yes", "no")
# So many values exactly at the end of what occurs are a wall that values were pushed against, not the last of a tail.
_WALL = 0.003
_EVERYWHERE = 0.98
_EIGHT_BITS = {"uint8"}


def parse_clipped(text):
    """One of `WORDS`, or the pair of file values that LOW,HIGH stands for; raises ValueError if it is neither."""
    return parse_pair("clipped", text, WORDS)


def check_sense(clipped, noise, posterior):
    """Raises ValueError where --clipped contradicts the name of the noise, or no likelihood can know what it says.

    Args:
        clipped, noise, posterior: see `resolve`.
    """
    wanted = parse_clipped(clipped)
    if wanted == "no" and noise.is_clipped:
        raise ValueError(f"--noise={noise} and --clipped=no contradict each other: leave -clipped or --clipped=no out")
    if wanted in ("auto", "no"):
        return
    if not posterior:
        raise ValueError(f"--clipped={clipped} goes with --algorithm=ssdn: others have no likelihood; leave it out")
    if noise.kind + CLIPPED not in NOISE_MODELS:
        raise ValueError(f"--clipped={clipped}: {noise.kind} noise has no model of clipped values; leave it out")


def check_eight_bits(source, setting, instead, value_range=None):
    """Raises ValueError where a setting stands for values as 8-bit files have them, and others would be made.

    Values are clipped where the value range ends, a percentile perhaps, and rounded to 255 steps of it: of other types
    of images, or with another range than 0 to 255, there are no such files.

    Args:
        source: training images, see `ssdn_keras.data.sources`.
        setting: what was given, for the message.
        instead: what to do, for the message.
        value_range: of the model, where noisy values are made: (low, high), or None for 0..255.
    """
    dtypes = _dtypes(source)
    if dtypes != _EIGHT_BITS:
        raise ValueError(
            f"{setting} stands for values that were clipped and rounded to 8 bits, but the training images hold "
            f"{', '.join(sorted(dtypes))}: give 8-bit images, or {instead}"
        )
    if value_range not in (None, (0.0, 255.0)):
        low, high = value_range
        raise ValueError(
            f"{setting} stands for values of 0 to 255, and the value range is {low:g} to {high:g}: leave "
            f"--value_range out, or {instead}"
        )


def resolve(clipped, source, noise, noisy, posterior):
    """The file values (low, high) at which values were clipped, or None: what a model is to store.

    Of floats (low, high, 0), which is for values that were not rounded.

    Args:
        clipped: "auto" (noisy 8-bit images), "yes", "no" or "LOW,HIGH".
        source: training images, see `ssdn_keras.data.sources`.
        noise: `NoiseSpec` of the training.
        noisy: whether the images are noisy; to clean ones `noise` is added, which says itself whether it is clipped.
        posterior: whether the algorithm has a noise model at all.

    Raises:
        ValueError: the settings contradict each other, or the noise is that of 8-bit images and these are others; the
            images cannot have been clipped there, or nearly all of their values are.
    """
    check_sense(clipped, noise, posterior)
    wanted = parse_clipped(clipped)
    asked = wanted == "yes" or isinstance(wanted, tuple) or (noise.is_clipped and wanted == "auto")
    possible = noise.kind + CLIPPED in NOISE_MODELS
    if noise.is_clipped and noisy and not posterior:
        check_eight_bits(source, f"--noise={noise}", "leave -clipped out")
    if not (noisy and posterior) or wanted == "no" or not (asked or (possible and _dtypes(source) == _EIGHT_BITS)):
        return None
    values = sample(source)
    floats = [dtype for dtype in _dtypes(source) if np.dtype(dtype).kind == "f"]
    given = isinstance(wanted, tuple)
    low, high = (_as_stored(end, floats) for end in wanted) if given else _walls(values, source)
    _check(values, low, high)
    found = checked_clipping((low, high, 0.0) if floats else (low, high))
    if not given:
        rounded, by_itself = "" if floats else " and rounded", "" if asked else "; --clipped=no if that is wrong"
        tell(f"noisy values were clipped at {low:g} and {high:g}{rounded}: the likelihood knows it{by_itself}")
    return found


def _as_stored(end, floats):
    """The value that a file has for a number, 0.1 perhaps: the nearest of its type, `floats` being names of types."""
    for dtype in floats:
        limits = np.finfo(dtype)
        end = float(np.clip(end, float(limits.min), float(limits.max)).astype(dtype))
    return end


def _dtypes(source):
    """Names of the types of a source's values; sources of other programs, which need not say, have 8 bits."""
    return getattr(source, "dtypes", _EIGHT_BITS)


def _smallest(dtype):
    return 0.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).min)


def _walls(values, source):
    """Where values pile up at the end of what occurs; the ends of the type where they do not: of floats 0 and 1."""
    ends = min(map(_smallest, _dtypes(source))), max(map(white_of, _dtypes(source)))
    found = float(values.min()), float(values.max())
    return tuple(
        each if each != end and np.mean(values == each) > _WALL else end for each, end in zip(found, ends, strict=True)
    )


def _check(values, low, high):
    outside = np.mean((values < low) | (values > high))
    if outside:
        raise ValueError(
            f"the images are said to be clipped to {low:g} … {high:g}, but have values from {values.min():g} to "
            f"{values.max():g}: give --clipped=LOW,HIGH, or --clipped=no"
        )
    at_ends = np.mean((values <= low) | (values >= high))
    if at_ends > _EVERYWHERE:
        raise ValueError(
            f"{100 * at_ends:.0f} % of the values of the images are clipped, at {low:g} or {high:g}: there is nothing "
            "to learn from"
        )
