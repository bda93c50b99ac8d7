"""A whole training: from settings to final.keras, resumable at every checkpoint."""

import contextlib
import dataclasses
from pathlib import Path
from typing import NamedTuple

from ssdn_keras.algorithms import ALGORITHMS
from ssdn_keras.atomic import write_atomically
from ssdn_keras.data import black_level, measured_clipping, measured_range
from ssdn_keras.data.pipeline import training_crops
from ssdn_keras.data.sources import open_source, tell
from ssdn_keras.noise import parse_noise
from ssdn_keras.training import checkpoint, environment
from ssdn_keras.training.checkpoint import Position
from ssdn_keras.training.checkpoints import Checkpoints
from ssdn_keras.training.models import make_model, save_model
from ssdn_keras.training.progress import Progress
from ssdn_keras.training.records import Records
from ssdn_keras.training.replicas import make_replicas
from ssdn_keras.training.run_folder import History, locked
from ssdn_keras.training.together import StopTogether
from ssdn_keras.training.validation import CropPanel, Validation
from ssdn_keras.value_range import span

CHECKPOINTS = "checkpoints"
# A training that goes bad again and again is not saved by a still lower rate.
MOST_RETURNS = 5


class Outcome(NamedTuple):
    """How a training ended.

    Attributes:
        final: path of final.keras, or None if the training was interrupted (a checkpoint is written then).
        signal: number of the signal that interrupted it, or None.
    """

    final: Path | None
    signal: int | None = None


def train(settings, run_dir, callbacks=(), source=None):
    """Train, or go on training, in `run_dir`.

    Args:
        settings: `TrainSettings`.
        run_dir: folder for flags.cfg, run.json, metrics.csv, tensorboard, checkpoints, best.keras and final.keras.
            Several workers must see the same folder.
        callbacks: Keras callbacks beside our own.
        source: the training images, if they are open already.

    Returns:
        `Outcome`.

    Raises:
        ValueError, OSError: data, devices or folder cannot be used; a worker was lost; or the training went bad more
            often than can be mended.
    """
    replicas = make_replicas(settings.strategy, settings.devices)
    replicas.check_minibatch(settings.minibatch)
    with locked(run_dir) if replicas.chief else contextlib.nullcontext():
        return _Training(settings, Path(run_dir), callbacks, source, replicas).run()


class _Training:
    def __init__(self, settings, run_dir, callbacks, source, replicas):
        self._settings, self._run_dir, self._callbacks, self._replicas = settings, run_dir, callbacks, replicas
        images = settings.train_clean or settings.train_noisy
        self._source = source or open_source(images, settings.channels, smallest=settings.crop)
        self._value_range = measured_range.resolve(settings.value_range, self._source)
        noise, noisy = parse_noise(settings.noise, span(self._value_range)), settings.train_clean is None
        posterior = ALGORITHMS[settings.algorithm].uses_noise_model
        for clips, setting, part in (
            (settings.clip_noise, "--clip_noise", "--clip_noise"),
            (noise.is_clipped and not noisy, f"--noise={settings.noise}", "-clipped"),
        ):
            if clips:
                measured_clipping.check_eight_bits(self._source, setting, f"leave {part} out", self._value_range)
        self._clipped = measured_clipping.resolve(settings.clipped, self._source, noise, noisy, posterior)
        if noisy and posterior:
            black_level.check(self._source, self._value_range, noise)
        self._checkpoints = Checkpoints(run_dir / CHECKPOINTS, settings, self._source.fingerprint)
        if replicas.chief:
            StopTogether.forget(run_dir)

    def run(self):
        settings, replicas = self._settings, self._replicas
        position, state = self._make_model(self._checkpoints.newest())
        replicas.agree({"step": position.step, "settings": settings.as_flags(), "images": self._source.fingerprint})
        validation, returns = None, 0
        if settings.val_clean and replicas.chief:
            validation = Validation(
                settings.val_clean, self._model.noise, settings.channels, settings.val_images, self._value_range
            )
        if position.step >= settings.steps and settings.ema is not None:
            self._model.optimizer.finalize_variable_values(self._model.trainable_variables)
        while position.step < settings.steps:
            records = self._fit(position, state, validation)
            position = records.position
            if records.trouble.too_much:
                returns += 1
                position, state = self._go_back(position, returns)
            elif records.stopped is not None and position.step < settings.steps:
                replicas.meet()
                return Outcome(None, records.stopped)
        final = self._run_dir / "final.keras"
        if replicas.chief:
            save_model(self._model, final)
        replicas.meet()
        return Outcome(final)

    def _make_model(self, found, rate_factor=None):
        """Make the model, or restore it from a checkpoint (path, `State`); returns `Position` and `State`."""
        path, state = found or (None, None)
        position = state.position if state else Position()
        if rate_factor is not None:
            position = dataclasses.replace(position, rate_factor=rate_factor)
        with self._replicas.scope():
            self._model = make_model(
                self._settings, state is not None, self._replicas.compiler, rate_factor=position.rate_factor,
                value_range=self._value_range, clipped=self._clipped,
            )  # fmt: skip
            if state is not None:
                checkpoint.apply(state, self._model, path)
        return position, state

    def _crops(self, step):
        settings, replicas = self._settings, self._replicas
        return training_crops(
            self._source,
            self._model.noise,
            add_noise=settings.train_clean is not None,
            crop=settings.crop,
            minibatch=settings.minibatch,
            channels=settings.channels,
            algorithm=settings.algorithm,
            start=step * settings.minibatch,
            count=(settings.steps - step) * settings.minibatch,
            seed=settings.seed,
            freeze_noise=settings.freeze_noise,
            clip_noise=settings.clip_noise,
            length=settings.images,
            n2v_box=settings.n2v_box,
            n2v_percentage=settings.n2v_percentage,
            n2v_neighbourhood=settings.n2v_neighbourhood,
            worker=replicas.worker,
            workers=replicas.workers,
            value_range=self._value_range,
            augment=settings.augment,
        )

    def _fit(self, position, state, validation):
        """Train from a position until the end, a signal or trouble; returns the `Records`."""
        settings, replicas = self._settings, self._replicas
        try:
            panel = validation or (CropPanel(self._crops(position.step)) if replicas.chief else None)
            if replicas.chief:
                self._describe(position)
            records = Records(
                self._run_dir, settings, position, state, self._checkpoints, panel, replicas, self._source.fingerprint,
                self._model.noise.level_names,
            )  # fmt: skip
            shown = [Progress(settings, position.step)] if replicas.chief else []
            self._model.fit(
                replicas.distribute(lambda: self._crops(position.step)),
                steps_per_epoch=settings.steps - position.step,
                verbose=0,
                callbacks=[*shown, records, *self._callbacks],
            )
        except Exception as error:
            failure = getattr(self._source, "failure", None)
            clearer = failure if failure is not None else replicas.translate(error)
            if clearer is None or clearer is error:
                raise
            raise clearer from None
        return records

    def _describe(self, position):
        flags = self._settings.as_flags()
        write_atomically(self._run_dir / "flags.cfg", lambda temporary: Path(temporary).write_text(flags))
        History(self._run_dir).add(
            step=position.step,
            rate_factor=position.rate_factor,
            replicas=self._replicas.description,
            data={
                "images": len(self._source),
                "fingerprint": self._source.fingerprint,
                "value_range": self._value_range,
                "clipped": self._clipped,
            },
            **environment.describe(),
        )

    def _go_back(self, position, returns):
        """Restore the last good checkpoint with half the learning rate; returns `Position` and `State`."""
        if returns > MOST_RETURNS:
            raise ValueError(
                f"{self._run_dir}: the training went bad {returns} times, although its learning rate was halved each "
                f"time; lower --learning_rate (it was {self._settings.learning_rate:g}) or look at the images"
            )
        found = self._checkpoints.newest_good()
        new, state = self._make_model(found, position.rate_factor / 2)
        if self._replicas.chief:
            tell(
                f"{position.bad_steps} steps in a row had no finite gradient: back to step {new.step}, learning rate "
                f"times {new.rate_factor:g} from here on"
            )
            self._checkpoints.forget_after(new.step)
        return new, state
