"""Models for trainings: made from settings, started from others, saved."""

import keras
import numpy as np

from ssdn_keras.atomic import write_atomically
from ssdn_keras.model.denoiser import Denoiser
from ssdn_keras.model.files import load
from ssdn_keras.model.optimizers import make_optimizer


def make_model(settings, resumed=False, compiler="auto", rate_factor=1.0, value_range=None, clipped=None):
    """A fresh, compiled model, or one with the weights of `settings.init` unless it is about to be restored.

    Args:
        settings: `TrainSettings`.
        resumed: whether a checkpoint will be restored.
        compiler: see `Denoiser.compile`, `jit_compile`.
        rate_factor: multiplies the learning rate.
        value_range: of the training images, see `ssdn_keras.data.measured_range`.
        clipped: values at which they were clipped, and perhaps a step, see `ssdn_keras.data.measured_clipping`.
    """
    keras.utils.set_random_seed(settings.seed)
    model = Denoiser(
        noise=settings.noise,
        noise_parameter=settings.noise_parameter,
        channels=settings.channels,
        diagonal_covariance=settings.diagonal_covariance,
        blindspot_size=settings.blindspot_size,
        algorithm=settings.algorithm,
        value_range=value_range,
        clipped=clipped,
        filters=settings.filters,
        estimator_filters=settings.estimator_filters,
        mean_start=settings.mean_start,
        dtype=settings.precision,
        name="denoiser",
    )
    if not resumed:
        if _has_a_start(settings, model):
            model.start_at(np.mean(model.noise.levels, axis=0))
        if settings.init:
            copy_weights(load(settings.init), model, settings.init)
    model.compile(
        make_optimizer(
            settings.optimizer,
            ema=settings.ema,
            rate=settings.learning_rate * rate_factor,
            images=settings.images,
            minibatch=settings.minibatch,
            ramp_up=settings.ramp_up,
            ramp_down=settings.ramp_down,
        ),
        jit_compile=compiler,
    )
    return model


def _has_a_start(settings, model):
    """Whether an estimate starts at the level that is named, or in the middle of its range: of noise that nobody adds.

    The published models start at r = 0. Two numbers at once would take far too long from there, or get lost: what one
    of them lacks the other and the prior's variance can stand for.
    """
    starts = getattr(model.noise.model, "starts_at_level", False) and model.learnt
    return bool(starts and settings.train_noisy and model.noise.levels is not None)


# Settings that a model may have otherwise than the one that it starts from.
_FREE = ("name", "dtype", "version", "noise", "noise_range", "noise_parameter", "value_range", "clipped")


def copy_weights(source, target, name):
    """Start `target` from a trained model of the same network; noise, ranges and clipping may differ.

    The network says what clean pixels may be, which does not depend on the noise; what estimates a parameter is taken
    over only if it estimates the same.
    """
    same_estimate = source.noise_parameter == target.noise_parameter and source.noise.kind == target.noise.kind
    ours, theirs = target.get_config(), source.get_config()
    free = _FREE if same_estimate and source.estimator else (*_FREE, "estimator_filters")
    different = [
        f"{key} is {theirs[key]!r}, not {ours[key]!r}" for key in ours if key not in free and ours[key] != theirs[key]
    ]
    if different:
        raise ValueError(f"{name}: cannot start from this model: {'; '.join(different)}")
    if same_estimate:
        target.set_weights(source.get_weights())
    else:
        target.network.set_weights(source.network.get_weights())


def save_model(model, path):
    """Write the model without its optimiser, in float32, whole or not at all."""
    write_atomically(path, plain_copy(model).save)


def plain_copy(model):
    """The same model in float32, without optimiser."""
    plain = Denoiser.from_config({**model.get_config(), "dtype": "float32"})
    plain.set_weights(model.get_weights())
    return plain


def synchronise(model):
    """Bring the model's variables up to date (the JAX backend keeps them elsewhere during `fit`)."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def measured(model):
    """Values of the metrics that have seen something: what `fit` would log."""
    used = [m for m in model.metrics if not (isinstance(m, keras.metrics.Mean) and float(m.count) == 0)]
    return {metric.name: metric.result() for metric in used}
