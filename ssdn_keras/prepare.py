"""python -m ssdn_keras.prepare: training images from a folder to an HDF5 file or TFRecord shards, and back."""

from pathlib import Path

from ssdn_keras.cli import Command, UsageError, make_folder

COMMAND = Command(
    "python -m ssdn_keras.prepare",
    "Writes the images of a folder into one HDF5 file, in the layout of the authors' program, or into TFRecord files, "
    "for --train_clean or --train_noisy. Both are read piece by piece and may be larger than the memory. The other way "
    "round, such files become a folder of PNG files (TIFF where 8 bits do not suffice); and each kind becomes the "
    "other, or the same with some of its images. Files are written whole or not at all. What cannot be read is named "
    "and skipped.",
    needs_backend=False,
    tidy=True,
)
COMMAND.group("Files")
COMMAND.string(
    "input",
    None,
    "Folder of image files, nested folders included; an HDF5 file (.h5); or TFRecord files: one, a folder of "
    "shards, a pattern with *, or photos.tfrecord for all of photos-00000-of-00016.tfrecord and so on.",
)
COMMAND.string(
    "output",
    None,
    "HDF5 file to write (.h5); photos.tfrecord for the shards photos-00000-of-00016.tfrecord and so on; or, from such "
    "files, a new or empty folder.",
)
COMMAND.integer("shards", None, "Number of TFRecord files; by default one for every 256 MiB.", lowest=1, highest=99999)
COMMAND.switch("overwrite", False, "Replace the file, or all shards of the name, if there are any.")
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
    """(input, output, kind of output: "hdf5", "tfrecord" or "folder"), as far as that can be said without reading."""
    from ssdn_keras.data.shards import TFRECORD_SUFFIXES, existing_shards, names_tfrecord
    from ssdn_keras.data.sources import HDF5_SUFFIXES

    if not flags.input or not flags.output:
        raise UsageError("give --input and --output")
    source, output = Path(flags.input), Path(flags.output)
    if flags.smallest and flags.largest and flags.smallest > flags.largest:
        raise UsageError(f"--smallest={flags.smallest} is above --largest={flags.largest}")
    from_file = names_tfrecord(source) or (source.suffix.lower() in HDF5_SUFFIXES and not source.is_dir())
    kinds = {**dict.fromkeys(HDF5_SUFFIXES, "hdf5"), **dict.fromkeys(TFRECORD_SUFFIXES, "tfrecord")}
    kind = "folder" if output.is_dir() else kinds.get(output.suffix.lower(), "folder")
    if not from_file and kind == "folder":
        raise UsageError(f"--output={output}: the name must end in .h5 or .tfrecord")
    if from_file and flags["order"].present:
        raise UsageError("--order goes with a folder of images: the order of a file is kept")
    if flags.shards and kind != "tfrecord":
        raise UsageError("--shards goes with an --output that ends in .tfrecord")
    older = existing_shards(output) if kind == "tfrecord" else [output] * output.exists()
    if kind != "folder" and older and not flags.overwrite:
        raise UsageError(f"{older[0]}: exists; give --overwrite to replace it")
    if kind == "folder" and output.exists() and not output.is_dir():
        raise UsageError(f"{output}: exists and is not a folder")
    if kind == "folder" and output.is_dir() and any(output.iterdir()):
        raise UsageError(f"{output}: is not empty; give another folder")
    return source, output, kind


def main(flags, _):
    """Convert by the flags."""
    source, output, kind = check_flags(flags)
    from ssdn_keras.data import convert

    selection = (flags.smallest, flags.largest, flags.max_files, flags.order)
    if kind != "folder":
        make_folder(output.parent)
    if kind == "hdf5":
        written, skipped = convert.write_hdf5(source, output, *selection)
    elif kind == "tfrecord":
        written, skipped = convert.write_tfrecord(source, output, *selection, flags.shards)
    else:
        written, skipped = convert.write_folder(source, output, *selection)
    print(f"{output}: {written} images, {skipped} skipped")


if __name__ == "__main__":
    COMMAND.run(main)
