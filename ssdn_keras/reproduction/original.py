"""Training the authors' program on the same crops, noise and learning rates as our networks."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssdn_keras.atomic import write_atomically
from ssdn_keras.data.pipeline import training_crops
from ssdn_keras.evaluation import metrics
from ssdn_keras.interop.original_program import OriginalProgram, check_checkout
from ssdn_keras.model.schedule import RampedLearningRate
from ssdn_keras.reproduction.results import read_curve
from ssdn_keras.training.metrics_file import MetricsFile
from ssdn_keras.training.stopping import StopRequest
from ssdn_keras.training.validation import Validation


class OriginalTraining:
    """The authors' program as a row of the comparison; see `reproduction.methods` for the contract.

    Args:
        row: `Row`.
        settings: `Reproduction`.
        folder: of the row.
        checkout: folder of the user's checkout.

    Raises:
        ValueError: there is no checkout, or the program cannot do what is asked for.
    """

    def __init__(self, row, settings, folder, checkout):
        if checkout is None:
            raise ValueError(f"the row {row.name} needs --original, the folder of a checkout of the authors' program")
        check_checkout(checkout)
        for name, published in (("freeze_noise", False), ("ema", None), ("optimizer", "adam"), ("filters", 48)):
            if getattr(settings, name) != published:
                raise ValueError(f"the row {row.name} cannot be trained with --{name}; leave it out of --rows")
        # Two processes share the GPU: neither may take all of its memory at the start.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        self._folder, self._settings, self._training = Path(folder), settings, settings.training(row)
        self._arguments = (checkout, settings.noise, row.noise_parameter, settings.channels, settings.seed)
        self.steps = self._training.steps

    def done(self):
        """Steps of the last checkpoint."""
        path = self._folder / "position.json"
        try:
            return int(json.loads(path.read_text())["step"]) if path.exists() else 0
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: damaged ({error}); remove the folder to train this row anew") from None

    def _checkpoint(self, step):
        return self._folder / f"variables-{step}"

    def _open(self):
        program = OriginalProgram(*self._arguments)
        if self.done():
            program.load(self._checkpoint(self.done()))
        return program

    def _save(self, program, step):
        program.save(self._checkpoint(step))
        text = json.dumps({"step": step}) + "\n"
        write_atomically(self._folder / "position.json", lambda temporary: Path(temporary).write_text(text))
        for path in self._folder.glob("variables-*"):
            if path.name.split(".")[0] != self._checkpoint(step).name:
                path.unlink()

    def train(self, on_step, source):
        """Train, or go on. A stop by Ctrl-C or SIGTERM writes a checkpoint first."""
        step = self.done()
        if step >= self.steps:
            return True
        program, request = self._open(), StopRequest()
        request.start()
        try:
            return self._train(program, source, step, on_step, request)
        except Exception as error:
            failure = getattr(source, "failure", None)
            if failure is None or failure is error:
                raise
            raise failure from None
        finally:
            request.finish()
            program.close()

    def _train(self, program, source, step, on_step, request):
        settings = self._training
        crops = training_crops(
            source, settings.noise, crop=settings.crop, minibatch=settings.minibatch, channels=settings.channels,
            start=step * settings.minibatch, count=(self.steps - step) * settings.minibatch, seed=settings.seed,
        )  # fmt: skip
        rates = RampedLearningRate(settings.learning_rate, settings.images, settings.minibatch)
        validation = Validation(settings.val_clean, program.noise, settings.channels, settings.val_images)
        records = MetricsFile(self._folder / "metrics.csv", step * settings.minibatch)
        seconds, began, losses, decibels = records.seconds, time.monotonic(), [], []
        bar = tqdm(total=self.steps, initial=step, unit="step", desc="training", leave=None,
                   mininterval=0.5 if sys.stderr.isatty() else 15.0)  # fmt: skip
        for x, y in crops.as_numpy_iterator():
            loss, denoised = program.train_on(x["noisy"], x["noise_level"], float(np.asarray(rates(step))))
            losses.append(loss)
            decibels += [metrics.float_psnr(clean, image) for clean, image in zip(y["clean"], denoised, strict=True)]
            step += 1
            bar.update()
            on_step()
            every, images = settings.validate_every, step * settings.minibatch
            if step == self.steps or (every and images // every > (images - settings.minibatch) // every):
                seconds += time.monotonic() - began
                values, _ = validation.run(program)
                row = {"images": min(images, settings.images), "loss": np.mean(losses), "psnr": np.mean(decibels)}
                records.append({**row, "seconds": round(seconds, 1), **values})
                self._save(program, step)
                losses, decibels, began = [], [], time.monotonic()
            elif request.number is not None:
                self._save(program, step)
            if request.number is not None:
                break
        bar.close()
        return request.number is None

    def open(self):
        """The program with its trained variables."""
        path = Path(f"{self._checkpoint(self.done())}.index")
        return self._open(), f"original {path.stat().st_mtime_ns}"

    def describe(self, outcome, denoiser):
        """Length, size and curve."""
        outcome.images_seen, outcome.parameters = self._training.images, denoiser.parameters
        outcome.curve = read_curve(self._folder / "metrics.csv")

    def stepper(self, source):
        """Steps on one minibatch."""
        settings = self._training
        crops = training_crops(source, settings.noise, crop=settings.crop, minibatch=settings.minibatch,
                               channels=settings.channels, count=settings.minibatch)  # fmt: skip
        x, _ = next(iter(crops.as_numpy_iterator()))
        program = OriginalProgram(*self._arguments)
        return lambda: program.train_on(x["noisy"], x["noise_level"], 1e-4)
