"""A trained model on the images under diagnosis, in file units."""

import numpy as np

# Of a large image its middle: a residual needs no more, and memory has an end.
_MOST_SIDE = 1024


def middle(values):
    """The central part of an image H×W×C, of at most 1024×1024 pixels."""
    top, left = (max(0, (size - _MOST_SIDE) // 2) for size in values.shape[:2])
    return values[top : top + _MOST_SIDE, left : left + _MOST_SIDE]


def white_of(picture):
    """The value that networks take as 1: the largest of an integer type, and 1 for floats."""
    return 1.0 if picture.high is None else picture.high


def restore(model, picture, noise_level=None):
    """(noisy, outputs) as `residual.examine` wants them, of the middle of a `Picture`.

    Args:
        model: `Denoiser`.
        picture: with as many channels as the model has; grey is repeated for a model of colour images.
        noise_level: where the model needs to be told, in the units of its experiment name.

    Raises:
        ValueError: other channels, or a level that is missing or not expected.
    """
    white = white_of(picture)
    noisy = middle(picture.values)
    if noisy.shape[-1] == 1 and model.channels == 3:
        noisy = np.repeat(noisy, 3, axis=-1)
    if noisy.shape[-1] != model.channels:
        raise ValueError(f"has {noisy.shape[-1]} channels, the model takes {model.channels}")
    level = model.level_input(noise_level, 1)
    found = model.predict_images((noisy / white).astype(np.float32)[None], level)
    outputs = {name: found[name][0].astype(np.float64) * white for name in ("denoised", "mean", "std") if name in found}
    if "noise_std" in found and model.noise.model.name != "impulse":
        outputs["noise_level"] = float(np.sqrt(np.mean(np.square(found["noise_std"][0], dtype=np.float64)))) * white
    return noisy.astype(np.float64), outputs
