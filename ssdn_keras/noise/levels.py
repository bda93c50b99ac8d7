"""Names of noise models with their levels: gauss25, gauss5_50, poisson30, impulse0_100."""

import dataclasses
import difflib
import math
import re
from dataclasses import dataclass

from ssdn_keras.noise.clipped import Clipped
from ssdn_keras.noise.clipping import ClippedRange
from ssdn_keras.noise.gaussian import Gaussian
from ssdn_keras.noise.impulse import Impulse
from ssdn_keras.noise.poisson import Poisson

_PLAIN = (Gaussian(), Poisson(), Impulse())
NOISE_MODELS = {
    model.name: model for model in (*_PLAIN, *(Clipped(each) for each in _PLAIN if hasattr(each, "noise_std")))
}
CLIPPED = "-clipped"

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PATTERN = re.compile(rf"([a-z]+)(?:({_NUMBER})(?:_({_NUMBER}))?)?")


@dataclass(frozen=True)
class NoiseSpec:
    """A noise model and the range its level is drawn from, uniformly for each image; `levels` is None if unknown.

    Attributes:
        span: what of the images' units makes 1 of the network's: 255, or another number for images of other ranges. σ
            is in the images' units; the other levels have none.
    """

    model: object
    levels: tuple[float, float] | None
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
        """The range in the network's units: σ/255, λ, or α in 0..1."""
        return tuple(level / self.level_scale for level in self.levels)

    def level_from_estimate(self, estimate):
        """The level, for reports, from the parameter that a network estimated."""
        return self.model.level_from_estimate(estimate) * (self.level_scale / self.model.level_scale)

    def __str__(self):
        if self.levels is None:
            return self.model.name
        low, high = (f"{level:.15g}" for level in self.levels)
        name, clipped, _ = self.model.name.partition(CLIPPED)
        return name + (low if low == high else f"{low}_{high}") + clipped

    @property
    def kind(self):
        """Name of the noise itself, whether values were then clipped or not: "gauss", "poisson", …"""
        return self.model.name.removesuffix(CLIPPED)

    @property
    def is_clipped(self):
        """Whether values were clipped and rounded after the noise came to them."""
        return self.model.name.endswith(CLIPPED)

    def clipped_to(self, low, high):
        """The same noise of values that were clipped to low … high, in the network's units, and rounded in the files'.

        Raises:
            ValueError: there is no such model, or low is not below high.
        """
        base = self.clipped.model.base
        return dataclasses.replace(self, model=Clipped(base, ClippedRange(low, high, 1.0 / self.span)))

    @property
    def clipped(self):
        """The same noise of values that were clipped and rounded to 8 bits."""
        if self.is_clipped:
            return self
        if self.model.name + CLIPPED not in NOISE_MODELS:
            raise ValueError(f"{self.model.name} noise has no model of clipped values")
        return dataclasses.replace(self, model=NOISE_MODELS[self.model.name + CLIPPED])


def level_scale(model, span=255.0):
    """What a level of a noise model is divided by to get the network's parameter; see `NoiseSpec`."""
    return span if model.name in ("gauss", f"gauss{CLIPPED}") else model.level_scale


def level_limits(model, span=255.0):
    """The smallest and the largest level."""
    return tuple(limit * (level_scale(model, span) / model.level_scale) for limit in model.level_range)


def unit_of(model, span=255.0):
    """What a level is, in words."""
    if not model.name.startswith("gauss") or span == 255.0:
        return model.unit
    return f"σ in the units of the images (0..{span:g})"


def parse_noise(text, span=255.0):
    """Read a name such as gauss25 (σ = 25), poisson5_50 (λ from 5 to 50), impulse50 (α = 50 %) or gauss (no level).

    With -clipped at its end, such as gauss25-clipped, the values were then clipped to 0..255 and rounded.

    Examples:
        >>> parse_noise("poisson5_50").levels
        (5.0, 50.0)
        >>> parse_noise("impulse50").parameters
        (0.5, 0.5)
        >>> str(parse_noise("gauss25.0")), parse_noise("gauss").levels
        ('gauss25', None)

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
    name = re.match(r"[A-Za-z]*", str(text)).group()
    if name not in NOISE_MODELS:
        close = difflib.get_close_matches(name.lower(), NOISE_MODELS, n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]}{str(text)[len(name) :]}?" if close else ""
        raise ValueError(f"unknown noise {str(text)!r}: expected one of {', '.join(NOISE_MODELS)} and a level{hint}")
    match = _PATTERN.fullmatch(str(text))
    if not match:
        raise ValueError(
            f"noise {text!r}: the level must be a positive number or a range LOW_HIGH, such as {name}25 or {name}5_50"
        )
    if match.group(2) is None:
        return NoiseSpec(NOISE_MODELS[name], None, span)
    low = float(match.group(2))
    high = float(match.group(3)) if match.group(3) else low
    return make_noise_spec(name, low, high, text, span)


def make_noise_spec(name, low, high, text=None, span=255.0):
    """A checked `NoiseSpec`; raises ValueError as `parse_noise` does.

    Examples:
        >>> str(make_noise_spec("gauss", 5, 50))
        'gauss5_50'
    """
    model = NOISE_MODELS[name]
    text = text or f"{name}{low:g}_{high:g}"
    smallest, largest = level_limits(model, span)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"noise {text!r}: the level ({unit_of(model, span)}) must be finite")
    if low > high:
        raise ValueError(f"noise {text!r}: the range is the wrong way round; write {name}{high:g}_{low:g}")
    positive = model.name.startswith("poisson")
    if low < smallest or high > largest or (positive and low <= 0):
        limits = "above 0" if positive else f"from {smallest:g} to {largest:g}"
        raise ValueError(f"noise {text!r}: the level ({unit_of(model, span)}) must be {limits}")
    return NoiseSpec(model, (low, high), span)
