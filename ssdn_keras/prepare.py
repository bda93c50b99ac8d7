"""python -m ssdn_keras.prepare: make an HDF5 training file from a folder of images, or a folder from such a file."""

from pathlib import Path

from ssdn_keras.cli import Command, UsageError, make_folder

COMMAND = Command(
    "python -m ssdn_keras.prepare",
    "Writes the images of a folder into one HDF5 file, in the layout of the authors' program, for --train_clean or "
    "--train_noisy. Such a file is read piece by piece and may be larger than the memory. The other way round, an HDF5 "
    "file becomes a folder of PNG files, or another HDF5 file with some of its images. What cannot be read is named "
    "and skipped.",
    needs_backend=False,
)
COMMAND.group("Files")
COMMAND.string("input", None, "Folder of PNG and JPEG files, nested folders included; or an HDF5 file (.h5).")
COMMAND.string("output", None, "File to write (.h5); or, from an HDF5 file, a new or empty folder.")
COMMAND.switch("overwrite", False, "Replace the file if it exists.")
COMMAND.group("Selection")
COMMAND.integer("smallest", None, "Leave out images with a side below this (published: 256).", lowest=1)
COMMAND.integer("largest", None, "Leave out images with a side above this (published: 512).", lowest=1)
COMMAND.integer("max_files", None, "Stop after so many usable images.", lowest=1)
COMMAND.choice(
    "order",
    "path",
    ("path", "published"),
    "Of a folder's files: sorted; or exactly as the authors' tool does it, shuffled from its seed, and without files "
    "whose names end otherwise than .JPEG, .jpg or .png.",
)


def check_flags(flags):
    """(input, output, whether the output is an HDF5 file), as far as that can be said without reading."""
    from ssdn_keras.data.sources import HDF5_SUFFIXES

    if not flags.input or not flags.output:
        raise UsageError("give --input and --output")
    source, output = Path(flags.input), Path(flags.output)
    if flags.smallest and flags.largest and flags.smallest > flags.largest:
        raise UsageError(f"--smallest={flags.smallest} is above --largest={flags.largest}")
    from_file, to_file = (path.suffix.lower() in HDF5_SUFFIXES and not path.is_dir() for path in (source, output))
    if not from_file and not to_file:
        raise UsageError(f"--output={output}: the name must end in .h5")
    if from_file and flags["order"].present:
        raise UsageError("--order goes with a folder: an HDF5 file holds no names, its order is kept")
    if to_file and output.exists() and not flags.overwrite:
        raise UsageError(f"{output}: exists; give --overwrite to replace it")
    if not to_file and output.exists() and not output.is_dir():
        raise UsageError(f"{output}: exists and is not a folder")
    if not to_file and output.is_dir() and any(output.iterdir()):
        raise UsageError(f"{output}: is not empty; give another folder")
    return source, output, to_file


def main(flags, _):
    """Convert by the flags."""
    source, output, to_file = check_flags(flags)
    from ssdn_keras.data.convert import write_folder, write_hdf5

    selection = (flags.smallest, flags.largest, flags.max_files)
    if to_file:
        make_folder(output.parent)
        written, skipped = write_hdf5(source, output, *selection, flags.order)
    else:
        written, skipped = write_folder(source, output, *selection)
    print(f"{output}: {written} images, {skipped} skipped")


if __name__ == "__main__":
    COMMAND.run(main)
