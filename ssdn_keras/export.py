"""python -m ssdn_keras.export: a trained denoiser for programs that do not have this package."""

import tempfile
from pathlib import Path

from ssdn_keras.choices import EXPORT_FORMATS
from ssdn_keras.cli import Command, UsageError, checked

COMMAND = Command(
    "python -m ssdn_keras.export",
    "Writes a trained denoiser whole (network, noise model and posterior mean) as a TensorFlow SavedModel or an ONNX "
    "file, or its weights as a safetensors file. docs/export.md has the programs that use them.",
    tidy=True,
)
COMMAND.group("Export")
COMMAND.string("model", None, "Trained model (.keras).")
COMMAND.choice("format", "saved_model", EXPORT_FORMATS, "What to write.")
COMMAND.string(
    "output", None, "Folder of the SavedModel, or file (.onnx, .safetensors). TensorFlow Serving wants NAME/1."
)
COMMAND.switch("overwrite", False, "Replace a result that exists.")
COMMAND.noise_of_model()
COMMAND.choice(
    "precision",
    "float32",
    ("float32", "mixed_bfloat16"),
    "What the networks of a SavedModel compute in; inputs, noise model and outputs are float32 either way.",
)
COMMAND.group("Measurement")
COMMAND.switch("benchmark", False, "Instead: print time and memory of every format that can be written and run here.")
COMMAND.integer("size", 256, "With --benchmark: side of the image, in pixels.", lowest=1)
COMMAND.integer("rounds", 9, "With --benchmark: images per format.", lowest=1)


def open_model(path, precision="float32", noise_parameter=None, noise_model=None):
    """The trained model.

    Raises:
        ValueError, OSError: as `ssdn_keras.load`; for the folder or the checkpoint of a training, what to do instead.
    """
    from ssdn_keras.model.files import load

    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if path.suffix == ".npz" and folder.name == "checkpoints":
        folder = folder.parent
    final = folder / "final.keras"
    wanted = path.is_dir() or path.suffix == ".npz" or (path == final and not path.exists())
    if wanted and final.is_file():
        raise ValueError(f"{path}: not a model; the model of this training is {final}")
    if wanted and (folder / "checkpoints").is_dir():
        raise ValueError(
            f"{folder}: this training is not finished: start it again with the same --run_dir={folder}, it goes on "
            f"where it was and writes {final.name}"
        )
    if path.is_dir():
        raise ValueError(f"{path}: a folder, and no training of ours; give a model (.keras)")
    return load(path, precision, noise_parameter, noise_model)


def measure(flags):
    """Print the table of all formats."""
    from ssdn_keras.exporting.benchmark import measure, table
    from ssdn_keras.reproduction.timing import machine

    model = open_model(flags.model, noise_parameter=flags.noise_parameter, noise_model=flags.noise_model)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(model, folder, flags.size, flags.rounds)
    print(f"{flags.size}×{flags.size}, {flags.rounds} images per format in turns, {machine()}\n")
    print(table(rows))
    missing = [name for name in EXPORT_FORMATS if name not in {row.name for row in rows}]
    if missing:
        print(f"\nnot measured, for want of the extra: {', '.join(missing)}")
    return 0


def main(flags, _):
    """Export by the flags."""
    if not flags.model:
        raise UsageError("give --model")
    if flags.benchmark:
        if flags.output:
            raise UsageError("--benchmark writes nothing: leave --output out")
        return measure(flags)
    if not flags.output:
        raise UsageError("give --output")
    if flags.precision != "float32" and flags.format != "saved_model":
        raise UsageError(f"--precision goes with saved_model: the format {flags.format} is float32")
    from ssdn_keras.exporting.formats import FORMATS
    from ssdn_keras.exporting.inference import takes_level

    kind, output = FORMATS[flags.format], Path(flags.output)
    try:
        checked(kind.check, output, flags.overwrite)
    except FileExistsError as error:
        raise UsageError(str(error)) from None
    model = open_model(flags.model, flags.precision, flags.noise_parameter, flags.noise_model)
    kind.write(model, output)
    level = f", noise_level is {model.noise.unit}" if takes_level(model) else ""
    print(f"wrote {output}: {model.algorithm.name}, {model.noise}{level}")
    if model.value_range is not None:
        low, high = model.value_range
        print(f"images go in and come out with the values of the files; {low:g} to {high:g} is the range")
    return 0


if __name__ == "__main__":
    COMMAND.run(main)
