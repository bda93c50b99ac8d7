"""What absl's flags take here beyond what absl has: one of a few words, finite numbers, noise levels."""

import difflib
import math
import re

from absl import flags

_TWO_NUMBERS = re.compile(r"[0-9.]+\+[0-9.]+")


class Choice(flags.ArgumentParser):
    """One of a few words, with a suggestion for what is nearly right."""

    def __init__(self, choices):
        self.choices = tuple(choices)
        self.syntactic_help = "|".join(self.choices)

    def parse(self, argument):
        if argument not in self.choices:
            close = difflib.get_close_matches(str(argument), self.choices, n=1, cutoff=0.4)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"value should be one of {', '.join(self.choices)}{hint}")
        return argument

    def flag_type(self):
        return "choice"


class Finite(flags.FloatParser):
    """A number that is neither infinite nor NaN, which absl's bounds let pass."""

    def convert(self, argument):
        value = super().convert(argument)
        if not math.isfinite(value):
            raise ValueError("must be a finite number")
        return value


class Level(Finite):
    """A noise level: a number, or two as GAIN+READ_NOISE, which become a tuple."""

    def convert(self, argument):
        try:
            float(argument)
        except ValueError:
            raise ValueError("expected a number, or two as in 2+5") from None
        return super().convert(argument)

    def parse(self, argument):
        parts = argument.split("+") if isinstance(argument, str) and _TWO_NUMBERS.fullmatch(argument) else [argument]
        numbers = tuple(super(Level, self).parse(part) for part in parts)
        return numbers if len(numbers) > 1 else numbers[0]
