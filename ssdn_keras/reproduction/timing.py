"""Training time per image of every learned method, measured in turns on the same machine."""

import json
import os
import platform
import time
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from ssdn_keras.atomic import write_atomically

FILE = "timing.json"
WARM_UP, ROUNDS, STEPS = 3, 5, 4


def machine():
    """The machine in a few words: processors, backend and its device."""
    devices = {"jax": _jax_devices, "tensorflow": _tensorflow_devices, "torch": _torch_devices}
    found = devices.get(keras.backend.backend(), lambda: "")()
    return f"{os.cpu_count()} processors ({platform.machine()}), {keras.backend.backend()}{found}"


def _jax_devices():
    import jax

    return f", {jax.devices()[0].device_kind}"


def _torch_devices():
    import torch

    return f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"


def _tensorflow_devices():
    import tensorflow as tf

    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
             for gpu in tf.config.list_physical_devices("GPU")]  # fmt: skip
    return f", {len(names)} × {names[0]}" if names else ", no GPU"


def seconds_per_image(methods, source, minibatch):
    """Median seconds of a training step, per image, of every method that is trained.

    They take turns (A B C, A B C, …), so that a machine that is busier at one time than at another, or a training that
    was cut off, does not favour any of them.

    Args:
        methods: dict of row name to method, see `reproduction.methods`.
        source: training images.
        minibatch: images per step.

    Returns:
        dict of row name to list of seconds per image, one per round.
    """
    steppers = {}
    for name, method in tqdm(methods.items(), desc="preparing to time", unit="row", leave=False):
        steppers[name] = method.stepper(source)
        for _ in range(WARM_UP):
            steppers[name]()
    times = {name: [] for name in steppers}
    for _ in tqdm(range(ROUNDS), desc="timing in turns", unit="round", leave=False):
        for name, step in steppers.items():
            began = time.monotonic()
            for _ in range(STEPS):
                step()
            times[name].append((time.monotonic() - began) / (STEPS * minibatch))
    return times


def load_or_measure(out, methods, source, minibatch):
    """Median seconds per image by row, from `out`/timing.json if it has all rows, else measured anew and kept there."""
    path = Path(out) / FILE
    if path.exists():
        try:
            record = json.loads(path.read_text())
            if set(methods) <= set(record["seconds_per_image"]) and record["machine"] == machine():
                return record
        except (ValueError, KeyError, TypeError):
            pass  # measured anew
    times = seconds_per_image(methods, source, minibatch)
    record = {
        "machine": machine(),
        "seconds_per_image": {name: float(np.median(values)) for name, values in times.items()},
        "rounds": times,
    }
    write_atomically(path, lambda temporary: Path(temporary).write_text(json.dumps(record, indent=2) + "\n"))
    return record
