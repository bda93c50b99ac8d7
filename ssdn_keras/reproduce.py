"""python -m ssdn_keras.reproduce: the report's table and figures on your images, from one command."""

import sys

from ssdn_keras.choices import OPTIMIZERS
from ssdn_keras.cli import Command, UsageError, checked, make_folder

COMMAND = Command(
    "python -m ssdn_keras.reproduce",
    "Trains every method of the reproducibility report's Table 1 under identical conditions, one after another, "
    "evaluates all of them and writes table.md, table.csv, curves, crops and index.html. Started again with the same "
    "--out it goes on where it was.",
)
COMMAND.group("Images")
COMMAND.string(
    "train_clean", None, "Clean training images: a folder of PNG and JPEG files, an HDF5 file, or TFRecord files."
)
COMMAND.string(
    "evaluate",
    None,
    "Test sets, separated by commas: kodak:DIR, bsd300:DIR and set14:DIR (used 10, 3 and 20 times), NAME:DIR or DIR "
    "(used once).",
)
COMMAND.string("val_clean", None, "Folder for the validation curves; by default that of the last test set.")
COMMAND.integer("val_images", 4, "How many of its images are used.", lowest=1)
COMMAND.integer("channels", 3, "3 for colour, 1 for grey; images are converted.", lowest=1, highest=3)
COMMAND.group("Methods")
COMMAND.string(
    "rows",
    None,
    "Methods, separated by commas: cbm3d, n2c, n2n, n2v, ssdn_mean, ssdn_per_image, ssdn_known (these seven by "
    "default), nlm, wavelet, n2v2, ssdn_global, original.",
)
COMMAND.string(
    "original",
    None,
    "Checkout of the authors' program (github.com/NVlabs/selfsupervised-denoising); adds the row original: it is "
    "trained on the same crops, in a process of its own.",
)
COMMAND.string("noise", "gauss25", "Noise model and level.")
COMMAND.switch(
    "freeze_noise", False, "Draw the noise once per training image instead of for every crop, for all methods alike."
)
COMMAND.group("Training, the same for all methods")
COMMAND.integer("images", 200_000, "Length of each training, in crops.", lowest=1)
COMMAND.integer("crop", 256, "Side of the square training crops, in pixels.", lowest=1)
COMMAND.integer("minibatch", 4, "Crops per step.", lowest=1)
COMMAND.integer("filters", 48, "Width of the networks, as of `train`.", lowest=1, highest=1024)
COMMAND.choice("optimizer", "adam", tuple(OPTIMIZERS), "adam, as published; or muon, which needs far fewer images.")
COMMAND.number(
    "learning_rate", None, "Rate between the ramps. By default 0.0003 for adam, as published, and 0.001 for muon.",
    lowest=0,
)  # fmt: skip
COMMAND.integer("seed", 0, "Seed of weights, crops and noise.", lowest=0, highest=2**32 - 1)
COMMAND.choice(
    "precision", "float32", ("float32", "mixed_bfloat16"), "What the networks compute in, in training and evaluation."
)
COMMAND.number(
    "ema", None, "Momentum of a moving average of the weights, such as 0.999, that is evaluated instead of them.",
    lowest=0, highest=0.999999,
)  # fmt: skip
COMMAND.integer(
    "validate_every", 4000, "A point of the curves, and a checkpoint, every so many images; 0 for the end only.",
    lowest=0,
)  # fmt: skip
COMMAND.group("Evaluation")
COMMAND.integer("repeats", None, "How often each test image is used, instead of the published number.", lowest=1)
COMMAND.integer("limit", None, "Use only the first so many images of each test set.", lowest=1)
COMMAND.group("Output")
COMMAND.string("out", None, "Folder for everything; rows/ holds the trainings and the denoised images.")
COMMAND.string("picture", None, "Image whose crop is shown under all methods, as SET/FILE; by default the first.")
COMMAND.number(
    "page_megabytes", 250.0, "index.html stays below this if need be by JPEG compression of its pictures.", lowest=1
)


def read_settings(flags):
    """Checked (`Reproduction`, row names) from parsed flags."""
    for name in ("train_clean", "evaluate", "out"):
        if not flags[name].value:
            raise UsageError(f"give --{name}")
    if flags.channels == 2:
        raise UsageError("--channels=2: image files have 3 (colour) or 1 (grey)")
    from ssdn_keras.choices import check_choice
    from ssdn_keras.evaluation.protocol import parse_test_sets
    from ssdn_keras.noise import parse_noise
    from ssdn_keras.reproduction.rows import REPORT_ROWS, ROWS
    from ssdn_keras.reproduction.settings import Reproduction

    names = [name for name in (flags.rows or ",".join(REPORT_ROWS)).split(",") if name]
    for name in names:
        checked(check_choice, "--rows", name, ROWS)
    if flags.original and "original" not in names:
        names.append("original")
    if not names or len(set(names)) < len(names):
        raise UsageError(f"--rows={flags.rows}: name each method once")
    spec = checked(parse_noise, flags.noise)
    if spec.levels is None:
        raise UsageError(f"--noise={flags.noise}: give a level to add, such as {spec.examples[0]}")
    test_sets = checked(parse_test_sets, flags.evaluate)
    shared = ("train_clean", "noise", "images", "crop", "minibatch", "channels", "filters", "optimizer",
              "learning_rate", "freeze_noise", "seed", "precision", "ema", "repeats", "limit", "val_images",
              "validate_every")  # fmt: skip
    settings = Reproduction(
        **{name: flags[name].value for name in shared},
        evaluate=tuple((test_set.name, str(test_set.folder)) for test_set in test_sets),
        val_clean=flags.val_clean or str(test_sets[-1].folder),
    )
    return settings, names


def main(flags, _):
    """Compare by the flags."""
    settings, names = read_settings(flags)
    from ssdn_keras.reproduction.run import Comparison, Interrupted

    comparison = Comparison(settings, names, flags.out, flags.picture, flags.page_megabytes, flags.original)
    make_folder(flags.out)
    try:
        comparison.run()
    except Interrupted as interrupted:
        print(f"{interrupted}: start again with --out={flags.out} to go on", file=sys.stderr)
        return 130
    print((comparison.out / "table.md").read_text())
    print(f"page: {comparison.out / 'index.html'}")
    return 0


if __name__ == "__main__":
    COMMAND.run(main)
