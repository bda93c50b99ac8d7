"""The progress bar of a training."""

import sys
import time

import keras
from tqdm import tqdm

SHOWN = ("loss", "psnr", "noise_level", "gain", "read_noise")


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
            shown = {name: f"{float(logs[name]):.2f}" for name in SHOWN if name in logs}
            self.bar.set_postfix(shown, refresh=False)
        self.bar.update(min(self._minibatch, self._images - self.bar.n))
        if self._window and (batch + 1) % self._window == 0:
            self.model.reset_metrics()

    def on_train_end(self, logs=None):
        self.bar.close()
