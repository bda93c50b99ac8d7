"""Model files with weights of 16 bits, half as large."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np

from ssdn_keras.atomic import write_atomically
from ssdn_keras.model.files import load

_WEIGHTS, _METADATA = "model.weights.h5", "metadata.json"


def write_half(model, target):
    """Write a model file whose weights are float16, compressed; they are float32 again when it is loaded.

    Args:
        model: `Denoiser`.
        target: .keras file to write, whole or not at all.

    Returns:
        The model as it is loaded from the new file.

    Raises:
        ValueError: a weight is too large for 16 bits.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.keras"
        model.save(whole)
        with zipfile.ZipFile(whole) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
    entries[_WEIGHTS] = _half(entries[_WEIGHTS], target)
    # The same model gives the same file, whenever it is written.
    metadata = json.loads(entries[_METADATA])
    metadata.pop("date_saved", None)
    entries[_METADATA] = json.dumps(metadata).encode()

    def write(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)

    write_atomically(target, write)
    return load(target)


def _half(content, target):
    result = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as old, h5py.File(result, "w") as new:

        def copy(name, item):
            if isinstance(item, h5py.Group):
                made = new.require_group(name)
            else:
                values = item[()]
                if values.dtype.kind == "f":
                    values = _checked(np.asarray(values, "float64"), name, target)
                made = new.create_dataset(name, data=values, track_times=False)
            made.attrs.update(item.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)
    return result.getvalue()


def _checked(values, name, target):
    with np.errstate(over="ignore"):
        half = values.astype("float16")
    if not np.isfinite(half).all():
        raise ValueError(f"{target}: {name} holds values that are too large for 16 bits")
    return half
