"""What is compared: an experiment, and the weights that both programs get."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ssdn_keras.interop import original
from ssdn_keras.interop.conversion import Configuration, configuration, denoiser_of, to_denoiser
from ssdn_keras.interop.experiments import EXPERIMENTS, experiment_of_file, parse_experiment
from ssdn_keras.interop.original_file import read_network
from ssdn_keras.interop.pickle_machine import NetworkFileError


@dataclass(frozen=True)
class Subject:
    """An experiment with weights.

    Attributes:
        experiment: `Experiment`.
        weights: where they come from, in words.
        network: path of the network, or None for fresh weights.
    """

    experiment: object
    weights: str
    network: Path | None = None

    def denoiser(self, seed, scattered=True):
        """A `Denoiser` with these weights.

        Args:
            seed: of fresh weights.
            scattered: whether fresh biases, and all else that starts at zero, are random as well, so that no term
                of the formulas is left out; otherwise the published initialisation.
        """
        if self.network is not None:
            return _load(self.network, self.experiment)
        keras.utils.set_random_seed(seed)
        model = denoiser_of(self.experiment)
        if scattered:
            original.load_variables(model, _scattered(original.variables(model), model.channels, seed))
        return model


def _scattered(arrays, channels, seed):
    """Weights with nothing at zero; the network's output starts around 0.5 for means, 0.2 for deviations."""
    random, changed = np.random.RandomState(seed), {}
    for name in sorted(arrays):
        value = arrays[name]
        noise = random.standard_normal(value.shape)
        if name == original.GLOBAL_PARAMETER:
            value = 0.5 * noise
        elif name.endswith("/b"):
            value = 0.05 * noise
            if name == "nin_c/b":
                value = value + np.where(np.arange(len(value)) < channels, 0.5, 0.2)
        elif name.endswith("nin_c/W"):
            value = noise * 0.2 * np.sqrt(2.0 / np.prod(value.shape[:-1]))
        changed[name] = np.asarray(value, "float32")
    return changed


def _load(path, experiment):
    if path.suffix.lower() == ".keras":
        from ssdn_keras.model.files import load

        return load(path)
    try:
        return to_denoiser(read_network(path), experiment.noise)
    except NetworkFileError as error:
        raise NetworkFileError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None


def _matches(experiment, found):
    """Whether an experiment has the configuration that a network file determines."""
    from ssdn_keras.noise import parse_noise

    return (
        parse_noise(experiment.noise).model.name == found.noise
        and all(getattr(experiment, name) == getattr(found, name) for name in ("algorithm", "channels"))
        and (
            experiment.algorithm != "ssdn"
            or all(getattr(experiment, name) == getattr(found, name)
                   for name in ("noise_parameter", "diagonal_covariance"))
        )
    )  # fmt: skip


def network_subject(path, name=None):
    """A trained network, of the authors (.pickle) or of this package (.keras), with its experiment.

    Args:
        path: of the network.
        name: of the experiment; by default what the file's name says.

    Raises:
        ValueError: the file cannot be read, is of another experiment, or does not say which one it is of.
    """
    path = Path(path)
    if path.suffix.lower() == ".keras":
        model = _load(path, None)
        found = Configuration(
            model.noise.model.name, model.algorithm.name, model.noise_parameter, model.diagonal_covariance,
            model.channels,
        )  # fmt: skip
        level = str(model.noise) if model.noise.levels is not None else None
    else:
        network = read_network(path)
        try:
            found, level = configuration(network), None
        except NetworkFileError as error:
            raise NetworkFileError(f"{path}: {error}") from None
    fitting = [parse_experiment(known) for known in EXPERIMENTS]
    fitting = [known for known in fitting if _matches(known, found) and level in (None, known.noise)]
    if name is not None:
        experiment = parse_experiment(name)
        if experiment not in fitting:
            what = ", ".join(known.name for known in fitting) or "none of the published ones"
            raise ValueError(f"{path}: is no network of {name}; it may be of {what}")
    else:
        experiment = experiment_of_file(path)
        if experiment is None and len(fitting) == 1:
            experiment = fitting[0]
        if experiment is None or experiment not in fitting:
            what = " or ".join(known.name for known in fitting) or "no published one"
            raise ValueError(f"{path}: give --experiment: by its configuration it may be of {what}")
    return Subject(experiment, f"weights of {path.name}", path)


def fresh_subject(name):
    """An experiment with fresh weights."""
    return Subject(parse_experiment(name), "fresh random weights")
