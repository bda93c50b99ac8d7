"""Names of noise models with their levels: gauss25, gauss5_50, poisson30, impulse0_100, poisson_gauss2+5."""

import dataclasses
import difflib
import math
import re
from dataclasses import dataclass

import numpy as np

from ssdn_keras.noise.clipped import Clipped
from ssdn_keras.noise.clipping import ClippedRange
from ssdn_keras.noise.gaussian import Gaussian
from ssdn_keras.noise.impulse import Impulse
from ssdn_keras.noise.parameters import as_level, in_words, names_of, shape_of
from ssdn_keras.noise.poisson import Poisson
from ssdn_keras.noise.poisson_gauss import PoissonGaussian

_PLAIN = (Gaussian(), Poisson(), Impulse(), PoissonGaussian())
NOISE_MODELS = {
    model.name: model for model in (*_PLAIN, *(Clipped(each) for each in _PLAIN if hasattr(each, "noise_std")))
}
CLIPPED = "-clipped"

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_RANGE = re.compile(rf"({_NUMBER})(?:_({_NUMBER}))?")
_NAME = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)*|")
# Models whose levels are in the units of the images: what makes 1 of the network's scales them too.
_IN_FILE_UNITS = ("gauss", "poisson_gauss")
# Those whose variance is that of counts, from black up.
NOISE_OF_LIGHT = ("poisson", "poisson_gauss")
# Of levels, for messages: of one number, and of two.
_EXAMPLES = {1: ("25", "5_50"), 2: ("2+5", "0.5_4+2_10")}


@dataclass(frozen=True)
class NoiseSpec:
    """A noise model and the range its level is drawn from, uniformly for each image; `levels` is None if unknown.

    Attributes:
        levels: (lowest, highest), each a number; or a tuple of numbers, drawn independently, where a level has several.
        span: what of the images' units makes 1 of the network's: 255, or another number for images of other ranges;
            infinite where it is not known yet. σ, gain and read noise are in the images' units; the other levels have
            none.
    """

    model: object
    levels: tuple | None
    span: float = 255.0

    @property
    def level_scale(self):
        """What a level is divided by to get the network's parameter."""
        return level_scale(self.model, self.span)

    @property
    def unit(self):
        """What a level is, in words."""
        return unit_of(self.model, self.span)

    @property
    def varying(self):
        """Whether the level differs between images (or is not known)."""
        return self.levels is None or self.levels[0] != self.levels[1]

    @property
    def parameters(self):
        """The range in the network's units: σ/255, λ, or α in 0..1; arrays where a level has several numbers."""
        if self.parameter_shape:
            return tuple(np.float32(np.divide(level, self.level_scale)) for level in self.levels)
        return tuple(level / self.level_scale for level in self.levels)

    @property
    def parameter_shape(self):
        """Shape of the parameter of an image: (), or (2,) for gain and read noise."""
        return shape_of(self.model)

    @property
    def can_be_sought(self):
        """Whether the likeliest level can be found, see `ssdn_keras.noise.likelihood`."""
        return getattr(self.model, "strengths", None) is not None

    @property
    def level_names(self):
        """What the numbers of a level are called in reports: "noise_level", or "gain" and "read_noise"."""
        return names_of(self.model)

    def named(self, level):
        """Dict of name to number, of a level as the one or the several numbers that it is."""
        return dict(zip(self.level_names, np.ravel(level).tolist(), strict=True))

    def level_from_estimate(self, estimate):
        """The level, for reports, from the parameter that a network estimated."""
        return self.model.level_from_estimate(estimate) * (self.level_scale / self.model.level_scale)

    def __str__(self):
        if self.levels is None:
            return self.model.name
        parts = []
        for low, high in zip(*map(np.ravel, self.levels), strict=True):
            low, high = f"{low:.15g}", f"{high:.15g}"
            parts.append(low if low == high else f"{low}_{high}")
        name, clipped, _ = self.model.name.partition(CLIPPED)
        return name + "+".join(parts) + clipped

    @property
    def kind(self):
        """Name of the noise itself, whether values were then clipped or not: "gauss", "poisson", …"""
        return kind_of(self.model)

    @property
    def in_file_units(self):
        """Whether levels are in the units of the images."""
        return self.kind in _IN_FILE_UNITS

    @property
    def examples(self):
        """Names of the same noise with a level and with a range, for messages."""
        return tuple(self.kind + level + CLIPPED * self.is_clipped for level in _EXAMPLES[len(self.level_names)])

    @property
    def is_clipped(self):
        """Whether values were clipped and rounded after the noise came to them."""
        return self.model.name.endswith(CLIPPED)

    def clipped_to(self, low, high, step=1.0):
        """The same noise of values that were clipped to low … high, in the network's units, and rounded in the files'.

        Args:
            low, high: in the network's units.
            step: distance of neighbouring values, in the files' units; 0 for values that were not rounded.

        Raises:
            ValueError: there is no such model, or low is not below high.
        """
        base = self.clipped.model.base
        return dataclasses.replace(self, model=Clipped(base, ClippedRange(low, high, step / self.span)))

    @property
    def clipped(self):
        """The same noise of values that were clipped and rounded to 8 bits."""
        if self.is_clipped:
            return self
        if self.model.name + CLIPPED not in NOISE_MODELS:
            raise ValueError(f"{self.model.name} noise has no model of clipped values")
        return dataclasses.replace(self, model=NOISE_MODELS[self.model.name + CLIPPED])


def kind_of(model):
    """Name of the noise itself, whether values were then clipped or not."""
    return model.name.removesuffix(CLIPPED)


def level_scale(model, span=255.0):
    """What a level of a noise model is divided by to get the network's parameter; see `NoiseSpec`."""
    return span if kind_of(model) in _IN_FILE_UNITS else model.level_scale


def level_limits(model, span=255.0):
    """The smallest and the largest level, or of each number of one."""
    # 0 stays 0, also where the span is infinite.
    return tuple(limit and limit * (level_scale(model, span) / model.level_scale) for limit in model.level_range)


def limits_broken(model, levels, span=255.0):
    """What levels must be, in words, where one of them is not; None where all may be.

    Args:
        model: noise model.
        levels: array of finite numbers.
        span: see `NoiseSpec`.
    """
    levels, kind = np.asarray(levels), kind_of(model)
    smallest, largest = level_limits(model, span)
    if (levels < smallest).any() or (levels > largest).any() or (kind == "poisson" and (levels <= 0).any()):
        if kind == "poisson":
            return "above 0"
        return f"from {smallest:g} to {largest:g}" if math.isfinite(largest) else f"{smallest:g} or more"
    return None


def absence_of_noise(model, levels):
    """What levels of several numbers must be, in words, where all numbers of one are 0; else None."""
    missing = shape_of(model) and (np.max(levels, axis=-1) == 0).any()
    return "above 0, at least one of the two" if missing else None


def unit_of(model, span=255.0):
    """What a level is, in words."""
    if kind_of(model) not in _IN_FILE_UNITS or span == 255.0:
        return model.unit
    known = f" (0..{span:g})" if math.isfinite(span) else ""
    return f"{model.unit.partition(' in grey levels')[0]} in the units of the images{known}"


def parse_noise(text, span=255.0):
    """Read a name such as gauss25 (σ = 25), poisson5_50 (λ from 5 to 50), impulse50 (α = 50 %) or gauss (no level).

    poisson_gauss2+5 has a gain of 2 and a read noise of 5; each may be a range, as in poisson_gauss0.5_4+2_10.

    With -clipped at its end, such as gauss25-clipped, the values were then clipped to 0..255 and rounded.

    Examples:
        >>> parse_noise("poisson5_50").levels
        (5.0, 50.0)
        >>> parse_noise("impulse50").parameters
        (0.5, 0.5)
        >>> str(parse_noise("gauss25.0")), parse_noise("gauss").levels
        ('gauss25', None)
        >>> parse_noise("poisson_gauss0.5_4+10").levels
        ((0.5, 10.0), (4.0, 10.0))

    Args:
        text: the name.
        span: see `NoiseSpec`.

    Raises:
        ValueError: the name, the level or the order of a range is wrong; the message says which and what is expected.
    """
    if isinstance(text, NoiseSpec):
        return text
    plain = str(text).removesuffix(CLIPPED)
    if plain != str(text):
        return parse_noise(plain, span).clipped
    name = _NAME.match(str(text)).group()
    if name not in NOISE_MODELS:
        close = difflib.get_close_matches(name.lower(), NOISE_MODELS, n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]}{str(text)[len(name) :]}?" if close else ""
        raise ValueError(f"unknown noise {str(text)!r}: expected one of {', '.join(NOISE_MODELS)} and a level{hint}")
    model = NOISE_MODELS[name]
    if str(text) == name:
        return NoiseSpec(model, None, span)
    names = names_of(model)
    parts = [_RANGE.fullmatch(part) for part in str(text)[len(name) :].split("+")]
    if None in parts or len(parts) != len(names):
        several = f"{len(names)} numbers joined by + ({in_words(model)}), each positive" if len(names) > 1 else ""
        first, second = NoiseSpec(model, None).examples
        raise ValueError(
            f"noise {text!r}: the level must be {several or 'a positive number'} or a range LOW_HIGH, such as {first} "
            f"or {second}"
        )
    lows, highs = zip(*((part[1], part[2] or part[1]) for part in parts), strict=True)
    if len(names) == 1:
        return make_noise_spec(name, float(*lows), float(*highs), text, span)
    return make_noise_spec(name, lows, highs, text, span)


def make_noise_spec(name, low, high, text=None, span=255.0):
    """A checked `NoiseSpec`; raises ValueError as `parse_noise` does.

    Args:
        name: of the noise model.
        low, high: ends of the range, each a number, or several for a model whose levels have several.
        text: what the user wrote, for messages.
        span: see `NoiseSpec`.

    Examples:
        >>> str(make_noise_spec("gauss", 5, 50))
        'gauss5_50'
        >>> str(make_noise_spec("poisson_gauss", (2, 5), (2, 10)))
        'poisson_gauss2+5_10'
    """
    model = NOISE_MODELS[name]
    found = NoiseSpec(model, (as_level(model, low), as_level(model, high)), span)
    text, (low, high) = text or str(found), found.levels
    if not np.isfinite(found.levels).all():
        raise ValueError(f"noise {text!r}: the level ({unit_of(model, span)}) must be finite")
    if np.greater(low, high).any():
        lows, highs = (as_level(model, end(low, high)) for end in (np.minimum, np.maximum))
        right = dataclasses.replace(found, levels=(lows, highs))
        raise ValueError(f"noise {text!r}: the range is the wrong way round; write {right}")
    broken = limits_broken(model, found.levels, span) or absence_of_noise(model, high)
    if broken:
        raise ValueError(f"noise {text!r}: the level ({unit_of(model, span)}) must be {broken}")
    return found
