"""A TensorFlow SavedModel, which needs TensorFlow alone to run."""

import json
from pathlib import Path

import tensorflow as tf

from ssdn_keras.exporting.inference import Inference, default_level, takes_level

WHITE = 255.0
# TensorFlow's folder for files that travel with a model and that it does not read itself.
DESCRIPTION = Path("assets.extra", "denoiser.json")


def _checked_images(noisy, channels):
    """Images as they came, after checks that run whenever the model does.

    TensorFlow does not compare what a signature is given with its shape, and ends the whole process when a convolution
    meets an image without a batch dimension.
    """
    # Hides the shape of the signature, by which TensorFlow would take the checks for granted and leave them out.
    free = tf.raw_ops.PlaceholderWithDefault(input=noisy, shape=tf.TensorShape(None))
    shape = tf.shape(free)
    fits = tf.equal(tf.size(shape), 4) & tf.reduce_all(shape[-1:] == channels) & tf.reduce_all(shape > 0)
    message = f"noisy must be N×H×W×{channels} with at least one pixel. Received shape:"
    with tf.control_dependencies([tf.debugging.Assert(fits, [message, shape], summarize=8)]):
        return tf.ensure_shape(free, (None, None, None, channels))


def _checked_levels(kind, levels, images):
    """Levels as they came, after checks as in `Denoiser.denoise`."""
    low, high = kind.level_range
    levels = tf.reshape(levels, (-1,))
    above = tf.greater(levels, low) if kind.name == "poisson" else tf.greater_equal(levels, low)
    within = tf.reduce_all(above & (levels <= high) & tf.math.is_finite(levels))
    count = tf.size(levels)
    checks = [
        tf.debugging.Assert(within, [f"noise_level must be {kind.unit}, within its range. Received:", levels]),
        tf.debugging.Assert(
            (count == 1) | (count == images),
            ["noise_level needs one value per image. Received values and images:", count, images],
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(levels)


def _functions(model):
    """Functions of tensors and the specifications of their inputs, by signature name; the default one first."""
    inference, kind, level = Inference(model), model.noise.model, default_level(model)
    shape, levels = (None, None, None, model.channels), tf.TensorSpec((None,), tf.float32, "noise_level")
    floats, integers = tf.TensorSpec(shape, tf.float32, "noisy"), tf.TensorSpec(shape, tf.uint8, "noisy")
    extra = [levels] if takes_level(model) else []

    # One graph of the network, which all signatures call.
    @tf.function(input_signature=[floats, *extra], autograph=False)
    def network(noisy, noise_level=None):
        given = {} if noise_level is None else {"noise_level": noise_level}
        return inference({"noisy": noisy, **given})

    def of_unit_range(noisy, *level):
        return network(noisy, *(_checked_levels(kind, values, tf.shape(noisy)[0]) for values in level))

    def of_floats(noisy, *level):
        noisy = _checked_images(noisy, model.channels)
        return of_unit_range(tf.debugging.check_numerics(noisy, "noisy holds NaN or infinite values"), *level)

    def of_integers(noisy, *level):
        noisy = _checked_images(noisy, model.channels)
        outputs = of_unit_range(tf.cast(noisy, tf.float32) / WHITE, *level)
        # In float64 and to even, as NumPy does it in `Denoiser.denoise`.
        grey = tf.round(tf.cast(outputs["denoised"], tf.float64) * WHITE)
        denoised = tf.cast(tf.clip_by_value(grey, 0.0, WHITE), tf.uint8)
        rest = {name: value * WHITE for name, value in outputs.items() if name != "denoised"}
        return {"denoised": denoised, **rest}

    found = {"denoise_float": (of_floats, [floats, *extra]), "denoise_uint8": (of_integers, [integers, *extra])}
    if level is None:
        return found

    def at_default(function):
        return lambda noisy: function(noisy, tf.constant([level], tf.float32))

    # A signature cannot have optional inputs: those who want the level that the model was made for call these.
    return {
        "denoise_float_default_level": (at_default(of_floats), [floats]),
        "denoise_uint8_default_level": (at_default(of_integers), [integers]),
        **found,
    }


def write(model, folder):
    """Write the SavedModel of a `Denoiser` into a folder, which is made.

    Not by Keras's `ExportArchive`: that keeps every weight twice.
    """
    signatures = {
        name: tf.function(function, input_signature=inputs, autograph=False).get_concrete_function()
        for name, (function, inputs) in _functions(model).items()
    }
    module = tf.Module()
    module.weights = [variable.value for variable in model.weights]
    default = next(iter(signatures.values()))
    tf.saved_model.save(module, str(folder), signatures={"serving_default": default, **signatures})
    description = Path(folder, DESCRIPTION)
    description.parent.mkdir(exist_ok=True)
    record = {"config": model.get_config()}
    if takes_level(model):
        record["noise_level"] = model.noise.model.unit
    description.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
