"""python -m ssdn_keras.benchmark: how many minibatches a second the input pipeline delivers here."""

import os
import time

from ssdn_keras.cli import Command, UsageError

COMMAND = Command(
    "python -m ssdn_keras.benchmark",
    "Measures the input pipeline alone: minibatches per second of random crops with noise, the median of five parts "
    "of the run. An accelerator is kept busy if it takes fewer.",
)
COMMAND.group("What")
COMMAND.string("train_clean", None, "Clean images: a folder of PNG and JPEG files, an HDF5 file, or TFRecord files.")
COMMAND.string("noise", "gauss25", "Noise model and level.")
COMMAND.integer("crop", 256, "Side of the crops, in pixels.", lowest=1)
COMMAND.integer("minibatch", 4, "Crops per minibatch.", lowest=1)
COMMAND.switch("freeze_noise", False, "Draw the noise once per image.")
COMMAND.number("seconds", 10.0, "How long to measure.", lowest=1)


def main(flags, _):
    """Measure by the flags."""
    if not flags.train_clean:
        raise UsageError("give --train_clean")
    import numpy as np

    from ssdn_keras.data import training_crops

    crops = training_crops(
        flags.train_clean, flags.noise, crop=flags.crop, minibatch=flags.minibatch, freeze_noise=flags.freeze_noise
    )
    batches, rates = iter(crops), []
    for _ in range(10):
        next(batches)
    for _ in range(5):
        count, began = 0, time.monotonic()
        while time.monotonic() - began < flags.seconds / 5:
            next(batches)
            count += 1
        rates.append(count / (time.monotonic() - began))
    print(
        f"{np.median(rates):.0f} minibatches/s of {flags.minibatch}×{flags.crop}×{flags.crop} ({flags.noise}), "
        f"{min(rates):.0f} to {max(rates):.0f}, on {os.cpu_count()} processors"
    )


if __name__ == "__main__":
    COMMAND.run(main)
