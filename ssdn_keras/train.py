"""python -m ssdn_keras.train: train a denoiser from images."""

import math
import sys

from ssdn_keras.choices import MEAN_STARTS, NOISE_PARAMETERS, OPTIMIZERS
from ssdn_keras.cli import Command, UsageError, checked, make_folder

COMMAND = Command(
    "python -m ssdn_keras.train",
    "Trains a denoiser. Give clean images, to which noise is added, or your own noisy images. Started again with the "
    "same --run_dir it goes on where it was.",
)
COMMAND.group("Training images (one of the two)")
COMMAND.string(
    "train_clean",
    None,
    "Clean images: a folder of PNG, JPEG, WebP, BMP and TIFF files (each page of a stack is an image), an HDF5 file, "
    "or TFRecord shards. Noise is added to them, neither clipped nor rounded.",
)
COMMAND.string("train_noisy", None, "Noisy images: the same kinds. Nothing is added; nothing clean is needed.")
COMMAND.string(
    "value_range",
    "auto",
    "Which values of the files become 0 and 1 for the network: dtype (0 and the largest value of the type, for floats "
    "1), percentiles (0.1 and 99.9 of the training images), or two numbers LOW,HIGH. auto: dtype for 8-bit images, "
    "percentiles for others. The model keeps it, and results have the files' values again.",
)
COMMAND.string(
    "clipped",
    "auto",
    "Whether noisy values were clipped and rounded, so that the likelihood of gauss, poisson and poisson_gauss noise "
    "knows it: yes, no, or the values LOW,HIGH of the files at which they were. Floats count as not rounded. auto: yes "
    "for --train_noisy of 8-bit images. With --train_clean (8 bits) the noise says it: --noise=gauss25-clipped.",
)
COMMAND.switch("freeze_noise", False, "With --train_clean: draw the noise once per image instead of for every crop.")
COMMAND.switch(
    "clip_noise", False, "With --train_clean of 8-bit images: clip noisy values and round them to 8 bits, as a file "
    "would."
)  # fmt: skip
COMMAND.switch("augment", False, "Rotate by quarters of a circle and reflect the training crops at random.")
COMMAND.integer("crop", 256, "Side of the square training crops, in pixels. Smaller images are left out.", lowest=1)
COMMAND.group("Published experiment")
COMMAND.string(
    "experiment",
    None,
    "One of the authors' 46 by its name, such as gauss25-blindspot_diag-sigma_global or poisson30-n2c-mono. It sets "
    "--noise, --noise_parameter, --algorithm, --channels and --diagonal_covariance, and --images unless that is given. "
    "All other flags are as published by default.",
)
COMMAND.group("Noise")
COMMAND.string(
    "noise",
    "gauss25",
    "Noise model and level: gauss (σ in the values of the files), poisson (λ, events at the upper end of the value "
    "range), impulse (percent), with a number or a range, such as gauss25, poisson5_50, impulse50; or poisson_gauss "
    "(gain and read noise in the values of the files), such as poisson_gauss2+5 or poisson_gauss0.5_4+2_10. With "
    "--train_noisy and an estimated parameter the level may be left out: gauss.",
)
COMMAND.choice(
    "noise_parameter",
    "known",
    NOISE_PARAMETERS,
    "Whether the noise level is given, learnt as one constant, or estimated for each image by a second network; or "
    "maximum_likelihood: given in training, and for every other image the level under which it is most likely. With "
    "--train_noisy and global, gain and read noise of poisson_gauss start at the level that --noise names.",
)
COMMAND.group("Method")
COMMAND.choice(
    "algorithm",
    "ssdn",
    ("ssdn", "ssdn_mean", "n2c", "n2n", "n2v", "n2v2"),
    "ssdn: blind spot with prior; ssdn_mean: blind spot, mean only; n2c: from clean images; n2n: from pairs "
    "of noisy ones; n2v: Noise2Void, from noisy images with some pixels replaced; n2v2: the same, replaced by medians.",
)
COMMAND.integer(
    "channels", 3, "3 for colour, 1 for grey; these are converted into each other. Or as many as all images have.",
    lowest=1, highest=64,
)  # fmt: skip
COMMAND.switch("diagonal_covariance", False, "A prior whose colour channels are independent.")
COMMAND.integer("blindspot_size", 1, "Width of the blind spot in pixels: 1, 3, 5, …", lowest=1)
COMMAND.integer(
    "filters", None, "Filters of the network's encoder, half of the decoder's: fewer are faster, more are better in a "
    "long training. By default 48, as published, or as many as --init has.", lowest=1, highest=1024,
)  # fmt: skip
COMMAND.integer(
    "estimator_filters", None, "The same of the network that estimates the noise. By default as --filters.", lowest=1,
    highest=1024,
)  # fmt: skip
COMMAND.choice(
    "mean_start", None, MEAN_STARTS, "neighbours: the mean is that of the pixels next to the blind spot and a "
    "learned correction, which trains faster. By default none, as published, or as --init has.",
)  # fmt: skip
COMMAND.group("Masks of n2v and n2v2")
COMMAND.integer("n2v_box", 8, "Side of the boxes, in pixels, that each get their share of masked pixels.", lowest=2)
COMMAND.number(
    "n2v_percentage", None, "Masked pixels in percent. By default one in every box: 1.5625 with boxes of 8.", lowest=0,
    highest=50,
)  # fmt: skip
COMMAND.integer("n2v_neighbourhood", 5, "Side of the square that replacements come from: 3, 5, 7, …", lowest=3)
COMMAND.group("Optimisation")
COMMAND.integer("images", 2_000_000, "Length of the training, in crops.", lowest=1)
COMMAND.integer("minibatch", 4, "Crops per step.", lowest=1)
COMMAND.choice(
    "optimizer", "adam", tuple(OPTIMIZERS), "adam, as published; or muon, which learns faster: it gives all directions "
    "of a kernel's update the same length.",
)  # fmt: skip
COMMAND.number(
    "learning_rate", None, "Rate between the ramps. By default 0.0003 for adam, as published, and 0.001 for muon.",
    lowest=0,
)  # fmt: skip
COMMAND.number("ramp_up", 0.1, "Part of the training during which the rate rises.", lowest=0, highest=1)
COMMAND.number("ramp_down", 0.3, "Part of the training during which the rate falls.", lowest=0, highest=1)
COMMAND.integer("seed", 0, "Seed of weights, crops and noise.", lowest=0, highest=2**32 - 1)
COMMAND.choice("precision", "float32", ("float32", "mixed_bfloat16"), "What the networks compute in.")
COMMAND.number(
    "ema",
    None,
    "Momentum of a moving average of the weights, such as 0.999, that final.keras gets.",
    lowest=0,
    highest=0.999999,
)
COMMAND.string(
    "init",
    None,
    "Model (.keras) to start from, or the name of a network that comes with the package, such as gauss-rgb: "
    "fine-tuning. Its noise may be of another kind.",
)
COMMAND.group("Run")
COMMAND.string(
    "run_dir",
    None,
    "Folder for everything the training writes: flags.cfg (repeats the run), run.json (versions, machine, data), "
    "metrics.csv, tensorboard, checkpoints, best.keras (with --val_clean), final.keras. By default a new one below "
    "runs/.",
)
COMMAND.integer("checkpoint_every", 4000, "Write a checkpoint every so many images; 0 for the end only.", lowest=0)
COMMAND.integer("keep_checkpoints", 3, "How many checkpoints are kept, beside the best one.", lowest=1)
COMMAND.integer(
    "max_bad_steps",
    25,
    "Steps without a finite gradient are skipped. After so many in a row the training goes back to the last good "
    "checkpoint and halves its learning rate; 0: never.",
    lowest=0,
)
COMMAND.group("Devices")
COMMAND.choice(
    "strategy",
    "one",
    ("one", "mirrored", "multiworker"),
    "one: one device; mirrored: several GPUs of this machine, among which each minibatch is shared; multiworker: "
    "several machines, named by TF_CONFIG. The crops, their noise and the result are the same.",
)
COMMAND.string("devices", "all", "Which GPUs, by number: 0,2. Or cpu*2: so many parts of the processor, to try it.")
COMMAND.group("Validation")
COMMAND.string("val_clean", None, "Folder of clean images for the validation PSNR. Needs a noise level.")
COMMAND.integer("val_images", 4, "How many of them are used.", lowest=1)
COMMAND.integer(
    "validate_every", 4000, "Write metrics, and validate, every so many images; 0 for the end only.", lowest=0
)


def apply_experiment(flags):
    """Set what --experiment stands for.

    Raises:
        UsageError: there is no such experiment, or another flag contradicts it.
    """
    if flags.experiment is None:
        return
    from ssdn_keras.interop.experiments import parse_experiment

    experiment = checked(parse_experiment, flags.experiment)
    for name in ("noise", "noise_parameter", "algorithm", "channels", "diagonal_covariance"):
        published, flag = getattr(experiment, name), flags[name]
        if flag.present and flag.value != published:
            shown, other = (_as_flag(name, value) for value in (flag.value, published))
            raise UsageError(f"{shown} contradicts --experiment={experiment.name}, which has {other}")
        flag.value = published
    if not flags["images"].present:
        flags.images = experiment.images


def _as_flag(name, value):
    return f"--{'' if value else 'no'}{name}" if isinstance(value, bool) else f"--{name}={value}"


def _span(value_range):
    """See `NoiseSpec`; infinite where the images decide, so that no level is refused too early."""
    return math.inf if isinstance(value_range, str) else value_range[1] - value_range[0]


def read_settings(flags):
    """Checked `TrainSettings` from parsed flags."""
    from ssdn_keras.algorithms import ALGORITHMS
    from ssdn_keras.data.measured_clipping import check_sense, parse_clipped
    from ssdn_keras.noise import parse_noise
    from ssdn_keras.training.settings import TrainSettings
    from ssdn_keras.value_range import parse_value_range

    apply_experiment(flags)
    if (flags.train_clean is None) == (flags.train_noisy is None):
        both = "not both" if flags.train_clean else "one of them"
        raise UsageError(f"give --train_clean (noise is added) or --train_noisy (nothing is added), {both}")
    if flags.run_dir is None and flags.strategy == "multiworker":
        raise UsageError("give --run_dir, a folder that all workers see")
    wanted = checked(parse_value_range, flags.value_range)
    if checked(parse_clipped, flags.clipped) not in ("auto", "no") and flags.train_clean:
        name = flags.noise.removesuffix("-clipped")
        raise UsageError(f"--clipped={flags.clipped} goes with --train_noisy; here give --noise={name}-clipped alone")
    # Which levels there can be is not known before the images are, where the range follows from them.
    spec = checked(parse_noise, flags.noise, _span(wanted))
    checked(check_sense, flags.clipped, spec, ALGORITHMS[flags.algorithm].uses_noise_model)
    if flags.n2v_neighbourhood % 2 == 0:
        raise UsageError(f"--n2v_neighbourhood={flags.n2v_neighbourhood}: must be odd")
    for name in ("n2v_box", "n2v_neighbourhood"):
        if flags.algorithm.startswith("n2v") and flags[name].value > flags.crop:
            raise UsageError(f"--{name}={flags[name].value}: must fit into a crop of {flags.crop}")
    if flags.n2v_percentage == 0:
        raise UsageError("--n2v_percentage=0: at least some pixels must be masked")
    if flags.blindspot_size % 2 == 0:
        raise UsageError(f"--blindspot_size={flags.blindspot_size}: must be odd")
    if flags.train_noisy and (flags.freeze_noise or flags.clip_noise):
        raise UsageError("--freeze_noise and --clip_noise go with --train_clean: to noisy images nothing is added")
    if flags.train_noisy and flags.algorithm in ("n2c", "n2n"):
        raise UsageError(f"--algorithm={flags.algorithm} needs --train_clean; noisy images train ssdn, ssdn_mean, n2v")
    needs_level = flags.train_clean or flags.val_clean
    learns_level = flags.noise_parameter in ("global", "per_image")
    if spec.levels == (0, 0):
        raise UsageError(f"--noise={flags.noise}: 0 is no noise; give a level above 0, such as {spec.examples[0]}")
    if spec.levels is None and needs_level:
        raise UsageError(f"--noise={flags.noise}: give a level to add, such as {spec.examples[0]}")
    if flags.train_noisy and flags.algorithm == "ssdn" and not learns_level and spec.varying:
        raise UsageError(
            f"--noise={flags.noise} with --train_noisy: the level of each image is not known; name one level, such as "
            f"{spec.examples[0]}, or use --noise_parameter=per_image"
        )
    if flags.algorithm == "ssdn" and flags.noise_parameter == "maximum_likelihood" and not spec.can_be_sought:
        raise UsageError(f"--noise_parameter=maximum_likelihood is not for {spec.kind} noise: use per_image")
    if flags.mean_start == "neighbours" and not ALGORITHMS[flags.algorithm].blind:
        raise UsageError(
            f"--mean_start=neighbours needs a blind spot, which --algorithm={flags.algorithm} does not have"
        )
    values = {name: flags[name].value for name in TrainSettings.__dataclass_fields__}
    return TrainSettings.with_absolute_paths(**{**values, **_of_network(flags, TrainSettings)})


def _of_network(flags, defaults):
    """Settings of the network, of which --init says what no flag does."""
    found = {name: getattr(defaults, name) for name in ("filters", "estimator_filters", "mean_start")}
    given = {name: flags[name].value for name in found if flags[name].value is not None}
    if flags.init and len(given) < len(found):
        from ssdn_keras.model.files import network_settings_of

        found = network_settings_of(flags.init)
    return {**found, **given}


def main(flags, _):
    """Train by the flags."""
    settings = read_settings(flags)
    from ssdn_keras.training.replicas import WorkerLost
    from ssdn_keras.training.run import train
    from ssdn_keras.training.run_folder import next_folder

    run_dir = flags.run_dir
    if run_dir is None:
        run_dir = next_folder("runs", settings.short_name)
        print(f"run folder: {run_dir}", file=sys.stderr)
    make_folder(run_dir)
    try:
        outcome = train(settings, run_dir)
    except WorkerLost as error:
        COMMAND.leave(error, 1)
    if outcome.final is None:
        print(f"interrupted: start again with --run_dir={run_dir} to go on", file=sys.stderr)
        return 128 + outcome.signal
    print(f"trained: {outcome.final}")
    return 0


if __name__ == "__main__":
    COMMAND.run(main)
