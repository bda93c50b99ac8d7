"""A whole benchmark: the parts that were asked for, one after another."""

from dataclasses import asdict

import numpy as np

from ssdn_keras.benchmarking import device, input_pipeline
from ssdn_keras.benchmarking.inference import denoising
from ssdn_keras.benchmarking.measurement import rates, spread
from ssdn_keras.benchmarking.settings import COMPILERS, PRECISIONS
from ssdn_keras.benchmarking.training import training_step
from ssdn_keras.model.denoiser import Denoiser
from ssdn_keras.model.optimizers import make_optimizer
from ssdn_keras.reproduction.timing import machine
from ssdn_keras.version import __version__


def build(settings):
    """A compiled denoiser.

    Raises:
        ValueError: a setting that it cannot have.
    """
    model = Denoiser(
        noise=settings.noise, noise_parameter=settings.noise_parameter, channels=settings.channels,
        diagonal_covariance=settings.diagonal_covariance, blindspot_size=settings.blindspot_size,
        algorithm=settings.algorithm, filters=settings.filters, estimator_filters=settings.estimator_filters,
        mean_start=settings.mean_start, dtype=settings.precision,
    )  # fmt: skip
    model.compile(
        make_optimizer(settings.optimizer), jit_compile=COMPILERS[settings.xla],
        steps_per_execution=settings.steps_per_execution,
    )  # fmt: skip
    return model


def given_level(model):
    """The level of noise that a denoising needs to be told, or None."""
    known = model.algorithm.uses_noise_model and model.noise_parameter == "known"
    return np.mean(model.noise.levels, axis=0).tolist() if known and model.noise.levels else None


def run(settings, model):
    """All parts, with a model that `build` made; returns a dict of what `report.markdown` makes a page of."""
    results = {"version": __version__, "machine": machine(), "settings": asdict(settings)}
    on_processor, limits = not device.has_gpu(), None
    computes_in = PRECISIONS[settings.precision]
    if "device" in settings.parts:
        dtypes = dict.fromkeys(("float32", "bfloat16", computes_in))
        matrix = {dtype: rates(*device.matrix_rates(dtype), on_processor) for dtype in dtypes}
        results["device"] = {"matrix": matrix, "copy": rates(*device.copy_bandwidths(), on_processor)}
        limits = {**results["device"], "matrix": matrix[computes_in]}
    results["xla"] = "on" if model.jit_compile else "off"
    how_often = {"repeats": settings.repeats, "warm_up": settings.warm_up}
    if "inference" in settings.parts:
        height, width = settings.image
        measured = denoising(model, height, width, given_level(model), **how_often)
        results["inference"] = {"size": f"{width}×{height}", **measured.summary(on_processor, limits)}
    size = f"{settings.minibatch}×{settings.crop}×{settings.crop}"
    if "training" in settings.parts:
        # After the denoising: a step overwrites the weights, and may leave more memory behind.
        measured = training_step(
            model, settings.crop, settings.minibatch, settings.noise, steps=settings.steps, **how_often
        )
        results["training"] = {"size": size, **measured.summary(on_processor, limits)}
    if "input" in settings.parts and settings.train_clean:
        per_second = input_pipeline.minibatch_rates(
            settings.train_clean, settings.seconds, noise=settings.noise, crop=settings.crop,
            minibatch=settings.minibatch, channels=settings.channels, algorithm=settings.algorithm,
            freeze_noise=settings.freeze_noise,
        )  # fmt: skip
        results["input"] = {"size": size, "per_second": spread(per_second)}
    return results
