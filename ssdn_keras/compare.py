"""python -m ssdn_keras.compare: the authors' program, from your checkout, and this package side by side."""

import sys

from ssdn_keras.cli import Command, UsageError, checked, make_folder

COMMAND = Command(
    "python -m ssdn_keras.compare",
    "Runs a checkout of the authors' program (github.com/NVlabs/selfsupervised-denoising) in a process of its own "
    "under the installed TensorFlow, and this package, on the same weights and the same noisy images; prints and "
    "writes how far the results lie apart. The checkout is only read.",
)
COMMAND.group("What is compared")
COMMAND.string("original", None, "Folder of the checkout.")
COMMAND.string("images", None, "Folder of clean images, which the experiment's noise is added to.")
COMMAND.string(
    "network", None, "A trained network of the authors (.pickle) or of this package (.keras); otherwise fresh weights."
)
COMMAND.string(
    "experiment",
    None,
    "Experiment, such as gauss25-blindspot-sigma_known, several separated by commas, or all; with --network by "
    "default what the file says.",
)
COMMAND.integer("limit", None, "Use only the first so many images.", lowest=1)
COMMAND.integer("seed", 0, "Seed of fresh weights, crops and noise.", lowest=0, highest=2**32 - 1)
COMMAND.group("Training")
COMMAND.integer(
    "train_steps", 0, "Train both for so many steps from the same weights on the same minibatches, at the full rate.",
    lowest=0,
)  # fmt: skip
COMMAND.integer(
    "train_images", 0, "Train both for so many images by the published schedule, from the published initialisation.",
    lowest=0,
)  # fmt: skip
COMMAND.integer("validate_every", 1000, "A point of its curves, and a saved state, every so many images.", lowest=1)
COMMAND.string(
    "train_clean",
    None,
    "Clean training images: a folder, an HDF5 file or TFRecord files; by default those of --images.",
)
COMMAND.integer("crop", 64, "Side of the square training crops; a multiple of 32.", lowest=32)
COMMAND.integer("minibatch", 4, "Crops per step.", lowest=1)
COMMAND.number("learning_rate", 3e-4, "Rate of Adam (between the ramps).", lowest=0)
COMMAND.group("Output")
COMMAND.string("output", "comparison", "Folder for index.html, table.md, comparison.json and the CSV files.")
COMMAND.integer("pictures", 4, "Show so many images of each experiment in index.html.", lowest=0)


def _subjects(flags):
    from ssdn_keras.comparison.subject import fresh_subject, network_subject
    from ssdn_keras.interop.experiments import EXPERIMENTS

    names = [name for name in (flags.experiment or "").split(",") if name]
    if flags.network:
        if len(names) > 1 or names == ["all"]:
            raise UsageError(f"--experiment={flags.experiment}: a network is of one experiment")
        return [network_subject(flags.network, names[0] if names else None)]
    if not names:
        raise UsageError("give --network or --experiment")
    if len(set(names)) < len(names):
        raise UsageError(f"--experiment={flags.experiment}: name each experiment once")
    return [checked(fresh_subject, name) for name in (EXPERIMENTS if names == ["all"] else names)]


def read_settings(flags):
    """(list of `Subject`, `Settings`) from parsed flags."""
    for name in ("original", "images"):
        if not flags[name].value:
            raise UsageError(f"give --{name}")
    if flags.crop % 32:
        raise UsageError(f"--crop={flags.crop}: must be a multiple of 32, which the authors' network needs")
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UsageError(f"the backend is {keras.backend.backend()}: compare needs KERAS_BACKEND=tensorflow")
    from ssdn_keras.comparison.run import Settings
    from ssdn_keras.interop.original_program import check_checkout

    check_checkout(flags.original)
    settings = Settings(
        checkout=flags.original, images=flags.images, train_clean=flags.train_clean or flags.images, limit=flags.limit,
        pictures=flags.pictures, train_steps=flags.train_steps, train_images=flags.train_images,
        validate_every=flags.validate_every, crop=flags.crop, minibatch=flags.minibatch, rate=flags.learning_rate,
        seed=flags.seed,
    )  # fmt: skip
    return _subjects(flags), settings


def main(flags, _):
    """Compare by the flags."""
    subjects, settings = read_settings(flags)
    from ssdn_keras.comparison.run import Interrupted, compare

    make_folder(flags.output)
    try:
        misses = compare(subjects, settings, flags.output)
    except Interrupted as interrupted:
        print(f"{interrupted}: start again with --output={flags.output} to go on", file=sys.stderr)
        return 130
    with open(f"{flags.output}/table.md") as file:
        print(file.read())
    for miss in misses:
        print(f"farther apart than the goal: {miss}", file=sys.stderr)
    print(f"page: {flags.output}/index.html")
    return 0


if __name__ == "__main__":
    COMMAND.run(main)
