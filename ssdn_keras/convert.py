"""python -m ssdn_keras.convert: networks of other programs to ours, and weights by the authors' names."""

import sys
from pathlib import Path

from ssdn_keras.cli import Command, UsageError, checked

_KINDS = {".pickle": (".keras", ".npz"), ".wt": (".keras", ".npz"), ".keras": (".npz", ".keras"), ".npz": (".keras",)}

COMMAND = Command(
    "python -m ssdn_keras.convert",
    "Reads a network of the authors' program (.pickle) or of the PyTorch reimplementation (.wt) without running "
    "anything of it, and writes a model (.keras), or its variables by the authors' names (.npz). A model (.keras) "
    "becomes such an .npz file, too, or with --half a model of half the size, or with --noise_parameter or "
    "--noise_model one that takes the noise otherwise.",
    "FROM TO",
    tidy=True,
)
COMMAND.group("Conversion")
COMMAND.string(
    "noise",
    None,
    "Noise and level that the network was trained on, such as gauss25 or poisson5_50. By default what a .wt file says, "
    "or the name of a .pickle file (network-final-gauss25-….pickle), which itself names only the kind.",
)
COMMAND.string(
    "experiment",
    None,
    "With FROM.npz: the experiment that the variables belong to, such as gauss25-blindspot-sigma_known or "
    "poisson30-n2c-mono.",
)
COMMAND.switch("half", False, "From .keras to .keras: weights of 16 bits, for a file of half the size.")
COMMAND.noise_of_model("From .keras to .keras: ")
COMMAND.switch("overwrite", False, "Replace a result that exists.")


def read_original(path, noise=None):
    """(network, noise with its level if that is known) of an authors' file; the noise is checked.

    Raises:
        UsageError: --noise contradicts the file.
    """
    from ssdn_keras.interop.conversion import configuration
    from ssdn_keras.interop.experiments import experiment_of_file
    from ssdn_keras.interop.network_file import NetworkFileError
    from ssdn_keras.interop.original_file import read_network
    from ssdn_keras.noise import parse_noise

    network = read_network(path)
    try:
        found = configuration(network)
    except NetworkFileError as error:
        raise NetworkFileError(f"{path}: {error}") from None
    experiment = experiment_of_file(path)
    if noise is None and experiment is not None and parse_noise(experiment.noise).model.name == found.noise:
        noise = experiment.noise
    return network, _checked_noise(path, noise or found.noise, found.noise)


def _checked_noise(path, noise, kind):
    from ssdn_keras.noise import parse_noise

    spec = checked(parse_noise, noise)
    if spec.model.name != kind:
        raise UsageError(f"--noise={noise}: {path} was trained on {kind} noise")
    return spec


def _convert_pickle(source, target, flags):
    from ssdn_keras.interop import conversion
    from ssdn_keras.interop.network_file import NetworkFileError

    network, spec = read_original(source, flags.noise)
    older = conversion.older_layout(network)
    if older:
        print(f"{source}: an older layout ({older}); its variables are those of the published one", file=sys.stderr)
    try:
        model = conversion.to_denoiser(network, str(spec))
    except NetworkFileError as error:
        raise NetworkFileError(f"{source}: {error}") from None
    return _write(target, model, network.variables)


def _convert_pytorch(source, target, flags):
    from ssdn_keras.interop import pytorch_conversion
    from ssdn_keras.interop.network_file import NetworkFileError
    from ssdn_keras.interop.pytorch_file import read_network

    network = read_network(source)
    try:
        kind = pytorch_conversion.configuration(network).noise
        spec = _checked_noise(source, flags.noise, kind) if flags.noise else None
        model, variables = pytorch_conversion.to_denoiser(network, spec)
    except NetworkFileError as error:
        raise NetworkFileError(f"{source}: {error}") from None
    description = _write(target, model, variables)
    remarks = pytorch_conversion.remarks(network)
    if remarks:
        print(f"{source}: {remarks}", file=sys.stderr)
    return description


def _write(target, model, variables):
    from ssdn_keras.atomic import write_atomically
    from ssdn_keras.interop.variables_file import write_variables

    if target.suffix.lower() == ".npz":
        write_variables(target, variables)
    else:
        write_atomically(target, model.save)
    return _describe(model)


def _convert_model(source, target, flags):
    from ssdn_keras.model.files import load

    model = load(source, noise_parameter=flags.noise_parameter, noise_model=flags.noise_model)
    if target.suffix.lower() == ".npz":
        from ssdn_keras.interop import original
        from ssdn_keras.interop.variables_file import write_variables

        write_variables(target, original.variables(model))
    elif flags.half:
        from ssdn_keras.model.half import write_half

        model = write_half(model, target)
    else:
        from ssdn_keras.atomic import write_atomically

        write_atomically(target, model.save)
    return _describe(model)


def _convert_variables(source, target, flags):
    from ssdn_keras.atomic import write_atomically
    from ssdn_keras.interop import conversion, original
    from ssdn_keras.interop.experiments import parse_experiment
    from ssdn_keras.interop.variables_file import read_variables

    model = conversion.denoiser_of(checked(parse_experiment, flags.experiment))
    try:
        original.load_variables(model, read_variables(source))
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    write_atomically(target, model.save)
    return _describe(model)


def _describe(model):
    level = str(model.noise) if model.noise.levels else f"{model.noise} noise of unknown level (--noise names it)"
    channels = f"{model.channels} channel{'s' * (model.channels > 1)}"
    return f"{model.algorithm.name}, {level}, noise parameter {model.noise_parameter}, {channels}"


def main(flags, arguments):
    """Convert by the flags."""
    if len(arguments) != 2:
        raise UsageError("give two files: FROM (.pickle, .wt or .keras) and TO (.keras or .npz)")
    source, target = map(Path, arguments)
    kind = source.suffix.lower()
    if kind == ".training":
        from ssdn_keras.interop.pytorch_pickle import WHOLE_TRAINING

        raise UsageError(f"{source}: {WHOLE_TRAINING}")
    if target.suffix.lower() not in _KINDS.get(kind, ()):
        raise UsageError(
            f"cannot convert {source.name} to {target.name}: .pickle and .wt become .keras or .npz, .keras becomes "
            ".npz (or another .keras with --half, --noise_parameter or --noise_model), and .npz becomes .keras"
        )
    if bool(flags.half or flags.noise_parameter or flags.noise_model) != (kind == target.suffix.lower() == ".keras"):
        raise UsageError(
            "--half, --noise_parameter and --noise_model go with two .keras files: they make another one of the first"
        )
    if target.exists() and not flags.overwrite:
        raise UsageError(f"{target} exists: give --overwrite to replace it")
    if kind not in (".pickle", ".wt") and flags.noise:
        raise UsageError("--noise goes with a .pickle or .wt file")
    if (kind == ".npz") != bool(flags.experiment):
        raise UsageError("--experiment goes with an .npz file, which does not say what network it belongs to")
    action = {
        ".pickle": _convert_pickle, ".wt": _convert_pytorch, ".keras": _convert_model, ".npz": _convert_variables,
    }[kind]  # fmt: skip
    print(f"wrote {target}: {action(source, target, flags)}")
    return 0


if __name__ == "__main__":
    COMMAND.run(main)
