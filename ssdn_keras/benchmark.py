"""python -m ssdn_keras.benchmark: how fast a denoiser trains and denoises here, and what the machine could do."""

from ssdn_keras.benchmarking.settings import COMPILERS, PARTS, PRECISIONS, Settings, parse_parts, parse_size
from ssdn_keras.choices import MEAN_STARTS, NOISE_PARAMETERS, OPTIMIZERS
from ssdn_keras.cli import Command, UsageError, checked, make_folder, say

COMMAND = Command(
    "python -m ssdn_keras.benchmark",
    "Measures a training step, the denoising of one image, the device's matrix rate and copy bandwidth, and the input "
    "pipeline alone: median and spread, peak memory, and speed in operations of the model as published. KERAS_BACKEND "
    "chooses the backend. Times depend on what else the machine does: compare only what was measured in turns.",
)
COMMAND.group("What")
COMMAND.string("parts", ",".join(PARTS), "What to measure, joined by commas; input needs --train_clean.")
COMMAND.string("noise", "gauss25", "Noise model and level.")
COMMAND.choice("noise_parameter", "known", NOISE_PARAMETERS, "How the noise parameter is known.")
COMMAND.string("algorithm", "ssdn", "What the network learns from: ssdn, ssdn_mean, n2c, n2n, n2v or n2v2.")
COMMAND.integer("channels", 3, "Channels of the images.", lowest=1, highest=64)
COMMAND.switch("diagonal_covariance", False, "A prior whose channels are independent.")
COMMAND.integer("blindspot_size", 1, "Width of the blind spot: 1, 3, 5, …", lowest=1)
COMMAND.integer("filters", 48, "Width of the network, as of `train`.", lowest=1, highest=1024)
COMMAND.integer("estimator_filters", None, "The same of the network that estimates the noise.", lowest=1, highest=1024)
COMMAND.choice("mean_start", "none", MEAN_STARTS, "What the mean starts from, as of `train`.")
COMMAND.choice("precision", "float32", tuple(PRECISIONS), "What the networks compute in.")
COMMAND.choice("xla", "auto", tuple(COMPILERS), "Whether to compile with XLA; auto: with JAX, and on a GPU.")
COMMAND.group("Training")
COMMAND.integer("crop", 64, "Side of the crops, in pixels.", lowest=1, highest=16384)
COMMAND.integer("minibatch", 4, "Crops per minibatch.", lowest=1)
COMMAND.choice("optimizer", "adam", tuple(OPTIMIZERS), "As of `train`.")
COMMAND.integer("steps", 4, "Steps of each figure; on a GPU take 20 or more.", lowest=1)
COMMAND.integer("steps_per_execution", 1, "Steps that Keras runs in one call.", lowest=1)
COMMAND.group("Denoising")
COMMAND.string("image", "768x512", "Width and height of the image.")
COMMAND.group("Input pipeline")
COMMAND.string("train_clean", None, "Clean images: a folder of PNG and JPEG files, an HDF5 file, or TFRecord files.")
COMMAND.switch("freeze_noise", False, "Draw the noise once per image.")
COMMAND.number("seconds", 10.0, "How long to measure.", lowest=1)
COMMAND.group("How")
COMMAND.integer("repeats", 7, "Figures of which the median is taken.", lowest=1)
COMMAND.integer("warm_up", 2, "Figures before, which are not counted.", lowest=0)
COMMAND.string("output", None, "Folder for benchmark.md and benchmark.json. Without it the page is only printed.")


def main(flags, _):
    """Measure by the flags."""
    parts, image = checked(parse_parts, flags.parts), checked(parse_size, flags.image)
    if parts == ("input",) and not flags.train_clean:
        raise UsageError("the input pipeline needs images: give --train_clean")
    if flags.steps % flags.steps_per_execution:
        raise UsageError("--steps must be a multiple of --steps_per_execution")
    if flags.output:
        make_folder(flags.output)
    names = [name for name in Settings.__dataclass_fields__ if name not in ("parts", "image")]
    settings = Settings(parts=parts, image=image, **{name: flags[name].value for name in names})

    from ssdn_keras.benchmarking.output import write
    from ssdn_keras.benchmarking.report import markdown
    from ssdn_keras.benchmarking.run import build, run

    results = run(settings, checked(build, settings))
    if flags.output:
        write(results, flags.output)
    say(markdown(results).rstrip())


if __name__ == "__main__":
    COMMAND.run(main)
