"""What a noise model's parameter consists of. Most models have one number and say nothing about it.

A model of several numbers has `level_names`, one for each; its levels are tuples, and its parameters lie on the last
axis of arrays: N×2 for two numbers of N images, N×1×1×2 where the likelihood wants them.
"""

import numpy as np

ONE = ("noise_level",)
# What is added to an estimate of the published models, so that it is never 0.
_SMALLEST_ESTIMATE = 1e-3


def names_of(model):
    """Names of the numbers that make a level of a noise model."""
    return getattr(model, "level_names", ONE)


def shape_of(model):
    """Shape of a parameter: () for one number."""
    count = len(names_of(model))
    return () if count == 1 else (count,)


def smallest_estimate_of(model):
    """What is added to an estimate, so that it is never 0: a number, or one for each of several."""
    return getattr(model, "smallest_estimate", _SMALLEST_ESTIMATE)


def as_level(model, value):
    """A level as a float, or as a tuple of floats where the model has several.

    Raises:
        ValueError: there are fewer or more numbers than the model has.
    """
    shape = shape_of(model)
    numbers = np.asarray(value, "float64")
    if numbers.shape != shape:
        wanted = f"{len(names_of(model))} numbers ({in_words(model)})" if shape else "one number"
        raise ValueError(f"a level of {model.name} noise is {wanted}. Received: {value!r}")
    return tuple(numbers.tolist()) if shape else float(value)


def in_words(model):
    """The names as a reader sees them, such as "gain, read noise"."""
    return ", ".join(names_of(model)).replace("_", " ")


def global_rate_of(model):
    """Number r from which one constant for all images follows, over the variable that is trained; 1 as published."""
    return getattr(model, "global_rate", 1.0)
