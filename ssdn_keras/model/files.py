"""Loading models that were saved with `model.save`."""

import json
import shutil
import tempfile
import zipfile
from pathlib import Path

from ssdn_keras import shipped
from ssdn_keras.choices import EXCHANGEABLE_NOISE, FOUND_OR_GIVEN, NOISE_OF_MODEL, check_choice
from ssdn_keras.data.common import tell
from ssdn_keras.model.denoiser import Denoiser
from ssdn_keras.noise.levels import CLIPPED
from ssdn_keras.version import __version__

_REGISTERED_NAME = "ssdn_keras>Denoiser"
_LARGEST_ENTRY, _LARGEST_SETTINGS, _LARGEST_VARIABLE = 2**30, 2**20, 2**29
# Network files of other programs, which `python -m ssdn_keras.convert` reads.
_FOREIGN = {".pickle": "the authors' program", ".wt": "the PyTorch reimplementation"}


def _text(value):
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {value!r}")
    return value


def _count(value):
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1024:
        raise ValueError(f"expected a small number, found {value!r}")
    return value


def _pair(value):
    low, high = value
    return float(low), float(high)


def _clipping(value):
    """Where values were clipped, and the step that they were rounded to unless it is 1."""
    low, high, *step = map(float, value)
    if len(step) > 1:
        raise ValueError(f"expected two numbers or three, found {value!r}")
    return low, high, *step


def _levels(value):
    """The ends of a range of levels, each a number or several."""
    low, high = (tuple(map(float, end)) if isinstance(end, (list, tuple)) else float(end) for end in value)
    return low, high


_SETTINGS = {
    "name": _text,
    "noise": _text,
    "noise_range": _levels,
    "noise_parameter": _text,
    "channels": _count,
    "diagonal_covariance": bool,
    "blindspot_size": _count,
    "algorithm": _text,
    "value_range": _pair,
    "clipped": _clipping,
    "filters": _count,
    "estimator_filters": _count,
    "mean_start": _text,
}
# Settings that files of older versions do not have; they are at their default there.
_LATER = {"value_range": None, "clipped": None, "filters": None, "estimator_filters": None, "mean_start": None}


def load(path, dtype="float32", noise_parameter=None, noise_model=None):
    """Load a model saved by `Denoiser.save`.

    Args:
        path: the .keras file, or the name of a network that comes with the package, such as "gauss-rgb".
        dtype: what its networks compute in: "float32" or "mixed_bfloat16". The noise model is always float32.
        noise_parameter: "maximum_likelihood": of each image the level of noise under which it is most likely, whatever
            the training did; "known": the level is given. By default as it was trained. See `Denoiser`.
        noise_model: "gauss" or "poisson": the same network with the likelihood and the posterior of this noise. Its
            prior has learnt from surroundings with other noise, and is nearly as good. "gauss-clipped" and
            "poisson-clipped": of values that were then clipped and rounded to 8 bits. By default that of the training.

    Nothing but a `Denoiser` with checked arguments is ever made from the file, so that a file from elsewhere cannot run
    code. The model is not compiled.

    Raises:
        ValueError: the file is not such a model, is damaged, or comes from a newer version, or its noise cannot be
            known so; the message names it.
        FileNotFoundError: there is no such file.
    """
    found = _located(path)
    if found != Path(path):
        tell(shipped.notice(path))
    path = found
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.weights.h5"
        model = _model(path, _read(path, weights), dtype)
        try:
            _check_weights(weights)
            model.load_weights(weights)
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(f"{path}: the weights are damaged or do not fit the settings ({reason})") from None
    try:
        return with_noise(model, noise_parameter, noise_model)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def with_noise(model, noise_parameter=None, noise_model=None):
    """The same network in a model with another noise model, or that knows its parameter otherwise; see `load`."""
    noise_parameter, noise_model = noise_parameter or model.noise_parameter, noise_model or model.noise.kind
    changed, kind = {}, noise_model.removesuffix(CLIPPED)
    clips = kind != noise_model and not model.noise.is_clipped
    if kind != model.noise.kind or clips:
        check_choice("noise_model", noise_model, NOISE_OF_MODEL)
        check_choice("the noise of a model that gets another", model.noise.kind, EXCHANGEABLE_NOISE)
        if clips and model.value_range is not None:
            raise ValueError("noise_model=…-clipped is of 8 bits, and this model has a range of values of its own")
        # Where values were clipped belongs to the images, whatever their noise; a level is that of one kind alone.
        other = kind + CLIPPED * (clips or model.noise.is_clipped)
        changed.update(noise=str(model.noise.clipped) if kind == model.noise.kind else other, noise_range=None)
    if noise_parameter != model.noise_parameter or (changed and model.learnt):
        check_choice("noise_parameter", noise_parameter, FOUND_OR_GIVEN)
        changed.update(noise_parameter=noise_parameter, estimator_filters=None)
    if not changed:
        return model
    if not model.algorithm.uses_noise_model:
        raise ValueError(f"{model.algorithm.name} has no noise model")
    other = Denoiser.from_config({**model.get_config(), **changed})
    other.network.set_weights(model.network.get_weights())
    return other


def network_settings_of(path):
    """What a training that starts from a model takes over from it, by name; raises as `load`.

    Args:
        path: a model file, or the name of a network of the package.
    """
    path = _located(path)
    config = _model(path, _read(path), "float32").get_config()
    return {name: config[name] for name in ("filters", "estimator_filters", "mean_start")}


def _located(path):
    """The file that is meant by a path or by the name of a network of the package."""
    path = shipped.path_of(path) if shipped.is_shipped(path) else Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    if path.suffix.lower() in _FOREIGN:
        raise ValueError(
            f"{path}: a network of {_FOREIGN[path.suffix.lower()]}; convert it first: python -m ssdn_keras.convert "
            f"{path} {path.with_suffix('.keras').name}"
        )
    return path


def _model(path, config, dtype):
    """A model with the settings of a file."""
    if _newer(config.get("version")):
        raise ValueError(
            f"{path}: written by ssdn_keras {config['version']}, this is {__version__}: upgrade the package"
        )
    try:
        # Only these settings, of these kinds, reach the constructor; the arithmetic is the reader's choice.
        config = {**_LATER, **config}
        values = {name: kind(config[name]) for name, kind in _SETTINGS.items() if config[name] is not None}
        return Denoiser(**values, dtype=dtype)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"{path}: settings that this version of ssdn_keras cannot read: {error}") from None


def _newer(version):
    """Whether a file's version is past this one in its first two parts; what is no version at all is not."""
    try:
        return [int(part) for part in str(version).split(".")[:2]] > [int(p) for p in __version__.split(".")[:2]]
    except ValueError:
        return False


def _read(path, weights=None):
    """The model's settings from the archive; its weights are written to the file `weights`, if one is given."""
    try:
        with zipfile.ZipFile(path) as archive:
            largest = {"config.json": _LARGEST_SETTINGS}
            if any(entry.file_size > largest.get(entry.filename, _LARGEST_ENTRY) for entry in archive.infolist()):
                raise ValueError("an entry is larger than any model of ours")
            record = json.loads(archive.read("config.json"))
            if weights is not None:
                with archive.open("model.weights.h5") as packed, open(weights, "wb") as file:
                    shutil.copyfileobj(packed, file)
    except Exception as error:  # there is no list of what readers of archives, four compressions and JSON raise
        raise ValueError(f"{path}: not a .keras model file, or a damaged one ({error})") from None
    if not isinstance(record, dict) or record.get("registered_name") != _REGISTERED_NAME:
        kind = record.get("class_name") if isinstance(record, dict) else None
        raise ValueError(f"{path}: a .keras file, but of {kind!r} and not of ssdn_keras.Denoiser")
    config = record.get("config")
    if not isinstance(config, dict):
        raise ValueError(f"{path}: not a .keras model file, or a damaged one (no settings)")
    return config


def _check_weights(path):
    """An HDF5 file may name data of other files on the reader's machine, or claim any size: no model needs that."""
    import h5py

    def check(group):
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError("it refers to other files")
            item = group[name]
            if isinstance(item, h5py.Group):
                check(item)
            elif item.external or item.is_virtual:
                raise ValueError("it refers to other files")
            elif item.nbytes > _LARGEST_VARIABLE:
                raise ValueError("a variable is larger than those of any model of ours")

    with h5py.File(path, "r") as file:
        check(file)
