"""The formats, and writing a denoiser in one of them."""

import importlib
from dataclasses import dataclass
from pathlib import Path

from ssdn_keras.atomic import write_atomically
from ssdn_keras.choices import check_choice
from ssdn_keras.exporting.extras import require
from ssdn_keras.exporting.whole_folder import write_folder


@dataclass(frozen=True)
class Format:
    """A way to write a denoiser.

    Attributes:
        name: as the user writes it.
        module: where its `write(model, path)` is.
        suffix: that files of this format end with; None if it is a folder.
        extra, packages: extra of setup.py and packages of it that writing needs.
        traces: whether it holds a graph of operations, which only TensorFlow's backend gives.
    """

    name: str
    module: str
    suffix: str | None = None
    extra: str | None = None
    packages: tuple[str, ...] = ()
    traces: bool = True

    def check(self, path, overwrite):
        """Whether a denoiser can be written to `path`, before any work.

        Raises:
            ValueError: packages or the backend are missing, or the name does not fit.
            FileExistsError: something is there already that may not be replaced.
        """
        import keras

        try:
            require(self.extra, self.packages)
        except ValueError as error:
            raise ValueError(f"the format {self.name} {error}") from None
        if self.traces and keras.backend.backend() != "tensorflow":
            raise ValueError(
                f"the format {self.name} is written with TensorFlow, the backend is {keras.backend.backend()}: "
                "set KERAS_BACKEND=tensorflow, the .keras file is the same"
            )
        if self.suffix and path.suffix.lower() != self.suffix:
            raise ValueError(f"{path}: the format {self.name} is a file whose name ends in {self.suffix}")
        if not path.exists() and not path.is_symlink():
            return
        if not overwrite:
            raise FileExistsError(f"{path} exists: give --overwrite (in Python overwrite=True) to replace it")
        if self.suffix is None and not (path.is_dir() and path.joinpath("saved_model.pb").is_file()):
            raise FileExistsError(f"{path} exists and is no SavedModel, which alone would be replaced")
        if self.suffix and not path.is_file():
            raise FileExistsError(f"{path} exists and is no file")

    def write(self, model, path):
        """Write the denoiser, whole or not at all.

        Raises:
            ValueError: its noise level has two numbers, which this format has no input for.
        """
        if self.traces and model.noise.parameter_shape and model.algorithm.uses_noise_model and not model.estimated:
            raise ValueError(
                f"the format {self.name} takes one number as noise_level, {model.noise.kind} noise has two: export a "
                "model that estimates them (noise_parameter global or per_image), or its weights as safetensors"
            )
        writer = importlib.import_module(self.module).write
        path.parent.mkdir(parents=True, exist_ok=True)
        put = write_atomically if self.suffix else write_folder
        put(path, lambda temporary: writer(model, temporary))


FORMATS = {
    kind.name: kind
    for kind in (
        Format("saved_model", "ssdn_keras.exporting.saved_model"),
        Format("onnx", "ssdn_keras.exporting.onnx_file", ".onnx", "onnx", ("onnx", "tf2onnx")),
        Format(
            "safetensors", "ssdn_keras.exporting.safetensors_file", ".safetensors", "safetensors", ("safetensors",),
            traces=False,
        ),
    )
}  # fmt: skip


def export(model, path, format="saved_model", overwrite=False):
    """See `Denoiser.export_denoiser`."""
    path = Path(path)
    kind = FORMATS[check_choice("format", format, FORMATS)]
    kind.check(path, overwrite)
    kind.write(model, path)
    return path
