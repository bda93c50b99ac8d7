"""A trained model on the images under diagnosis, in file units."""

import numpy as np

from ssdn_keras.value_range import to_network, white_of

# Of a large image its middle: a residual needs no more, and memory has an end.
_MOST_SIDE = 1024


def middle(values):
    """The central part of an image H×W×C, of at most 1024×1024 pixels."""
    top, left = (max(0, (size - _MOST_SIDE) // 2) for size in values.shape[:2])
    return values[top : top + _MOST_SIDE, left : left + _MOST_SIDE]


def restore(model, picture, noise_level=None):
    """(noisy, outputs) as `residual.examine` wants them, of the middle of a `Picture`.

    Args:
        model: `Denoiser`.
        picture: with as many channels as the model has; one for one channel denoises each by itself, and grey is
            repeated for one of colour images. Its range of values becomes 0 and 1, unless the model has one.
        noise_level: where the model needs to be told: σ in the units of the file, λ, or α in percent.

    Raises:
        ValueError: other channels, or a level that is missing or not expected.
    """
    from ssdn_keras.denoising import check_channels, nominal_level  # loads Keras, which is there if a model is

    check_channels(picture.values.shape[-1], model.channels)
    low, high = model.value_range or picture.value_range or (0.0, white_of(picture.dtype))
    span = high - low
    noisy = middle(picture.values)
    if noisy.shape[-1] == 1 and model.channels == 3:
        noisy = np.repeat(noisy, 3, axis=-1)
    seen = to_network(noisy, (low, high))
    seen = np.moveaxis(seen, -1, 0)[..., None] if model.channels == 1 else seen[None]  # by itself, or all together
    level = model.level_input(nominal_level(model, noise_level, picture.dtype, picture.value_range), len(seen))
    found = model.predict_images(seen, level)
    outputs = {
        name: np.concatenate(list(found[name]), axis=-1).astype(np.float64) * span
        for name in ("denoised", "mean", "std")
        if name in found
    }
    for name in outputs.keys() - {"std"}:
        outputs[name] += low
    if "noise_std" in found and model.noise.kind != "impulse":
        outputs["noise_level"] = float(np.sqrt(np.mean(np.square(found["noise_std"], dtype=np.float64)))) * span
    return noisy.astype(np.float64), outputs
