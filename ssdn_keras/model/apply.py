"""Using a model on arrays: value ranges, shapes and the checks around them."""

import keras
import numpy as np
from keras import ops


def use_compiler():
    """Whether to compile steps: with JAX, and with TensorFlow on a GPU; on a CPU it is faster without. Not PyTorch."""
    if keras.backend.backend() == "jax":
        return True
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    one_replica = tf.distribute.get_strategy().num_replicas_in_sync == 1
    return one_replica and bool(tf.config.list_physical_devices("GPU"))


def steps_of(data, batch_size=None, validation_split=0.0):
    """Number of batches that `fit` makes of a dataset or of arrays, or None if that has no end or cannot be told."""
    if hasattr(data, "cardinality"):
        size = int(data.cardinality())
        return size if size > 0 else None
    if isinstance(data, dict):
        data = next(iter(data.values()))
    if hasattr(data, "shape"):
        return -(-int(data.shape[0] * (1.0 - validation_split)) // (batch_size or 32))
    return len(data) if hasattr(data, "__len__") else None


def psnr(clean, result):
    """Peak signal-to-noise ratio of each image in dB; values are clipped to 0..1."""
    clean = ops.convert_to_tensor(clean, "float32")
    error = ops.mean(ops.square(ops.clip(result, 0.0, 1.0) - clean), axis=(1, 2, 3))
    return -10.0 * ops.log10(ops.maximum(error, 1e-10))


def to_unit_range(array, data_range=None):
    """Array to float32 in nominal range 0..1. Returns it and the value of white."""
    array = np.asarray(array)
    if array.dtype.kind == "u":
        white = np.iinfo(array.dtype).max if data_range is None else data_range
    elif array.dtype.kind == "f":
        white = 1.0 if data_range is None else data_range
        bad = ~np.isfinite(array)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise ValueError(
                f"the image has {int(bad.sum())} values that are NaN or infinite, the first at index {where}; "
                "replace them before denoising"
            )
    else:
        raise ValueError(f"expected unsigned integers or floats, received an array of type {array.dtype}")
    if not white > 0:
        raise ValueError(f"data_range must be positive. Received: data_range={data_range!r}")
    return array.astype("float32") / np.float32(white), white


def from_unit_range(values, dtype, white):
    """Inverse of `to_unit_range`: integers are rounded and clipped."""
    values = np.asarray(values, dtype="float64") * white
    if np.dtype(dtype).kind == "u":
        values = np.clip(np.rint(values), 0, white)
    return values.astype(dtype)


def level_input(model, noise_level, count):
    """The "noise_level" input for `count` images from levels in the units of the experiment names, or None."""
    if noise_level is None or not model.algorithm.uses_noise_model:
        if model.algorithm.uses_noise_model and model.noise_parameter == "known" and model.noise.varying:
            raise ValueError(
                f"the noise level varies and is not estimated: give noise_level ({model.noise.model.unit})"
            )
        return None
    if model.noise_parameter != "known":
        raise ValueError(f"this model estimates the noise itself ({model.noise_parameter}): leave noise_level out")
    return checked_levels(model.noise.model, noise_level, count)


def checked_levels(kind, noise_level, count):
    """Levels of a noise model in the units of the experiment names as parameters of the network, one per image."""
    levels = np.asarray(noise_level, "float32").ravel()
    if levels.size not in (1, count):
        raise ValueError(f"noise_level needs one value per image: {levels.size} values for {count} images")
    levels = np.broadcast_to(levels, (count,))
    low, high = kind.level_range
    if not (np.isfinite(levels).all() and (levels >= low).all() and (levels <= high).all()) or (
        kind.name == "poisson" and (levels <= 0).any()
    ):
        raise ValueError(f"noise_level must be {kind.unit}, within its range. Received: noise_level={noise_level!r}")
    return levels / np.float32(kind.level_scale)


def _as_batch(model, values):
    channels = model.channels
    if channels is None:  # a denoiser that takes any number
        if values.ndim not in (2, 3, 4):
            raise ValueError(f"expected H×W, H×W×C or N×H×W×C, received an array of shape {values.shape}")
        if values.ndim == 2:
            return values[None, :, :, None]
        return values if values.ndim == 4 else values[None]
    if values.ndim == 2 and channels == 1:
        return values[None, :, :, None]
    if values.ndim in (3, 4) and values.shape[-1] == channels:
        return values[None] if values.ndim == 3 else values
    shapes = f"H×W×{channels} or N×H×W×{channels}" + (" or H×W" if channels == 1 else "")
    raise ValueError(f"this model takes {shapes}, received an array of shape {values.shape}")


def predict(model, noisy, parameter=None):
    """All outputs of the model for N×H×W×C float32 images, as NumPy arrays; image by image, to bound the memory."""
    parts = []
    for i in range(len(noisy)):
        inputs = {"noisy": noisy[i : i + 1]}
        if parameter is not None:
            inputs["noise_level"] = parameter[i : i + 1]
        parts.append(model.predict_on_batch(inputs))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def denoise_array(model, array, noise_level=None, data_range=None):
    """See `Denoiser.denoise`."""
    array = np.asarray(array)
    values, white = to_unit_range(array, data_range)
    noisy = _as_batch(model, values)
    if 0 in noisy.shape:
        raise ValueError(f"the image is empty: shape {array.shape}")
    result = model.predict_images(noisy, model.level_input(noise_level, len(noisy)))["denoised"]
    return from_unit_range(result.reshape(array.shape), array.dtype, white)
