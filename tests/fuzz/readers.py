"""Reads a file of each kind as the commands do. Each function ends as the command line does: with SystemExit."""

from pathlib import Path

from PIL import Image


def _end(read):
    """Run `read` as a command's main function."""
    from ssdn_keras.cli import Command

    Command("python -m ssdn_keras.fuzz", "", needs_backend=False).run(lambda flags, rest: read(), ["fuzz"])


class BrokenPromise(Exception):  # noqa: N818
    """A reader does not do what its documentation says."""


class Same:
    """A denoiser that leaves images as they are."""

    algorithm = value_range = None

    def __init__(self, channels):
        self.channels = channels

    def level_input(self, noise_level, count):
        return None

    def predict_images(self, noisy, parameter):
        return {"denoised": noisy}


def image(path):
    """As `denoise` does, and as `train` does in a folder, which one damaged file must not end."""
    from ssdn_keras.data import open_source
    from ssdn_keras.data.files import collect
    from ssdn_keras.data.images import ImageError
    from ssdn_keras.denoising import denoise_file

    folder = path.parent / "folder"
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(folder / "whole.png")
    damaged = folder / f"damaged{path.suffix}"
    damaged.write_bytes(path.read_bytes())

    def read():
        source = open_source(folder, 3)
        for index in range(len(source)):
            source.image(index)
        # Of two files of different types the rarer, or the second, is named and left out.
        mixed = any("most of the others" in reason for _, reason in source.skipped)
        if len(source) + len(source.skipped) != 2:
            raise BrokenPromise(f"{len(source)} images and {len(source.skipped)} skipped in a folder of 2")
        for channels in (1, None):
            for source_path, target in collect([path], path.parent / "out"):
                try:
                    denoise_file(source_path, target, Same(channels))
                    if len(source) != 2 and not mixed:
                        raise BrokenPromise("denoise takes what train does not")
                except ImageError as error:
                    # What only needs to be read may have any name, a result must be the kind of file that it says.
                    misnamed = "its name must end in" in str(error)
                    if (len(source) == 2 or mixed) and not misnamed:
                        raise BrokenPromise(f"train takes what denoise does not: {error}") from error
                    raise ValueError(f"{path}: {error}") from None

    _end(read)


def training_file(path):
    """As `train` and `prepare` do: every image of an HDF5 or TFRecord file; a damaged one only ends itself."""
    from ssdn_keras.data import open_source

    def read():
        source, damaged = open_source(path, 3), None
        source.fingerprint  # noqa: B018
        for index in range(len(source)):
            source.name(index), source.filename(index), source.size(index)
            try:
                source.image(index)
            except ValueError as error:
                damaged = error
        if damaged is not None:
            raise damaged

    _end(read)


def keras_model(path):
    """As every command with --model does."""
    from ssdn_keras.model.files import load

    _end(lambda: load(path) and None)


def checkpoint(path):
    """As a training that goes on does, up to the point where its variables are set."""
    from ssdn_keras.training import checkpoint

    from .seeds.checkpoints import checkpoint_settings

    def read():
        state = checkpoint.read(path)
        state.check(path, checkpoint_settings(), None)
        position = state.position
        kinds = {"step": (int,), "rate_factor": (int, float), "bad_steps": (int,), "recorded": (bool,),
                 "best_psnr": (int, float, type(None))}  # fmt: skip
        for name, allowed in kinds.items():
            if type(getattr(position, name)) not in allowed:
                raise BrokenPromise(f"a position with {name}={getattr(position, name)!r:.60}")
        if not all(hasattr(array, "shape") for array in state.arrays.values()):
            raise BrokenPromise("an array that is none")

    _end(read)


def _convert(path, *flags):
    from ssdn_keras import convert

    target = path.parent / "converted" / ("x.keras" if path.suffix == ".npz" else "x.npz")
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    convert.COMMAND.run(convert.main, ["convert", str(path), str(target), *flags])


def network(path):
    """As `convert` does with files of other programs."""
    _convert(path)


def variables(path):
    """As `convert` does with variables by the authors' names."""
    _convert(path, "--experiment=gauss25-n2c-mono")


def flag_file(path):
    """As `train` does, which writes what it understood for the next time."""
    from ssdn_keras import train

    def read(flags, _):
        settings = train.read_settings(flags)
        again = path.parent / "again.cfg"
        again.write_text(settings.as_flags())
        flags, _ = train.COMMAND.parse(["train", f"--flagfile={again}", "--run_dir=y"])
        if train.read_settings(flags) != settings:
            raise BrokenPromise("the flag file of a training does not repeat it")

    train.COMMAND.run(read, ["train", f"--flagfile={path}"])


READERS = {
    "png": image, "jpeg": image, "hdf5": training_file, "tfrecord": training_file, "checkpoint": checkpoint,
    "keras": keras_model, "pickle": network, "wt": network, "npz": variables, "flags": flag_file,
}  # fmt: skip


def read(kind, path):
    """Read a file; raises SystemExit, or what a user would see as a traceback."""
    READERS[kind](Path(path))
