"""python -m ssdn_keras, and the script ssdn: all commands under one name.

Nothing that a command needs is imported before that command is known, so that the list and --help answer at once.
"""

import copy
import difflib
import importlib
import sys

from ssdn_keras.cli import say
from ssdn_keras.version import __version__

# Every command, in the order in which one meets them: module `ssdn_keras.NAME` and what the list says about it.
COMMANDS = {
    "demo": "watch a network learn to denoise from noisy photographs alone",
    "diagnose": "measure the noise of your images: does the method fit, and with which flags?",
    "train": "train a denoiser from your noisy images, or from clean ones to which noise is added",
    "denoise": "denoise image files, with a trained model or a classical method",
    "evaluate": "PSNR and SSIM of a model by the published protocol",
    "reproduce": "train and compare all methods on your images: table, curves, a page",
    "prepare": "make an HDF5 file or TFRecord shards from a folder of training images, and back",
    "convert": "read networks of the authors' program and of the PyTorch reimplementation",
    "export": "write a trained model as SavedModel, ONNX or safetensors, for other programs",
    "compare": "run the authors' program, from your checkout, and this package side by side",
    "benchmark": "measure training, denoising, the device and the input pipeline",
}
_HELP = ("--help", "-help", "-h", "--helpfull", "help")


def command_list(program):
    """The text that the program prints without a command."""
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            f"usage: {program} COMMAND [--flag=value ...]",
            "",
            "Self-supervised image denoising (Laine et al., NeurIPS 2019) for Keras 3 and TensorFlow 2.",
            "",
            "Commands:",
            *(f"  {name:{width}}  {line}" for name, line in COMMANDS.items()),
            "",
            f"{program} COMMAND --help explains the flags of a command; {program} --version prints the version.",
        ]
    )


def main(argv=None, program="ssdn"):
    """Run the command that the first argument names; `argv` is without the program's name."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv[:1] == ["help"] and len(argv) > 1:
        argv = [*argv[1:], "--help"]
    if not argv or argv[0] in _HELP:
        say(command_list(program))
        sys.exit(0)
    name, rest = argv[0], argv[1:]
    if name in ("--version", "-version"):
        print(f"ssdn_keras {__version__}")
        sys.exit(0)
    if name not in COMMANDS:
        close = difflib.get_close_matches(name.lower(), COMMANDS, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]}?" if close else ""
        what = "flags follow a command" if name.startswith("-") else f"unknown command {name!r}{hint}"
        print(f"{program}: error: {what} (see {program} --help)", file=sys.stderr)
        sys.exit(2)
    module = importlib.import_module(f"ssdn_keras.{name}")
    command = copy.copy(module.COMMAND)
    command.name = f"{program} {name}"  # as the user typed it, for the usage line
    command.run(module.main, [name, *rest])


if __name__ == "__main__":
    main(program="python -m ssdn_keras")
