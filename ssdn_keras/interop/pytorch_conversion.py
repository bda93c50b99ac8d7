"""A network of the PyTorch reimplementation as a `Denoiser`."""

import re

from ssdn_keras.interop.conversion import Configuration, model_of
from ssdn_keras.interop.network_file import NetworkFileError, shown
from ssdn_keras.interop.pytorch_names import original_variables
from ssdn_keras.interop.pytorch_pickle import Member
from ssdn_keras.noise.levels import NOISE_MODELS, make_noise_spec, parse_noise

# Numbers of the settings in the program's enumeration of them, which have been the same since May 2020.
_ALGORITHM, _BLINDSPOT, _PIPELINE, _CHANNELS, _NOISE_STYLE, _NOISE_VALUE, _DIAGONAL = 2, 3, 4, 5, 6, 10, 11

# Its name of an algorithm: ours, its pipeline, whether it has a blind spot.
_ALGORITHMS = {
    "ssdn": ("ssdn", "ssdn", True),
    "ssdn_u_only": ("ssdn_mean", "mse", True),
    "n2n": ("n2n", "mse", False),
    "n2c": ("n2c", "mse", False),
    "n2v": ("n2v", "mask_mse", False),
}
_NOISE_PARAMETERS = {"known": "known", "const": "global", "var": "per_image"}
_LEVEL = re.compile(r"[0-9]{1,9}(\.[0-9]{0,15})?|\.[0-9]{1,15}")


def noise_of_style(style):
    """(`NoiseSpec`, whether noisy images were clipped) of a noise style, such as gauss25, gauss5_50_nc or poisson30.

    Levels of Gaussian noise are of 0..255, or of 0..1 if one of them has a decimal point.

    Raises:
        NetworkFileError: it is no noise style that the program can train on.
    """
    name = re.match(r"[A-Za-z]*", style).group() if isinstance(style, str) else ""
    parts = [part for part in style[len(name) :].split("_") if part] if name else []
    levels = [part for part in parts if part != "nc"]
    if name not in ("gauss", "poisson") or len(levels) not in (1, 2) or not all(map(_LEVEL.fullmatch, levels)):
        raise NetworkFileError(f"its noise style is {shown(style)}, not such as gauss25, gauss5_50_nc or poisson30")
    fractions = any("." in level for level in levels)
    scale = NOISE_MODELS[name].level_scale if fractions else 1.0
    low, high = float(levels[0]) * scale, float(levels[-1]) * scale
    try:
        return make_noise_spec(name, low, high), "nc" not in parts
    except ValueError as error:
        raise NetworkFileError(f"its noise style {shown(style)} cannot be: {error}") from None


def _choice(settings, number, title, enumeration, choices):
    """What the value of a setting means."""
    value = settings.get(number)
    if not isinstance(value, Member) or value.enumeration != enumeration or value.value not in choices:
        found = shown(value.value if isinstance(value, Member) else value)
        raise NetworkFileError(f"its {title} is {found}, not {', '.join(choices)}")
    return choices[value.value]


def configuration(network):
    """`Configuration` of a `PytorchNetwork`.

    Raises:
        NetworkFileError: settings that the program cannot have, or that have no counterpart here.
    """
    settings = network.settings
    algorithm, pipeline, blind = _choice(settings, _ALGORITHM, "algorithm", "NoiseAlgorithm", _ALGORITHMS)
    if settings.get(_PIPELINE) not in (None, Member("Pipeline", pipeline)):
        raise NetworkFileError(f"its pipeline is not the one of {algorithm}: such a network has no counterpart here")
    if settings.get(_BLINDSPOT) not in (None, blind):
        raise NetworkFileError(
            f"{algorithm} {'without' if blind else 'with'} a blind spot: such a network has no counterpart here"
        )
    channels = settings.get(_CHANNELS)
    if type(channels) is not int or channels not in (1, 3):
        raise NetworkFileError(f"its number of channels is {shown(channels)}, not 1 or 3")
    noise, _ = noise_of_style(settings.get(_NOISE_STYLE))
    if algorithm != "ssdn":
        return Configuration(noise.model.name, algorithm, "known", False, channels)
    parameter = _choice(settings, _NOISE_VALUE, "noise value", "NoiseValue", _NOISE_PARAMETERS)
    diagonal = settings.get(_DIAGONAL, False)
    if type(diagonal) is not bool:
        raise NetworkFileError("damaged: its diagonal covariance is neither on nor off")
    return Configuration(noise.model.name, algorithm, parameter, diagonal, channels)


def noise_of(network):
    """`NoiseSpec` of a `PytorchNetwork`; raises as `noise_of_style` does."""
    return noise_of_style(network.settings.get(_NOISE_STYLE))[0]


def remarks(network):
    """What was different about the network's training noise, in words, or None."""
    style = network.settings.get(_NOISE_STYLE)
    noise, clipped = noise_of_style(style)
    notes = []
    if clipped:
        notes.append(f"trained on noise clipped to 0..1 (there is no _nc in {style}), which the noise model ignores")
    if noise.model.name == "poisson":
        notes.append("trained on Poisson noise that does not depend on the image, (λx + Poisson(1)) / λ")
    return "; ".join(notes) or None


def to_denoiser(network, noise=None):
    """(`Denoiser` with the network's weights, its variables by the authors' names).

    Args:
        network: `PytorchNetwork`.
        noise: name of noise and level instead of what the file says; must be of the network's kind.

    Raises:
        NetworkFileError: the tensors are not those of its configuration.
        ValueError: the noise is of another kind.
    """
    found = configuration(network)
    variables = original_variables(network.tensors)
    return model_of(found, parse_noise(noise or noise_of(network)), variables), variables
