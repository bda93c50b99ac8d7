"""python -m ssdn_keras.evaluate: PSNR and SSIM of a trained model by the published protocol."""

from pathlib import Path

from ssdn_keras.choices import CLASSICAL_NAMES, EXCHANGEABLE_NOISE
from ssdn_keras.cli import Command, UsageError, checked, make_folder

COMMAND = Command(
    "python -m ssdn_keras.evaluate",
    "Adds noise from fixed seeds to clean images, the same on every machine, denoises them with a trained model or a "
    "classical method and prints mean PSNR (dB) "
    "and SSIM of the noisy input, of the network's mean and of the posterior mean, all rounded to 8 bits.",
)
COMMAND.group("What")
COMMAND.string("model", None, "Trained model (.keras), or the name of a network that comes with the package.")
COMMAND.choice("algorithm", None, CLASSICAL_NAMES, "Instead of a model: non-local means, wavelet shrinkage or CBM3D.")
COMMAND.integer("channels", 3, "With --algorithm: 3 for colour, 1 for grey; images are converted.", lowest=1, highest=3)
COMMAND.string(
    "data",
    None,
    "Test sets, separated by commas: kodak:DIR, bsd300:DIR and set14:DIR (used 10, 3 and 20 "
    "times), NAME:DIR or DIR (used once).",
)
COMMAND.string("noise", None, "Noise to add, such as gauss25; by default what the model was trained for.")
COMMAND.noise_of_model()
COMMAND.group("Protocol")
COMMAND.integer("repeats", None, "How often each image is used, instead of the published number.", lowest=1)
COMMAND.integer("limit", None, "Use only the first so many images of each set.", lowest=1)
COMMAND.integer("seed", 0, "Seed of the noise.", lowest=0, highest=2**32 - 1)
COMMAND.switch(
    "self_ensemble", False, "Average over the eight rotations and reflections of each image: eight times the time."
)
COMMAND.choice(
    "precision",
    "float32",
    ("float32", "mixed_bfloat16"),
    "What the model's networks compute in. mixed_bfloat16 is faster where the processor or the GPU has it, and not "
    "exact.",
)
COMMAND.group("Output")
COMMAND.string(
    "output", None, "Folder for per_image.csv, results.json and the images; by default `evaluation` beside the model."
)
COMMAND.switch("save_images", False, "Write clean, noisy, mean and denoised images of the first repeat.")


def main(flags, _):
    """Evaluate by the flags."""
    if bool(flags.model) == bool(flags.algorithm) or not flags.data:
        raise UsageError("give --model or --algorithm, and --data")
    if flags.algorithm and (not flags.noise or not flags.output):
        raise UsageError("with --algorithm, give --noise, such as gauss25, and --output")
    if flags.channels == 2 or (flags.model and flags["channels"].present):
        raise UsageError("--channels is 3 or 1, and goes with --algorithm: a model has its own")
    for name in ("precision", "noise_parameter", "noise_model"):
        if flags.algorithm and flags[name].present:
            raise UsageError(f"--{name} goes with --model")
    from ssdn_keras.evaluation.protocol import parse_test_sets
    from ssdn_keras.noise import parse_noise

    test_sets = checked(parse_test_sets, flags.data)
    spec = checked(parse_noise, flags.noise) if flags.noise else None
    for test_set in test_sets:
        test_set.paths()
    output = flags.output or str(Path(flags.model).parent / "evaluation")  # of a network of the package: here

    from ssdn_keras.evaluation.run import evaluate
    from ssdn_keras.model.classical import ClassicalDenoiser
    from ssdn_keras.model.files import load

    if flags.algorithm:
        model = ClassicalDenoiser(flags.algorithm, spec, flags.channels)
    else:
        model = load(flags.model, flags.precision, flags.noise_parameter, flags.noise_model)
    spec = spec or model.noise
    if spec.levels is None:
        what = flags.algorithm or f"{flags.model} was trained on {spec} of unknown level"
        raise UsageError(f"{what}: give --noise with a level, such as {spec.examples[0]}")
    if model.algorithm.uses_noise_model and spec.kind != model.noise.kind:
        way = f"; --noise_model={spec.kind} makes it take that" if spec.kind in EXCHANGEABLE_NOISE else ""
        raise UsageError(f"--noise={spec}: the model was made for {model.noise.kind} noise{way}")
    make_folder(output)
    record = {"model": model.get_config(), "noise": str(spec), "seed": flags.seed}
    record.update(self_ensemble=flags.self_ensemble, precision=flags.precision)
    evaluate(
        model, test_sets, spec, output, flags.save_images, record,
        seed=flags.seed, repeats=flags.repeats, limit=flags.limit, self_ensemble=flags.self_ensemble,
    )  # fmt: skip


if __name__ == "__main__":
    COMMAND.run(main)
