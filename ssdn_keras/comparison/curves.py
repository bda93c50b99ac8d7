"""Both programs trained for long by the published schedule, validated as they go; resumable."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssdn_keras.atomic import write_atomically
from ssdn_keras.comparison.batches import batches
from ssdn_keras.comparison.steps import largest_difference
from ssdn_keras.evaluation import metrics, protocol
from ssdn_keras.interop.variables_file import read_variables, write_variables
from ssdn_keras.model.schedule import RampedLearningRate
from ssdn_keras.training.stopping import StopRequest

COLUMNS = ("images", "loss_ours", "loss_theirs", "val_psnr_ours", "val_psnr_theirs",
           "val_loss_ours", "val_loss_theirs", "weight_difference")  # fmt: skip


class LongTraining:
    """Trains both programs in turns, minibatch by minibatch.

    Args:
        port: `Port`.
        program: `OriginalProgram`.
        experiment: `Experiment`.
        validation: list of (index, name, clean uint8 H×W×C).
        folder: for curve.csv and the state from which an interrupted training goes on.
        settings: dict of what the training follows from; a folder of other settings is refused.
    """

    def __init__(self, port, program, experiment, validation, folder, settings):
        self._sides = {"ours": port, "theirs": program}
        self._experiment, self._folder, self._settings = experiment, Path(folder), settings
        self._tests = [
            (clean, protocol.corrupt(clean, port.noise, settings["seed"], index, 0)) for index, _, clean in validation
        ]
        self.rows, self._step = [], 0

    def _path(self, name):
        return self._folder / name

    def _restore(self):
        """Go on where the folder says, if there is one."""
        if not self._path("state.json").exists():
            return
        try:
            state = json.loads(self._path("state.json").read_text())
            step, settings = int(state["step"]), state["settings"]
            with open(self._path("curve.csv"), newline="") as file:
                rows = [
                    {name: int(value) if name == "images" else float(value) for name, value in row.items() if value}
                    for row in csv.DictReader(file)
                ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self._folder}: the state of the training is damaged ({error}); remove it") from None
        different = [name for name in self._settings if settings.get(name) != self._settings[name]]
        if different:
            raise ValueError(
                f"{self._folder}: holds a training with another {different[0]} ({settings.get(different[0])}); give "
                "another --output"
            )
        model, arrays = self._sides["ours"].model, read_variables(self._path(f"ours-{step}.npz"))
        for number, variable in enumerate([*model.weights, *model.optimizer.variables]):
            variable.assign(arrays[str(number)])
        self._sides["theirs"].load(self._path(f"theirs-{step}"))
        minibatch = self._settings["minibatch"]
        self._step, self.rows = step, [row for row in rows if row["images"] <= step * minibatch]

    def _save(self, step):
        model = self._sides["ours"].model
        variables = [*model.weights, *model.optimizer.variables]
        write_variables(self._path(f"ours-{step}.npz"), {str(i): np.array(v) for i, v in enumerate(variables)})
        self._sides["theirs"].save(self._path(f"theirs-{step}"))
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(self._path("curve.csv"), lambda path: Path(path).write_text(text.getvalue()))
        state = json.dumps({"step": step, "settings": self._settings}, indent=1)
        write_atomically(self._path("state.json"), lambda path: Path(path).write_text(state))
        for path in [*self._folder.glob("ours-*.npz"), *self._folder.glob("theirs-*")]:
            if path.name.split(".")[0] not in (f"ours-{step}", f"theirs-{step}"):
                path.unlink()

    def _validate(self):
        values = {}
        for name, side in self._sides.items():
            decibels, losses = [], []
            for clean, test_image in self._tests:
                noisy = test_image.squared()
                denoised = test_image.crop(side.restore(noisy, test_image.parameter)["denoised"])
                decibels.append(metrics.psnr(clean, metrics.to_uint8(denoised)))
                losses.append(np.mean(side.loss_map(noisy[None], [test_image.parameter])))
            values[f"val_psnr_{name}"] = float(np.mean(decibels))
            if self._experiment.algorithm in ("ssdn", "ssdn_mean"):  # the others' targets are not validated on
                values[f"val_loss_{name}"] = float(np.mean(losses))
        return values

    def run(self, source, images, validate_every, rate):
        """Train to the end; returns whether it was reached (Ctrl-C and SIGTERM stop it with its state saved)."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._restore()
        settings = self._settings
        minibatch, steps = settings["minibatch"], -(-images // settings["minibatch"])
        if self._step >= steps:
            return True
        rates = RampedLearningRate(rate, images, minibatch)
        request, losses = StopRequest(), {name: [] for name in self._sides}
        request.start()
        bar = tqdm(total=images, initial=min(self._step * minibatch, images), unit="image", desc="training both",
                   mininterval=0.5 if sys.stderr.isatty() else 15.0)  # fmt: skip
        feed = batches(source, self._experiment, crop=settings["crop"], minibatch=minibatch, steps=steps,
                       seed=settings["seed"], first_step=self._step)  # fmt: skip
        try:
            for step, batch in enumerate(feed, self._step + 1):
                for name, side in self._sides.items():
                    losses[name].append(side.train_on(rate=float(np.asarray(rates(step - 1))), **batch)[0])
                bar.update(min(minibatch, images - bar.n))
                seen = step * minibatch
                if step == steps or seen // validate_every > (seen - minibatch) // validate_every:
                    apart = largest_difference(*(side.variables() for side in self._sides.values()))
                    means = {f"loss_{name}": float(np.mean(values)) for name, values in losses.items()}
                    row = {"images": min(seen, images), **means, **self._validate(), "weight_difference": apart}
                    self.rows.append(row)
                    losses = {name: [] for name in self._sides}
                    bar.set_postfix({name: f"{row[f'val_psnr_{name}']:.2f} dB" for name in self._sides})
                    self._save(step)
                elif request.number is not None:
                    self._save(step)
                if request.number is not None:
                    return step == steps
        finally:
            request.finish()
            bar.close()
        return True
