"""Loading models that were saved with `model.save`."""

import json
import tempfile
import zipfile
from pathlib import Path

from ssdn_keras.model.denoiser import Denoiser

_REGISTERED_NAME = "ssdn_keras>Denoiser"


def load(path):
    """Load a model saved by `Denoiser.save`.

    Nothing but a `Denoiser` with checked arguments is ever made from the file, so that a file from elsewhere cannot run
    code. The model is not compiled.

    Raises:
        ValueError: the file is not such a model, is damaged, or comes from a newer version; the message names it.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            weights = archive.read("model.weights.h5")
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path}: not a .keras model file, or a damaged one ({error})") from None
    if not isinstance(config, dict) or config.get("registered_name") != _REGISTERED_NAME:
        kind = config.get("class_name") if isinstance(config, dict) else None
        raise ValueError(f"{path}: a .keras file, but of {kind!r} and not of ssdn_keras.Denoiser")
    try:
        model = Denoiser(**config["config"])
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: settings that this version of ssdn_keras cannot read: {error}") from None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.weights.h5"
        file.write_bytes(weights)
        try:
            model.load_weights(file)
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise ValueError(f"{path}: the weights are damaged or do not fit the settings ({reason})") from None
    return model
