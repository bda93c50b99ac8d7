"""What happens beside the steps of a training: progress, records, validation, checkpoints, a clean stop."""

import csv
import io
import sys
import time
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from ssdn_keras.data.images import write_atomically
from ssdn_keras.training import checkpoint
from ssdn_keras.training.stopping import StopRequest

COLUMNS = (
    "images", "seconds", "loss", "psnr", "psnr_mean", "noise_level", "skipped_steps", "learning_rate",
    "val_psnr", "val_psnr_mean", "val_psnr_noisy", "val_noise_level",
)  # fmt: skip


def synchronise(model):
    """Bring the model's variables up to date (the JAX backend keeps them elsewhere during `fit`)."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


class Progress(keras.callbacks.Callback):
    """Progress bar with images/s, time left, loss and PSNR.

    Args:
        settings: `TrainSettings`.
        first_step: steps done before.
        window: forget metrics every so many steps, if nothing else does.
    """

    def __init__(self, settings, first_step, window=None):
        super().__init__()
        self._window = window
        self._minibatch, self._images, self._first = settings.minibatch, settings.images, first_step
        self._shown = -1.0

    def on_train_begin(self, logs=None):
        done = min(self._first * self._minibatch, self._images)
        interactive = sys.stderr.isatty()
        self.bar = tqdm(total=self._images, initial=done, unit="image", desc="training", dynamic_ncols=interactive,
                        mininterval=0.2 if interactive else 15.0, smoothing=0.05, leave=None)  # fmt: skip

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if now - self._shown > self.bar.mininterval:  # reading a value waits for the accelerator: seldom
            self._shown = now
            shown = {name: f"{float(logs[name]):.2f}" for name in ("loss", "psnr", "noise_level") if name in logs}
            self.bar.set_postfix(shown, refresh=False)
        self.bar.update(min(self._minibatch, self._images - self.bar.n))
        if self._window and (batch + 1) % self._window == 0:
            self.model.reset_metrics()

    def on_train_end(self, logs=None):
        self.bar.close()


class MetricsFile:
    """metrics.csv: a row per record; started again, rows past the checkpoint are dropped."""

    def __init__(self, path, images):
        self._path, self._rows = Path(path), []
        if self._path.exists():
            try:
                with open(self._path, newline="") as file:
                    self._rows = [row for row in csv.DictReader(file) if int(row["images"]) <= images]
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}: not a metrics.csv of ours ({error}); move it away") from None

    def append(self, row):
        """Add a row (a dict) and write the file."""
        self._rows = [old for old in self._rows if int(old["images"]) < row["images"]] + [row]
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self._path, lambda temporary: Path(temporary).write_text(text.getvalue()))

    @property
    def seconds(self):
        """Training time up to the last row."""
        return float(self._rows[-1]["seconds"]) if self._rows else 0.0


class Records(keras.callbacks.Callback):
    """Every so many images: training metrics, validation, metrics.csv, TensorBoard, checkpoint.

    Args:
        run_dir: folder of the run.
        settings: `TrainSettings`.
        first_step: steps done before.
        validation: `Validation` or `CropPanel`.
        data: fingerprint of the training images.
    """

    def __init__(self, run_dir, settings, first_step, validation, data=None):
        super().__init__()
        import tensorflow as tf

        self._run_dir, self._settings, self._step = Path(run_dir), settings, first_step
        self._validation, self._data, self._request = validation, data, StopRequest()
        self._file = MetricsFile(self._run_dir / "metrics.csv", first_step * settings.minibatch)
        self._seconds = self._file.seconds
        self._tf, self._writer = tf, tf.summary.create_file_writer(str(self._run_dir / "tensorboard"))

    def on_train_begin(self, logs=None):
        self._began = time.monotonic()
        self._request.start()

    @property
    def stopped(self):
        """The signal that ended the training early, or None."""
        return self._request.number

    def _crosses(self, every):
        images = self._step * self._settings.minibatch
        return every > 0 and images // every > (images - self._settings.minibatch) // every

    def on_train_batch_end(self, batch, logs=None):
        self._step += 1
        last = self._step >= self._settings.steps
        record = self._crosses(self._settings.validate_every) or last
        save = self._crosses(self._settings.checkpoint_every) or last or self.stopped is not None
        if record or save:
            synchronise(self.model)
            self._seconds += time.monotonic() - self._began
        if record:
            self._record(logs)
        if save:
            checkpoint.save(self._run_dir / "checkpoint.npz", self.model, self._settings, self._step, self._data)
        if record or save:
            self._began = time.monotonic()
        if self.stopped is not None:
            self.model.stop_training = True

    def _record(self, logs):
        row = {name: float(value) for name, value in logs.items()}
        row["images"] = min(self._step * self._settings.minibatch, self._settings.images)
        row["seconds"] = round(self._seconds, 1)
        row["learning_rate"] = float(np.array(self.model.optimizer.learning_rate))
        panel = None
        if self._validation is not None:
            values, panel = self._validation.run(self.model)
            row.update(values)
        self.model.reset_metrics()
        self._file.append(row)
        try:
            self._write_tensorboard(row, panel)
        except self._tf.errors.OpError as error:
            raise OSError(f"{self._run_dir / 'tensorboard'}: {error.message}") from None

    def _write_tensorboard(self, row, panel):
        with self._writer.as_default(step=row["images"]):
            for name, value in row.items():
                if name not in ("images", "seconds"):
                    self._tf.summary.scalar(name, value)
            if panel is not None:
                self._tf.summary.image("images", panel[None])
        self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()
        self._request.finish()
