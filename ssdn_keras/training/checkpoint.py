"""Checkpoints: everything a training needs to go on, in one file that is whole or absent."""

import json
import struct
import zipfile
from pathlib import Path

import numpy as np

from ssdn_keras.data.images import write_atomically

FORMAT = 1


def _variables(model):
    named = {f"model/{i:04d}": variable for i, variable in enumerate(model.weights)}
    named.update({f"optimizer/{i:04d}": variable for i, variable in enumerate(model.optimizer.variables)})
    named["skipped_steps"] = model.skipped_steps.count
    return named


def save(path, model, settings, step, data=None):
    """Write weights, optimiser state and position to `path` (.npz); `data` is the fingerprint of the images."""
    arrays = {name: np.array(variable) for name, variable in _variables(model).items()}
    record = {"format": FORMAT, "step": step, "settings": settings.as_dict(), "data": data}
    arrays["record"] = np.array(json.dumps(record))

    def write(temporary):
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)

    write_atomically(path, write)


_REMEDY = "remove the file to start anew, or give another --run_dir"


def _read(path, settings, data):
    """Position and arrays of a checkpoint of this training; raises ValueError as `restore` does."""
    try:
        with np.load(path, allow_pickle=False) as file:
            record = json.loads(str(file["record"]))
            arrays = {name: file[name] for name in file.files if name != "record"}
        step, old_settings, old_data = int(record["step"]), dict(record["settings"]), record["data"]
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        struct.error,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(f"{path}: the checkpoint is damaged ({error}); {_REMEDY}") from None
    different = settings.differences(old_settings)
    if different:
        what = ", ".join(f"--{name} was {old}, is {new}" for name, (old, new) in different.items())
        raise ValueError(f"{path}: the checkpoint belongs to another training ({what}); {_REMEDY}")
    if data is not None and old_data is not None and data != old_data:
        raise ValueError(f"{path}: the training images have changed since this checkpoint; {_REMEDY}")
    return step, arrays


def position(path, settings):
    """Number of steps that a checkpoint of this training has done, 0 if there is none; raises as `restore` does."""
    return _read(path, settings, None)[0] if Path(path).exists() else 0


def restore(path, model, settings, data=None):
    """Set the model's and optimiser's variables from `path`; returns the number of steps that were done.

    Raises:
        ValueError: the file is damaged, or belongs to a training with other settings or images.
    """
    step, arrays = _read(path, settings, data)
    variables = _variables(model)
    if set(variables) != set(arrays) or any(arrays[n].shape != tuple(v.shape) for n, v in variables.items()):
        raise ValueError(f"{path}: the checkpoint does not fit this network; {_REMEDY}")
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return step
