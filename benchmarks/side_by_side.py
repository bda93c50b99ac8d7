"""This package, the authors' program and the PyTorch reimplementation side by side; see README.md in this folder."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import goals

from ssdn_keras.benchmarking.settings import parse_size
from ssdn_keras.cli import Command, UsageError, checked, make_folder, say

COMMAND = Command(
    "python benchmarks/side_by_side.py",
    "Measures training steps and the denoising of one image of this package and, from your own checkouts, of the "
    "authors' program and of the PyTorch reimplementation: minibatches of one size, the same machine, in processes of "
    "their own, in turns. Writes side_by_side.md and side_by_side.json.",
)
COMMAND.group("Programs")
COMMAND.string("original", None, "Checkout of github.com/NVlabs/selfsupervised-denoising.")
COMMAND.string("pytorch", None, "Checkout of github.com/COMP6248-Reproducability-Challenge/selfsupervised-denoising.")
COMMAND.string("pytorch_python", sys.executable, "Interpreter that has PyTorch and what that program imports.")
COMMAND.group("Work")
COMMAND.integer("crop", 64, "Side of the crops, a multiple of 32.", lowest=32)
COMMAND.integer("minibatch", 4, "Crops per step.", lowest=1)
COMMAND.string("image", "768x512", "Width and height of the image to denoise.")
COMMAND.switch("variants", True, "Also measure N2V and the estimation of σ for each image.")
COMMAND.group("How")
COMMAND.integer(
    "threads",
    0,
    "Threads of each program; 0: as it likes. On a busy machine 1: PyTorch's threads wait by spinning.",
    lowest=0,
)
COMMAND.integer("rounds", 5, "Turns of the training steps.", lowest=1)
COMMAND.integer("steps", 4, "Training steps of each turn.", lowest=1)
COMMAND.integer("loss_steps", 20, "Evaluations of loss and posterior of each turn.", lowest=1)
COMMAND.integer("image_rounds", 3, "Turns of denoising; 0 leaves it out.", lowest=0)
COMMAND.string("output", "side_by_side", "Folder for the results.")


def starters(flags):
    """Dict of name to a function that starts the program."""
    import programs

    work = {"crop": flags.crop, "minibatch": flags.minibatch}
    result = {
        goals.FLOAT: partial(programs.ours, "float32", **work),
        goals.BFLOAT: partial(programs.ours, "mixed_bfloat16", **work),
    }
    if flags.original:
        result[goals.ORIGINAL] = partial(programs.Original, flags.original, **work)
    if flags.pytorch:
        result[goals.PYTORCH] = partial(programs.pytorch, flags.pytorch, flags.pytorch_python, **work)
    return result


def main(flags, _):
    """Measure by the flags."""
    import programs
    import turns

    from ssdn_keras.interop.original_program import check_checkout

    height, width = checked(parse_size, flags.image)
    if flags.threads:
        os.environ.update(OMP_NUM_THREADS=str(flags.threads), TF_NUM_INTRAOP_THREADS=str(flags.threads))
    if flags.crop % 32:
        raise UsageError(f"--crop must be a multiple of 32, for the others take no other. Received: {flags.crop}")
    if flags.original:
        checked(check_checkout, flags.original)
    if flags.pytorch:
        checked(programs.check_pytorch, flags.pytorch)
    folder = Path(make_folder(flags.output))
    trained, denoised = starters(flags), starters(flags)
    if flags.variants:
        work = {"crop": flags.crop, "minibatch": flags.minibatch}
        for precision, n2v, per_image in (
            ("float32", goals.N2V, goals.PER_IMAGE), ("mixed_bfloat16", goals.HALF_N2V, goals.HALF_PER_IMAGE),
        ):  # fmt: skip
            trained[n2v] = partial(programs.ours, precision, algorithm="n2v", **work)
            trained[per_image] = partial(programs.ours, precision, noise_parameter="per_image", **work)
    wall, processor = turns.training(trained, flags.rounds, flags.steps, flags.loss_steps)
    page = write(folder, flags, wall, processor)  # now, in case that a program cannot denoise so large an image
    if flags.image_rounds:
        parts = turns.denoising(denoised, flags.image_rounds, height, width)
        for whole, part in zip((wall, processor), parts, strict=True):
            for name, figures in part.items():
                whole[name].update(figures)
        page = write(folder, flags, wall, processor)
    say(page.rstrip())


def write(folder, flags, wall, processor):
    """Write both files; returns the page."""
    from ssdn_keras.benchmarking.device import has_gpu
    from ssdn_keras.reproduction.timing import machine

    page = "\n".join([
        f"Steps of {flags.minibatch}×{flags.crop}×{flags.crop}, images of {flags.image}, RGB, known σ; {machine()}. "
        f"Ratios of the same turn: median (lowest to highest) of {flags.rounds} turns of {flags.steps} steps, "
        f"{flags.image_rounds} images.",
        "",
        goals.table(wall, None if has_gpu() else processor),
        "",
    ])  # fmt: skip
    record = {"machine": machine(), "seconds": wall, "processor_seconds": processor,
              "settings": {name: flags[name].value for group in COMMAND.groups.values() for name in group}}  # fmt: skip
    (folder / "side_by_side.md").write_text(page)
    (folder / "side_by_side.json").write_text(json.dumps(record, indent=2) + "\n")
    return page


if __name__ == "__main__":
    COMMAND.run(main)
