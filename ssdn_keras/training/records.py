"""What happens beside the steps of a training: records, validation, checkpoints, a clean stop, a way back."""

import dataclasses
import os
import signal
import sys
import threading
import time
from pathlib import Path

import keras
import numpy as np

from ssdn_keras.data.sources import tell
from ssdn_keras.noise.parameters import ONE
from ssdn_keras.training import checkpoint
from ssdn_keras.training.metrics_file import MetricsFile
from ssdn_keras.training.models import measured, save_model, synchronise
from ssdn_keras.training.stopping import StopRequest
from ssdn_keras.training.tensorboard import TensorBoardFiles
from ssdn_keras.training.together import StopTogether
from ssdn_keras.training.trouble import Trouble

# After a step that took longer its result is kept at hand for a SIGTERM that comes in the middle of the next.
SLOW_STEP = 1.0


class Records(keras.callbacks.Callback):
    """Every so many images: training metrics, validation, metrics.csv, TensorBoard, checkpoint.

    Args:
        run_dir: folder of the run.
        settings: `TrainSettings`.
        position: `Position` that the training starts from.
        state: `State` that it was restored from, or None.
        checkpoints: `Checkpoints` of the run.
        validation: `Validation` or `CropPanel`.
        replicas: on which the training runs; see `ssdn_keras.training.replicas`.
        data: fingerprint of the training images.
        level_names: see `NoiseSpec`.

    Attributes:
        position: where the training stands.
        stopped: the signal that ended the training early, or None.
        trouble: `Trouble`; says whether the training has to go back.
    """

    def __init__(
        self, run_dir, settings, position, state, checkpoints, validation, replicas, data=None, level_names=ONE
    ):
        super().__init__()
        self._run_dir, self._settings, self.position, self._state = Path(run_dir), settings, position, state
        self._checkpoints, self._validation, self._replicas, self._data = checkpoints, validation, replicas, data
        self._request = StopRequest(self._emergency)
        self._together = StopTogether(run_dir, replicas)
        self.trouble = Trouble(settings.max_bad_steps, position.bad_steps)
        images = position.step * settings.minibatch
        self._file = MetricsFile(self._run_dir / "metrics.csv", images, level_names)
        self._tensorboard = TensorBoardFiles(self._run_dir / "tensorboard", images) if replicas.chief else None
        self._seconds, self._at_hand, self._writing, self._unwritten = self._file.seconds, None, threading.Lock(), None
        self.stopped = None

    def on_train_begin(self, logs=None):
        self._request.start()

    def on_epoch_begin(self, epoch, logs=None):
        if self._state is not None:  # Keras has just reset the metrics
            checkpoint.apply_metrics(self._state, self.model)
        self.trouble.begin(float(np.array(self.model.skipped_steps.count)))
        self._began = self._last = time.monotonic()
        if not self.position.recorded:  # stopped between a step and its record
            self._record(measured(self.model))
            self._began = self._last = time.monotonic()

    @property
    def _step(self):
        return self.position.step

    def _crosses(self, every):
        images = self._step * self._settings.minibatch
        return every > 0 and images // every > (images - self._settings.minibatch) // every

    def on_train_batch_end(self, batch, logs=None):
        slow = time.monotonic() - self._last > SLOW_STEP
        bad_steps = self.trouble.after_step(logs)
        self.position = dataclasses.replace(self.position, step=self._step + 1, bad_steps=bad_steps)
        last = self._step >= self._settings.steps
        stop = self._together.due(self._step, self._request.number)
        record = self._crosses(self._settings.validate_every) or last
        save = self._crosses(self._settings.checkpoint_every) or last or stop
        if record or save or slow:
            synchronise(self.model)
        if (record or slow) and self._replicas.workers == 1:
            self._keep_at_hand(recorded=not record)
        if record or save:
            self._seconds += time.monotonic() - self._began
        if record:
            self._record(logs)
        if save and not self.trouble.too_much:
            self._save(must=last or stop)
        if record or save:
            self._began = time.monotonic()
        self._last = time.monotonic()
        if stop:
            self.stopped = self._request.number or signal.SIGTERM
        if stop or self.trouble.too_much:
            self.model.stop_training = True

    def _keep_at_hand(self, recorded):
        position = dataclasses.replace(self.position, recorded=recorded)
        self._at_hand = checkpoint.capture(self.model, self._settings, position, self._data)

    def _save(self, must):
        state = checkpoint.capture(self.model, self._settings, self.position, self._data)  # all workers take part
        if self._replicas.chief:
            self._attempt(lambda: self._write_checkpoint(state), must)

    def _write_checkpoint(self, state):
        with self._writing:
            self._checkpoints.write(state)

    def _attempt(self, write, must=False):
        """Write something; a disk that is full for a while does not end the training, unless the file is the last."""
        try:
            write()
            self._unwritten = None
        except OSError as error:
            if must:
                raise
            what = f"{error.filename or self._run_dir}: {error.strerror or error}"
            if self._unwritten is None:
                tell(f"could not write, the training goes on and tries again later ({what})")
            self._unwritten = what

    def _emergency(self):
        """SIGTERM came, and the training does not get to the end of its step: what is at hand must do."""
        written = ""
        with self._writing:
            if self._at_hand is not None:
                self._checkpoints.write(self._at_hand)
                written = f", checkpoint of step {self._at_hand.position.step} written"
        print(f"\nSIGTERM in the middle of a step{written}; start again to go on", file=sys.stderr, flush=True)
        os._exit(128 + signal.SIGTERM)

    def _record(self, logs):
        row = {name: float(value) for name, value in logs.items()}
        row["images"] = min(self._step * self._settings.minibatch, self._settings.images)
        row["seconds"] = round(self._seconds, 1)
        row["learning_rate"] = float(np.array(self.model.optimizer.learning_rate))
        if self._replicas.chief:
            panel = None
            if self._validation is not None:
                values, panel = self._validation.run(self._replicas.on_one_device(self.model))
                row.update(values)
            self._attempt(lambda: self._file.append(row))
            self._attempt(lambda: self._tensorboard.write(row, panel))
        self.position = dataclasses.replace(self.position, recorded=True)
        self.model.reset_metrics()
        psnr, best = row.get("val_psnr"), self.position.best_psnr
        if psnr is not None and (best is None or psnr > best):
            self.position = dataclasses.replace(self.position, best_psnr=psnr)
            self._attempt(self._write_best)

    def _write_best(self):
        save_model(self.model, self._run_dir / "best.keras")
        if self._replicas.workers == 1:
            state = checkpoint.capture(self.model, self._settings, self.position, self._data)
            self._checkpoints.write_best(state)

    def on_train_end(self, logs=None):
        if self._tensorboard is not None:
            self._tensorboard.close()
        self._request.finish()
