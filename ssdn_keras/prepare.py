"""python -m ssdn_keras.prepare: make an HDF5 training file from a folder of images."""

from pathlib import Path

from ssdn_keras.cli import Command, UsageError, make_folder

COMMAND = Command(
    "python -m ssdn_keras.prepare",
    "Writes the images of a folder into one HDF5 file, in the layout of the authors' program, for --train_clean or "
    "--train_noisy. Such a file is read piece by piece and may be larger than the memory.",
    needs_backend=False,
)
COMMAND.group("Files")
COMMAND.string("input", None, "Folder of PNG and JPEG files, nested folders included.")
COMMAND.string("output", None, "File to write (.h5).")
COMMAND.switch("overwrite", False, "Replace the file if it exists.")
COMMAND.group("Selection")
COMMAND.integer("smallest", None, "Leave out images with a side below this (published: 256).", lowest=1)
COMMAND.integer("largest", None, "Leave out images with a side above this (published: 512).", lowest=1)


def main(flags, _):
    """Convert by the flags."""
    if not flags.input or not flags.output:
        raise UsageError("give --input and --output")
    output = Path(flags.output)
    if output.suffix.lower() not in (".h5", ".hdf5"):
        raise UsageError(f"--output={output}: the name must end in .h5")
    if output.exists() and not flags.overwrite:
        raise UsageError(f"{output}: exists; give --overwrite to replace it")
    make_folder(output.parent)
    from ssdn_keras.data.convert import write_hdf5

    written, skipped = write_hdf5(flags.input, output, flags.smallest, flags.largest)
    print(f"{output}: {written} images, {skipped} skipped")


if __name__ == "__main__":
    COMMAND.run(main)
