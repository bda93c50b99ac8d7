"""A network of the authors' program as a `Denoiser`, and back."""

from dataclasses import dataclass

import numpy as np

from ssdn_keras.interop import original
from ssdn_keras.interop.network_file import NetworkFileError, shown
from ssdn_keras.interop.original_file import expected_inputs
from ssdn_keras.noise import parse_noise


@dataclass(frozen=True)
class Configuration:
    """Arguments of `Denoiser` that a network file determines; the noise has no level yet."""

    noise: str
    algorithm: str
    noise_parameter: str
    diagonal_covariance: bool
    channels: int


def configuration(network):
    """What the arguments of a network's pipeline say.

    Raises:
        NetworkFileError: a pipeline that the program never published, or arguments that it cannot have.
    """
    expected = expected_inputs(network.pipeline)
    if expected is None:
        raise NetworkFileError(f"its pipeline is {shown(network.pipeline)}, not one of the published program")
    arguments = network.arguments
    noise = arguments.get("noise_style")
    if noise not in ("gauss", "poisson", "impulse"):
        raise NetworkFileError(f"its noise is {shown(noise)}, not gauss, poisson or impulse")
    shape = arguments.get("input_shape")
    if not (isinstance(shape, (list, tuple)) and len(shape) == 4 and type(shape[1]) is int and shape[1] in (1, 3)):
        raise NetworkFileError("its input shape is not [None, 1 or 3, None, None]")
    if network.pipeline == "simple_pipeline":
        noisy_targets = bool(arguments.get("noisy_targets", False))
        if arguments.get("blindspot", False):
            if not noisy_targets:
                raise NetworkFileError("a blind-spot network with clean targets, which the program never trained")
            algorithm = "ssdn_mean"
        else:
            algorithm = "n2n" if noisy_targets else "n2c"
        return Configuration(noise, algorithm, "known", False, int(shape[1]))
    parameter = arguments.get("noise_params")
    if not isinstance(parameter, str) or parameter not in ("known", "global", "per_image"):
        raise NetworkFileError(f"its noise_params is {shown(parameter)}, not known, global or per_image")
    diagonal = bool(arguments.get("diagonal_covariance", False))
    return Configuration(noise, "ssdn", parameter, diagonal, int(shape[1]))


def older_layout(network):
    """What is older about a file that may still fit, in words, or None."""
    notes = []
    if network.version != 3:
        notes.append(f"layout version {network.version}")
    if network.inputs is not None and network.inputs != expected_inputs(network.pipeline):
        notes.append(f"{network.inputs} inputs where the published program has {expected_inputs(network.pipeline)}")
    return ", ".join(notes) or None


def denoiser_of(experiment):
    """A `Denoiser` with fresh weights for an `Experiment`."""
    from ssdn_keras.model.denoiser import Denoiser

    return Denoiser(
        noise=experiment.noise, noise_parameter=experiment.noise_parameter, channels=experiment.channels,
        diagonal_covariance=experiment.diagonal_covariance, algorithm=experiment.algorithm, name="denoiser",
    )  # fmt: skip


def to_denoiser(network, noise=None):
    """A `Denoiser` with the network's weights.

    Args:
        network: `OriginalNetwork`.
        noise: name of noise and level, such as "gauss25"; must be of the network's kind. The file does not say it.

    Raises:
        NetworkFileError: the variables are not those of its configuration.
        ValueError: the noise is of another kind.
    """
    found = configuration(network)
    try:
        return model_of(found, parse_noise(noise or found.noise), network.variables)
    except NetworkFileError as error:
        older = older_layout(network)
        raise NetworkFileError(f"{error}{f' (an older layout: {older})' if older else ''}") from None


def model_of(found, spec, variables):
    """A `Denoiser` of a `Configuration`, trained on a `NoiseSpec`, with variables by their original names.

    Raises:
        NetworkFileError: the variables are not those of the configuration, or not finite.
        ValueError: the noise is of another kind.
    """
    from ssdn_keras.model.denoiser import Denoiser

    if spec.model.name != found.noise:
        raise ValueError(f"noise {str(spec)!r}: the network was trained on {found.noise} noise")
    if not all(np.isfinite(value).all() for value in variables.values()):
        raise NetworkFileError("some of its weights are NaN or infinite")
    model = Denoiser(
        noise=found.noise, noise_range=spec.levels, noise_parameter=found.noise_parameter, channels=found.channels,
        diagonal_covariance=found.diagonal_covariance, algorithm=found.algorithm, name="denoiser",
    )  # fmt: skip
    try:
        original.load_variables(model, variables)
    except ValueError as error:
        raise NetworkFileError(str(error)) from None
    return model
