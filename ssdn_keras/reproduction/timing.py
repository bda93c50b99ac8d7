"""Training time per image of every learned method, measured in turns on the same machine."""

import json
import os
import platform
import time
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from ssdn_keras.data.images import write_atomically
from ssdn_keras.data.pipeline import training_crops
from ssdn_keras.training.run import make_model

FILE = "timing.json"
WARM_UP, ROUNDS, STEPS = 3, 5, 4


def machine():
    """The machine in a few words: processors, backend and its device."""
    devices = {"jax": _jax_devices, "tensorflow": _tensorflow_devices}.get(keras.backend.backend(), lambda: "")()
    return f"{os.cpu_count()} processors ({platform.machine()}), {keras.backend.backend()}{devices}"


def _jax_devices():
    import jax

    return f", {jax.devices()[0].device_kind}"


def _tensorflow_devices():
    import tensorflow as tf

    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
             for gpu in tf.config.list_physical_devices("GPU")]  # fmt: skip
    return f", {len(names)} × {names[0]}" if names else ", no GPU"


def seconds_per_image(settings_by_row, source):
    """Median seconds of a training step, per image, of every row.

    The rows take turns (A B C, A B C, …), so that a machine that is busier at one time than at another, or a training
    that was cut off, does not favour any of them.

    Args:
        settings_by_row: dict of row name to `TrainSettings`.
        source: training images.

    Returns:
        dict of row name to list of seconds per image, one per round.
    """
    steppers = {}
    for name, settings in tqdm(settings_by_row.items(), desc="preparing to time", unit="row", leave=False):
        model = make_model(settings, resumed=True)
        crops = training_crops(
            source, settings.noise, crop=settings.crop, minibatch=settings.minibatch, channels=settings.channels,
            algorithm=settings.algorithm, count=settings.minibatch, length=settings.images,
        )  # fmt: skip
        x, y = next(iter(crops))
        x, y = ({key: value.numpy() for key, value in part.items()} for part in (x, y))
        for _ in range(WARM_UP):
            model.train_on_batch(x, y)
        steppers[name] = (model, x, y, settings.minibatch)
    times = {name: [] for name in steppers}
    for _ in tqdm(range(ROUNDS), desc="timing in turns", unit="round", leave=False):
        for name, (model, x, y, minibatch) in steppers.items():
            began = time.monotonic()
            for _ in range(STEPS):
                loss = model.train_on_batch(x, y)
            float(np.asarray(loss[0] if isinstance(loss, (list, tuple)) else loss))  # wait for an accelerator
            times[name].append((time.monotonic() - began) / (STEPS * minibatch))
    return times


def load_or_measure(out, settings_by_row, source):
    """Median seconds per image by row, from `out`/timing.json if it has all rows, else measured anew and kept there."""
    path = Path(out) / FILE
    if path.exists():
        try:
            record = json.loads(path.read_text())
            if set(settings_by_row) <= set(record["seconds_per_image"]) and record["machine"] == machine():
                return record
        except (ValueError, KeyError, TypeError):
            pass  # measured anew
    times = seconds_per_image(settings_by_row, source)
    record = {
        "machine": machine(),
        "seconds_per_image": {name: float(np.median(values)) for name, values in times.items()},
        "rounds": times,
    }
    write_atomically(path, lambda temporary: Path(temporary).write_text(json.dumps(record, indent=2) + "\n"))
    return record
