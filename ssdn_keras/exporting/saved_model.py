"""A TensorFlow SavedModel, which needs TensorFlow alone to run."""

import json
from pathlib import Path

import tensorflow as tf

from ssdn_keras.exporting.inference import Inference, default_level, takes_level
from ssdn_keras.noise.levels import level_limits

# Types of images with a range of values of their own, which go in as they are.
INTEGERS = (tf.uint8, tf.uint16, tf.int16)
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


def _checked_levels(spec, levels, images):
    """Levels as they came, after checks as in `Denoiser.denoise`."""
    low, high = level_limits(spec.model, spec.span)
    levels = tf.reshape(levels, (-1,))
    above = tf.greater(levels, low) if spec.kind == "poisson" else tf.greater_equal(levels, low)
    within = tf.reduce_all(above & (levels <= high) & tf.math.is_finite(levels))
    count = tf.size(levels)
    checks = [
        tf.debugging.Assert(within, [f"noise_level must be {spec.unit}, within its range. Received:", levels]),
        tf.debugging.Assert(
            (count == 1) | (count == images),
            ["noise_level needs one value per image. Received values and images:", count, images],
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(levels)


def _integer_types(model):
    """Integer types of images: uint8 where 255 is white, else those that reach the upper end of the model's range."""
    if model.value_range is None:
        return INTEGERS[:1]
    return tuple(dtype for dtype in INTEGERS if dtype.max >= model.value_range[1])


def _functions(model):
    """Functions of tensors and the specifications of their inputs, by signature name; the default one first."""
    inference, level = Inference(model), default_level(model)
    # What of an integer image's units makes 1 of `Inference`'s.
    white = 255.0 if model.value_range is None else 1.0
    extra = [tf.TensorSpec((None,), tf.float32, "noise_level")] if takes_level(model) else []

    def images(dtype):
        return tf.TensorSpec((None, None, None, model.channels), dtype, "noisy")

    # One graph of the network, which all signatures call.
    @tf.function(input_signature=[images(tf.float32), *extra], autograph=False)
    def network(noisy, noise_level=None):
        given = {} if noise_level is None else {"noise_level": noise_level}
        return inference({"noisy": noisy, **given})

    def with_levels(noisy, *level):
        return network(noisy, *(_checked_levels(model.noise, values, tf.shape(noisy)[0]) for values in level))

    def of_floats(noisy, *level):
        noisy = _checked_images(noisy, model.channels)
        return with_levels(tf.debugging.check_numerics(noisy, "noisy holds NaN or infinite values"), *level)

    def of_integers(noisy, *level):
        noisy = _checked_images(noisy, model.channels)
        outputs = with_levels(tf.cast(noisy, tf.float32) / white, *level)
        # In float64 and to even, as NumPy does it in `Denoiser.denoise`.
        rounded = tf.round(tf.cast(outputs["denoised"], tf.float64) * white)
        denoised = tf.cast(tf.clip_by_value(rounded, float(noisy.dtype.min), float(noisy.dtype.max)), noisy.dtype)
        rest = {name: value * white for name, value in outputs.items() if name != "denoised"}
        return {"denoised": denoised, **rest}

    functions = {"denoise_float": (of_floats, images(tf.float32))}
    functions.update({f"denoise_{dtype.name}": (of_integers, images(dtype)) for dtype in _integer_types(model)})
    found = {name: (function, [noisy, *extra]) for name, (function, noisy) in functions.items()}
    if level is None:
        return found

    def at_default(function):
        return lambda noisy: function(noisy, tf.constant([level], tf.float32))

    # A signature cannot have optional inputs: those who want the level that the model was made for call these.
    plain = {f"{name}_default_level": (at_default(call), [noisy]) for name, (call, noisy) in functions.items()}
    return plain | found


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
        record["noise_level"] = model.noise.unit
    description.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
