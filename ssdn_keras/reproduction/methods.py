"""How a row is trained, opened and timed: our networks, untrained denoisers, the authors' program. One contract.

- `steps`, `done()`: length of its training in minibatches, and how many an earlier run did
- `train(on_step, source)`: train on the open source, or go on; False if the user stopped it
- `open()`: (denoiser for the test protocol, text that changes when it changes)
- `describe(outcome, denoiser)`: fill in what is known of the training
- `stepper(source)`: function that makes one training step and waits for its end, or None
"""

import hashlib

import keras

from ssdn_keras.data.pipeline import training_crops
from ssdn_keras.model.classical import ClassicalDenoiser
from ssdn_keras.model.files import load
from ssdn_keras.reproduction.original import OriginalTraining
from ssdn_keras.reproduction.results import read_curve
from ssdn_keras.training.checkpoints import Checkpoints
from ssdn_keras.training.models import make_model
from ssdn_keras.training.run import CHECKPOINTS, train


class _StepCounter(keras.callbacks.Callback):
    def __init__(self, on_step):
        super().__init__()
        self._on_step = on_step

    def on_train_batch_end(self, batch, logs=None):
        self._on_step()


class UntrainedMethod:
    """A classical denoiser."""

    steps = 0

    def __init__(self, row, settings, folder):
        self._row, self._arguments = row, (row.algorithm, settings.noise, settings.channels)
        ClassicalDenoiser(*self._arguments)  # refuses what it cannot do before anything is trained

    def done(self):
        """No training."""
        return 0

    def train(self, on_step, source):
        """No training."""
        return True

    def open(self):
        """The denoiser and its name."""
        return ClassicalDenoiser(*self._arguments), self._row.name

    def describe(self, outcome, denoiser):
        """Nothing is known of a training."""

    def stepper(self, source):
        """No training."""
        return None


class TrainedMethod:
    """One of our networks."""

    def __init__(self, row, settings, folder):
        self._folder, self._settings = folder, settings.training(row)
        self.steps = self._settings.steps

    def done(self):
        """Steps of the last checkpoint; raises ValueError if it belongs to another training."""
        found = Checkpoints(self._folder / CHECKPOINTS, self._settings).newest()
        return found[1].position.step if found else 0

    def train(self, on_step, source):
        """Train, or go on."""
        if self.done() >= self.steps and (self._folder / "final.keras").exists():
            return True
        return train(self._settings, self._folder, [_StepCounter(on_step)], source).final is not None

    def open(self):
        """The trained model and the digest of its file."""
        path, precision = self._folder / "final.keras", self._settings.precision
        return load(path, precision), f"{precision} {hashlib.sha256(path.read_bytes()).hexdigest()}"

    def describe(self, outcome, denoiser):
        """Length, size and curve."""
        outcome.images_seen, outcome.parameters = self._settings.images, denoiser.count_params()
        outcome.curve = read_curve(self._folder / "metrics.csv")

    def stepper(self, source):
        """Steps on one minibatch."""
        settings = self._settings
        model = make_model(settings, resumed=True)
        crops = training_crops(
            source, settings.noise, crop=settings.crop, minibatch=settings.minibatch, channels=settings.channels,
            algorithm=settings.algorithm, count=settings.minibatch, length=settings.images,
        )  # fmt: skip
        x, y = ({name: value.numpy() for name, value in part.items()} for part in next(iter(crops)))
        return lambda: model.train_on_batch(x, y, return_dict=True)


def make_method(row, settings, folder, checkout=None):
    """The method of a row, in its folder.

    Raises:
        ValueError: it cannot be used: a package or the authors' program is missing, or the noise is of a wrong kind.
    """
    if row.algorithm == "original":
        return OriginalTraining(row, settings, folder, checkout)
    return (TrainedMethod if row.learned else UntrainedMethod)(row, settings, folder)
