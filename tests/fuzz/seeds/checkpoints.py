"""Checkpoints of a training, with few variables: how many there must be is checked when they are given to a model."""

import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from . import Seed, bombs


def checkpoint_settings():
    """The settings of the training that they belong to."""
    from ssdn_keras.training.settings import TrainSettings

    return TrainSettings(train_clean="/images", images=400)


def seeds():
    """Checkpoint files."""
    from ssdn_keras.training import checkpoint

    arrays = {
        "model/0000": np.arange(12, dtype="float32").reshape(3, 4), "model/0001": np.zeros(300, "float32"),
        "optimizer/0000": np.array(7), "optimizer/0001": np.ones((2, 1, 1), "float32"),
    }  # fmt: skip
    positions = {
        "begun": checkpoint.Position(),
        "halfway": checkpoint.Position(step=50, rate_factor=0.5, bad_steps=2, recorded=False, best_psnr=31.5),
    }
    for name, position in positions.items():
        state = checkpoint.State(position, checkpoint_settings().as_dict(), "folder:0123456789abcdef", arrays)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.npz"
            checkpoint.write(path, state)
            data = path.read_bytes()
        yield Seed(name, data)
    yield from bombs.npz_seeds()
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        record = file.read("record.npy")
    yield Seed("3 GiB of zeros with a record", bombs.zeros({"record.npy": record}), False)
