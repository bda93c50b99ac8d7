"""Using a model on arrays: value ranges, shapes and the checks around them."""

import keras
import numpy as np
from keras import ops

from ssdn_keras import symmetries
from ssdn_keras.model import tiling
from ssdn_keras.noise.levels import absence_of_noise, limits_broken
from ssdn_keras.value_range import cast, from_network, span, to_network


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


def level_input(model, noise_level, count):
    """The "noise_level" input for `count` images from levels in the units of the experiment names, or None."""
    if noise_level is None or not model.algorithm.uses_noise_model:
        if model.algorithm.uses_noise_model and model.noise_parameter == "known" and model.noise.varying:
            way = ", or load the model with noise_parameter='maximum_likelihood'" if model.noise.can_be_sought else ""
            raise ValueError(f"the noise level varies and is not estimated: give noise_level ({model.noise.unit}){way}")
        return None
    if model.learnt:
        raise ValueError(f"this model estimates the noise itself ({model.noise_parameter}): leave noise_level out")
    return checked_levels(model.noise, noise_level, count)


def checked_levels(spec, noise_level, count):
    """Levels in the units of a `NoiseSpec` as parameters of the network, one per image: N, or N×2 for two numbers."""
    levels, shape = np.asarray(noise_level, "float32"), spec.parameter_shape
    if shape and levels.shape[-1:] != shape:
        raise ValueError(f"noise_level needs {spec.unit}: two numbers per image. Received: noise_level={noise_level!r}")
    levels = levels.reshape(-1, *shape)
    if len(levels) not in (1, count):
        raise ValueError(f"noise_level needs one value per image: {len(levels)} values for {count} images")
    levels = np.broadcast_to(levels, (count, *shape))
    if not np.isfinite(levels).all() or limits_broken(spec.model, levels, spec.span):
        raise ValueError(f"noise_level must be {spec.unit}, within its range. Received: noise_level={noise_level!r}")
    if broken := absence_of_noise(spec.model, levels):
        raise ValueError(f"noise_level must be {broken} ({spec.unit}). Received: noise_level={noise_level!r}")
    return levels / np.float32(spec.level_scale)


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


def check_finite(array):
    """Raise ValueError if an array of floats holds NaN or infinity."""
    if array.dtype.kind != "f":
        return
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"the image has {int(bad.sum())} values that are NaN or infinite, the first at index {where}; "
            "replace them before denoising"
        )


def _range_of(model, data_range):
    if data_range is None:
        return model.value_range
    if model.value_range is not None:
        raise ValueError(f"this model has a range of values of its own, {model.value_range}: leave data_range out")
    if not data_range > 0:
        raise ValueError(f"data_range must be positive. Received: data_range={data_range!r}")
    return (0.0, float(data_range))


def denoise_array(model, array, noise_level=None, data_range=None, return_std=False, memory=None, self_ensemble=False):
    """See `Denoiser.denoise`."""
    array = np.asarray(array)
    if array.dtype.kind not in "uf" and array.dtype not in (np.int8, np.int16):
        raise ValueError(f"expected integers of 8 or 16 bits, or floats, received an array of type {array.dtype}")
    value_range = _range_of(model, data_range)
    check_finite(array)
    images = _as_batch(model, array)
    if 0 in images.shape:
        raise ValueError(f"the image is empty: shape {array.shape}")
    check_std(model, return_std)
    parameters = model.level_input(noise_level, len(images))
    denoised = np.empty(images.shape, array.dtype)
    std = np.empty(images.shape, "float32") if return_std else None
    for index, values in enumerate(images):
        parameter = None if parameters is None else parameters[index : index + 1]
        results = (denoised[index], None if std is None else std[index])
        denoise = denoise_page_turned if self_ensemble else denoise_page
        denoise(model, values, *results, parameter=parameter, value_range=value_range, memory=memory)
    if data_range is not None and array.dtype.kind in "iu":
        denoised = np.clip(denoised, 0, data_range).astype(array.dtype)
    denoised = denoised.reshape(array.shape)
    return denoised if std is None else (denoised, std.reshape(array.shape))


def check_std(model, wanted):
    """Raise ValueError if the posterior standard deviation is wanted of a model that has none."""
    if wanted and not getattr(model.algorithm, "has_posterior", False):
        raise ValueError(f"{model.algorithm.name} has no posterior, so no standard deviation; ssdn has")


def denoise_page(
    model, values, denoised, std=None, parameter=None, value_range=None, memory=None, tile=None, progress=None
):
    """Denoise one image into arrays that are there already, in tiles where the memory asks for it.

    Args:
        model: a `Denoiser` or `ClassicalDenoiser`.
        values: H×W×C in the units of a file, perhaps memory-mapped; of the model's number of channels, or grey, which
            is repeated, and the mean of the results taken.
        denoised: for the result, of the same shape; any type.
        std: for the posterior standard deviation in the same units, or None.
        parameter: array of the parameter of one image in the network's units, or None.
        value_range: see `ssdn_keras.value_range`.
        memory, tile, progress: see `tiling.restore`.
    """

    grey = model.channels is not None and values.shape[-1] == 1 < model.channels

    def load(rotated, rows, columns):
        seen = to_network(np.ascontiguousarray(rotated[rows, columns]), value_range)[None]
        return np.repeat(seen, model.channels, axis=-1) if grey else seen

    def store(rows, columns, outputs):
        if grey:
            outputs = {
                name: outputs[name].mean(axis=-1, keepdims=True) for name in ("denoised", "std") if name in outputs
            }
        denoised[rows, columns] = from_network(outputs["denoised"], denoised.dtype, value_range, values.dtype)
        if std is not None:
            std[rows, columns] = outputs["std"] * np.float32(span(value_range, values.dtype))

    reserved = denoised.nbytes + (0 if std is None else std.nbytes)
    tiling.restore(model, values, load, store, parameter, memory, tile, progress, reserved)


def denoise_page_turned(model, values, denoised, std=None, progress=None, **options):
    """As `denoise_page`, the mean over rotations and reflections: eight times the time, two more arrays of float32."""
    total = np.zeros(values.shape, "float32")
    squares = None if std is None else np.zeros(values.shape, "float32")
    turns = len(symmetries.TURNS)
    for each in symmetries.TURNS:
        seen = symmetries.turn(values, *each)
        results = [np.empty(seen.shape, "float32") for _ in range(1 if std is None else 2)]
        part = None if progress is None else lambda pixels: progress(pixels / turns)
        denoise_page(model, seen, *results, progress=part, **options)
        total += symmetries.back(results[0], *each)
        if std is not None:
            squares += symmetries.back(results[1], *each) ** 2
    denoised[...] = cast(total / turns, denoised.dtype)
    if std is not None:
        std[...] = np.sqrt(squares / turns)
