"""The whole comparison: every experiment in turn, results written after each."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
from tqdm import tqdm

from ssdn_keras.comparison import curves, output, steps
from ssdn_keras.comparison.images import ImageComparison, readable_images
from ssdn_keras.comparison.port import Port
from ssdn_keras.data.sources import open_source
from ssdn_keras.interop.original_program import OriginalProgram
from ssdn_keras.model.upsampled import published_order


@dataclass(frozen=True)
class Settings:
    """What a comparison follows from.

    Attributes:
        checkout: folder of the user's checkout of the authors' program.
        images: folder of clean images that noise is added to.
        train_clean: clean training images.
        limit: compare on so many images.
        pictures: show so many of them per experiment.
        train_steps: steps at a constant rate, or 0.
        train_images: images of a whole training by the published schedule, or 0.
        validate_every: images between the points of its curves.
        crop, minibatch, rate: of both trainings.
        seed: of fresh weights, crops and noise.
    """

    checkout: str
    images: str
    train_clean: str
    limit: int | None = None
    pictures: int = 4
    train_steps: int = 0
    train_images: int = 0
    validate_every: int = 1000
    crop: int = 64
    minibatch: int = 4
    rate: float = 3e-4
    seed: int = 0


class Interrupted(Exception):
    """A training was stopped by the user; its state is saved."""


def _open(subject, settings, scattered):
    """(`Port`, `OriginalProgram`) with the same weights."""
    experiment = subject.experiment
    port = Port(subject.denoiser(settings.seed, scattered))
    program = OriginalProgram(
        settings.checkout, experiment.noise, experiment.noise_parameter, experiment.channels, settings.seed,
        algorithm=experiment.algorithm, diagonal_covariance=experiment.diagonal_covariance,
    )  # fmt: skip
    try:
        _give_weights(program, port.variables(), settings.checkout)
    except BaseException:
        program.close()
        raise
    return port, program


def _give_weights(program, arrays, checkout):
    """Set the program's weights from ours by name."""
    theirs = program.variables()
    if set(arrays) != set(theirs):
        name = sorted(set(arrays) ^ set(theirs))[0]
        raise ValueError(f"{checkout}: its network has other variables than the published one ({name})")
    program.load_variables({name: value.reshape(theirs[name].shape) for name, value in arrays.items()})


def compare(subjects, settings, out):
    """Compare every subject and write what was found to the folder `out`.

    Returns:
        list of sentences on what lies farther apart than it should.

    Raises:
        ValueError, OSError: a file or folder is not what it should be.
        Interrupted: the user stopped a long training.
    """
    # Two processes share the GPU: neither may take all of its memory at the start.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    report = output.Report(Path(out), settings)
    bar = tqdm(subjects, unit="experiment", disable=len(subjects) == 1, mininterval=0.5 if sys.stderr.isatty() else 15)
    for subject in bar:
        bar.set_postfix_str(subject.experiment.name)
        with published_order():  # what parts the programs is then not the order of sums, which is known
            _compare_one(subject, settings, Path(out), report)
        report.write()
        keras.utils.clear_session(free_memory=True)  # or the memory of each would count for the next
    return report.misses()


def _compare_one(subject, settings, out, report):
    experiment = subject.experiment
    images = readable_images(Path(settings.images), experiment.channels, settings.limit)
    trains = settings.train_steps or settings.train_images
    source = open_source(settings.train_clean, experiment.channels, smallest=settings.crop) if trains else None
    port, program = _open(subject, settings, scattered=True)
    try:
        comparison = ImageComparison(port, program, experiment, settings.seed)
        bar = tqdm(images, unit="image", desc=experiment.name, delay=2, leave=False,
                   mininterval=0.5 if sys.stderr.isatty() else 15)  # fmt: skip
        for number, image in enumerate(bar):
            row, pictures = comparison.compare(*image)
            report.add_image(subject, row, pictures if number < settings.pictures else None)
        if settings.train_steps:
            twin = Port(subject.denoiser(settings.seed, scattered=False))
            port.load_variables(twin.variables())
            _give_weights(program, twin.variables(), settings.checkout)
            found = steps.train_steps(
                port, program, twin, source, experiment, steps=settings.train_steps, crop=settings.crop,
                minibatch=settings.minibatch, rate=settings.rate, seed=settings.seed,
            )  # fmt: skip
            report.add_steps(experiment, *found)
    finally:
        program.close()
    if settings.train_images:
        report.add_curve(experiment, _train_long(subject, settings, images, source, out))


def _train_long(subject, settings, images, source, out):
    port, program = _open(subject, settings, scattered=False)
    record = {
        "experiment": subject.experiment.name, "weights": subject.weights, "images": settings.train_images,
        "crop": settings.crop, "minibatch": settings.minibatch, "rate": settings.rate, "seed": settings.seed,
    }  # fmt: skip
    try:
        training = curves.LongTraining(
            port, program, subject.experiment, images, out / "training" / subject.experiment.name, record
        )
        if not training.run(source, settings.train_images, settings.validate_every, settings.rate):
            raise Interrupted("interrupted while both were being trained")
        return training.rows
    finally:
        program.close()
