"""python -m ssdn_keras.denoise: denoise image files."""

import sys

from ssdn_keras.choices import CLASSICAL_NAMES
from ssdn_keras.cli import Command, UsageError, checked, describe, make_folder

COMMAND = Command(
    "python -m ssdn_keras.denoise",
    "Denoises PNG and JPEG files, or folders of them. Results have the same names and formats. A file that cannot be "
    "read is named and skipped; the exit code is then 1.",
    "FILES_OR_FOLDERS",
)
COMMAND.group("Files")
COMMAND.string("model", None, "Trained model (.keras).")
COMMAND.choice("algorithm", None, CLASSICAL_NAMES, "Instead of a model: non-local means, wavelet shrinkage or CBM3D.")
COMMAND.string("output", None, "Folder for the results.")
COMMAND.switch("overwrite", False, "Replace results that exist.")
COMMAND.group("Noise")
COMMAND.number(
    "noise_level",
    None,
    "Where the model needs to know it: σ in grey levels of 0..255, λ, or α in percent. "
    "By default the level that the model was trained for, if that is one; with --algorithm, σ is estimated from "
    "each image.",
    lowest=0,
)
COMMAND.choice("noise", "gauss", ("gauss", "poisson"), "With --algorithm: the kind of noise.")


def open_model(flags):
    """The trained model, if the noise level fits it."""
    from ssdn_keras.model.files import load

    model = load(flags.model)
    needs_level = model.algorithm.uses_noise_model and model.noise_parameter == "known"
    if needs_level and flags.noise_level is None and model.noise.varying:
        raise UsageError(f"this model needs --noise_level ({model.noise.model.unit}); it was trained for {model.noise}")
    if not needs_level and flags.noise_level is not None:
        raise UsageError("this model needs no --noise_level: leave it out")
    return model


def open_classical(flags):
    """The untrained denoiser."""
    from ssdn_keras.model.classical import ClassicalDenoiser

    return ClassicalDenoiser(flags.algorithm, flags.noise)


def main(flags, arguments):
    """Denoise by the flags."""
    if bool(flags.model) == bool(flags.algorithm) or not flags.output or not arguments:
        raise UsageError("give --model or --algorithm, --output and the files or folders to denoise")
    if flags.model and flags["noise"].present:
        raise UsageError("--noise goes with --algorithm: a model knows its kind of noise")
    from ssdn_keras.data.files import collect, denoise_file

    pairs = collect(arguments, flags.output)
    existing = [target for _, target in pairs if target.exists()]
    if existing and not flags.overwrite:
        raise UsageError(
            f"{existing[0]} exists ({len(existing)} of {len(pairs)} results do): give --overwrite to replace them"
        )
    from tqdm import tqdm

    denoiser = open_classical(flags) if flags.algorithm else open_model(flags)
    checked(denoiser.level_input, flags.noise_level, 1)
    make_folder(flags.output)
    failed = 0
    for source, target in tqdm(pairs, desc="denoising", unit="image"):
        try:
            denoise_file(source, target, lambda array: denoiser.denoise(array, flags.noise_level), denoiser.channels)
        except (ValueError, OSError) as error:
            failed += 1
            tqdm.write(f"failed {source}: {describe(error)}", file=sys.stderr)
    print(f"denoised {len(pairs) - failed} of {len(pairs)} images into {flags.output}")
    return 1 if failed else 0


if __name__ == "__main__":
    COMMAND.run(main)
