"""One checkpoint: everything a training needs to go on, in a file that is whole or absent."""

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

from ssdn_keras.atomic import write_atomically
from ssdn_keras.training.environment import versions

FORMAT = 2
REMEDY = "remove the run folder to start anew, or give another --run_dir"
# Unpacked; several times what the largest of these networks needs. A damaged or hostile file can claim any size.
_LARGEST = 2**30


class DamagedCheckpoint(ValueError):
    """A file that is not a whole checkpoint."""


@dataclasses.dataclass(frozen=True)
class Position:
    """Where a training stands.

    Attributes:
        step: steps that were done.
        rate_factor: what its learning rate is multiplied by: halved whenever the training had to go back.
        bad_steps: skipped steps in a row up to here.
        recorded: whether the row of metrics.csv that is due at this step has been written.
        best_psnr: highest validation PSNR so far (dB), or None.
    """

    step: int = 0
    rate_factor: float = 1.0
    bad_steps: int = 0
    recorded: bool = True
    best_psnr: float | None = None


@dataclasses.dataclass(frozen=True)
class State:
    """A training at one moment: where it stands, its settings and data, and all its variables as arrays."""

    position: Position
    settings: dict
    data: str | None
    arrays: dict

    def check(self, path, settings, data):
        """Raise ValueError if it belongs to a training with other settings or images."""
        different = settings.differences(self.settings)
        if different:
            what = ", ".join(f"--{name} was {old}, is {new}" for name, (old, new) in different.items())
            raise ValueError(f"{path}: the checkpoint belongs to another training ({what}); {REMEDY}")
        if data is not None and self.data is not None and data != self.data:
            raise ValueError(f"{path}: the training images have changed since this checkpoint; {REMEDY}")


def _variables(model):
    named = {f"model/{i:04d}": variable for i, variable in enumerate(model.weights)}
    named.update({f"optimizer/{i:04d}": variable for i, variable in enumerate(model.optimizer.variables)})
    # With them the next row of metrics.csv is what it would have been without the interruption.
    named.update({f"metrics/{i:04d}": variable for i, variable in enumerate(model.metrics_variables)})
    return named


def capture(model, settings, position, data=None):
    """The `State` of a compiled model; `data` is the fingerprint of the training images."""
    arrays = {name: np.array(variable) for name, variable in _variables(model).items()}
    return State(position, settings.as_dict(), data, arrays)


def apply(state, model, path):
    """Set the variables of model and optimiser; raises ValueError if they are others."""
    variables = _variables(model)
    if set(variables) != set(state.arrays) or any(
        state.arrays[name].shape != tuple(variable.shape) for name, variable in variables.items()
    ):
        raise ValueError(f"{path}: the checkpoint does not fit this network; {REMEDY}")
    for name, variable in variables.items():
        variable.assign(state.arrays[name])


def apply_metrics(state, model):
    """Set the variables of the metrics only."""
    for name, variable in _variables(model).items():
        if name.startswith("metrics/"):
            variable.assign(state.arrays[name])


def _checksum(arrays, record):
    total = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def write(path, state):
    """Write a `State` to `path` (.npz), whole or not at all; raises OSError if that is impossible."""
    record = {
        "format": FORMAT,
        "position": dataclasses.asdict(state.position),
        "settings": state.settings,
        "data": state.data,
        "versions": versions(),
    }
    text = json.dumps({**record, "checksum": _checksum(state.arrays, record)})

    def save(temporary):
        with open(temporary, "wb") as file:
            np.savez(file, **state.arrays, record=np.array(text))

    write_atomically(path, save)


def read(path):
    """The `State` in a file.

    Raises:
        FileNotFoundError: there is none.
        DamagedCheckpoint: it is not whole.
        ValueError: it was written by a newer version.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                raise ValueError("larger than any checkpoint")
        with np.load(path, allow_pickle=False) as file:
            record = json.loads(str(file["record"]))
            arrays = {name: file[name] for name in file.files if name != "record"}
        if int(record["format"]) > FORMAT:
            raise _Newer(f"{path}: written by a newer version of ssdn_keras: upgrade the package")
        if record.pop("checksum") != _checksum(arrays, record):
            raise ValueError("its checksum is wrong")
        return State(_position(record["position"]), dict(record["settings"]), record["data"], arrays)
    except _Newer:
        raise
    except Exception as error:  # whatever NumPy, zipfile and json raise for a file that is not what they expect
        reason = f"{error!s:.200}" or type(error).__name__
        raise DamagedCheckpoint(f"{path}: the checkpoint is damaged ({reason})") from None


def _position(values):
    """A `Position` from a dict, each value of its own kind."""
    kinds = {"step": int, "rate_factor": float, "bad_steps": int, "recorded": bool, "best_psnr": (float, type(None))}
    for name, kind in kinds.items():
        if not isinstance(values[name], kind) or (kind is int and isinstance(values[name], bool)):
            raise ValueError(f"{name} is {values[name]!r:.60}")
    return Position(**values)


class _Newer(ValueError):
    pass
