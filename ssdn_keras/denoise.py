"""python -m ssdn_keras.denoise: denoise image files."""

import sys
import time

from ssdn_keras.choices import CLASSICAL_NAMES, MAX_PIXELS
from ssdn_keras.cli import Command, UsageError, checked, describe, make_folder

# Seconds after which freed memory is given back to the system.
_EVERY = 1.0

COMMAND = Command(
    "python -m ssdn_keras.denoise",
    "Denoises PNG, JPEG, WebP, BMP and TIFF files, or folders of them; of a stack every page. Results have the same "
    "names, formats and types of values. Without --model, networks that come with the package do it. A file that "
    "cannot be denoised is named, and the rest goes on; the exit code is then 1.",
    "FILES_OR_FOLDERS",
)
COMMAND.group("Files")
COMMAND.string(
    "model",
    None,
    "Trained model (.keras), or the name of a network that comes with the package, for noise of unknown level: "
    "gauss-rgb, gauss-mono (non-commercial research only), gauss-rgb-cc0, gauss-mono-cc0, poisson-mono (free for any "
    "use). cc0 takes, by the number of channels of each file, one of the free ones for Gaussian noise; berkeley, the "
    "default, one of the others.",
)
COMMAND.choice("algorithm", None, CLASSICAL_NAMES, "Instead of a model: non-local means, wavelet shrinkage or CBM3D.")
COMMAND.string("output", "denoised", "Folder for the results.")
COMMAND.switch("overwrite", False, "Replace results that exist.")
COMMAND.switch("resume", False, "Leave out files whose results exist: what an earlier start has done.")
COMMAND.string(
    "shard", None, "I/N: only every N-th file from the I-th on, such as 1/4. N machines share a folder without talk."
)
COMMAND.choice(
    "output_dtype",
    None,
    ("uint8", "uint16", "int16", "float16", "float32"),
    "Type of the results' values, which keep their units; by default that of each file. Floats are neither rounded nor "
    "clipped. PNG files hold integers only.",
)
COMMAND.string(
    "value_range",
    "auto",
    "What becomes 0 and 1 for a model without a range of its own: dtype (0 and white), percentiles (0.1 and 99.9 of "
    "the values of each file; of 8 bits as dtype), or file values LOW,HIGH, such as the black level and the largest "
    "value of a camera. auto is percentiles for networks of the package, else dtype.",
)
COMMAND.switch(
    "std",
    False,
    "Write the posterior standard deviation beside each result, in the values of the file: NAME.std.tif, float32.",
)
COMMAND.switch(
    "self_ensemble", False, "Average over the eight rotations and reflections of each image: a little better, in eight "
    "times the time."
)  # fmt: skip
COMMAND.choice(
    "precision",
    "float32",
    ("float32", "mixed_bfloat16"),
    "What networks compute in. mixed_bfloat16 is faster where the processor or the GPU has it, and not exact.",
)
COMMAND.group("Noise")
COMMAND.level(
    "noise_level",
    "Where the model needs to know it: σ in the values of the files (0..255 where they have 8 bits), λ, or α in "
    "percent; for poisson_gauss GAIN+READ_NOISE in the values of the files, such as 2+5. By default the level that the "
    "model was trained for, if that is one; with --algorithm, σ is estimated from each image, and networks of the "
    "package find it, too.",
)
COMMAND.noise_of_model()
COMMAND.choice("noise", "gauss", ("gauss", "poisson"), "With --algorithm: the kind of noise.")
COMMAND.group("Limits")
COMMAND.number(
    "memory",
    None,
    "GiB that the process may have in memory. Images for which that is too little are denoised in tiles, with the same "
    "result. By default it follows from what is free.",
    lowest=0,
)
COMMAND.integer(
    "max_pixels", MAX_PIXELS, "Pages with more pixels are refused: small files can claim to be huge.", lowest=1
)
COMMAND.choice(
    "nan",
    "refuse",
    ("refuse", "keep"),
    "NaN and infinity: the file is refused, or these values stay as they are.",
)


def open_model(flags, name):
    """The trained model, if the noise level fits it."""
    from ssdn_keras.model.files import load

    model = load(name, flags.precision, flags.noise_parameter, flags.noise_model)
    takes_level = model.algorithm.uses_noise_model and not model.learnt
    if takes_level and not model.seeks_level and flags.noise_level is None and model.noise.varying:
        way = "; or give --noise_parameter=maximum_likelihood" if model.noise.can_be_sought else ""
        raise UsageError(f"this model needs --noise_level ({model.noise.unit}); it was trained for {model.noise}{way}")
    if not takes_level and flags.noise_level is not None:
        raise UsageError("this model needs no --noise_level: leave it out")
    return model


def open_shipped(flags):
    """A function that gives the network of the package for an image, see `denoise_file`."""
    import functools

    from ssdn_keras import shipped
    from ssdn_keras.model.files import with_noise

    opened = functools.cache(functools.partial(open_model, flags))
    with_clipping = functools.cache(
        lambda name: with_noise(opened(name), noise_model=f"{opened(name).noise.kind}-clipped")
    )

    def suited(channels, clipped):
        name = shipped.suited(channels, flags.model)
        return with_clipping(name) if clipped and not flags.noise_model else opened(name)

    if shipped.suited(1, flags.model) == flags.model:  # a name, not a licence: a wrong one ends the program here
        suited(1, False)
    return suited


def open_classical(flags):
    """The untrained denoiser."""
    from ssdn_keras.model.classical import ClassicalDenoiser

    return ClassicalDenoiser(flags.algorithm, flags.noise)


def choose_pairs(flags, arguments):
    """Pairs (source, target) that are to be done, and how many were done before."""
    from ssdn_keras.data.files import collect, shard, std_path

    pairs = checked(shard, collect(arguments, flags.output, flags.std), flags.shard)
    if not pairs:
        print(f"shard {flags.shard}: no file is left for this one", file=sys.stderr)

    def is_done(target):
        return target.exists() and (not flags.std or std_path(target).exists())

    if flags.resume:
        left = [(source, target) for source, target in pairs if not is_done(target)]
        return left, len(pairs) - len(left)
    written = [path for _, target in pairs for path in (target, *[std_path(target)] * flags.std)]
    existing = [path for path in written if path.exists()]
    if existing and not flags.overwrite:
        raise UsageError(
            f"{existing[0]} exists ({len(existing)} of {len(written)} results do): give --overwrite to replace them, "
            "or --resume to leave them"
        )
    return pairs, 0


def _is_of_package(flags):
    from ssdn_keras.shipped import is_shipped

    return not flags.algorithm and (not flags.model or is_shipped(flags.model))


def denoise_all(denoiser, pairs, flags, value_range):
    """Denoise the files; returns how many failed."""
    from tqdm import tqdm

    from ssdn_keras.data.files import std_path
    from ssdn_keras.denoising import denoise_file
    from ssdn_keras.memory import give_back
    from ssdn_keras.model.tiling import is_out_of_memory

    options = {
        "noise_level": flags.noise_level, "output_dtype": flags.output_dtype, "keep_nan": flags.nan == "keep",
        "memory": None if flags.memory is None else flags.memory * 2**30, "max_pixels": flags.max_pixels,
        "self_ensemble": flags.self_ensemble,
        "value_range": None if isinstance(value_range, str) else value_range,
        # Networks of the package know no units; a model has those of its training, a classical method the file's.
        "measure_range": value_range == "percentiles" or (value_range == "auto" and _is_of_package(flags)),
    }  # fmt: skip
    failed, given_back = 0, time.monotonic()
    for source, target in tqdm(pairs, desc="denoising", unit="image"):
        with tqdm(desc=source.name, unit="px", unit_scale=True, delay=2, leave=False) as bar:

            def show(done, total, bar=bar):
                bar.total = total
                bar.update(int(done) - bar.n)

            try:
                denoise_file(
                    source, target, denoiser, std=std_path(target) if flags.std else None, progress=show, **options
                )
            except Exception as error:
                if not isinstance(error, (ValueError, OSError)) and not is_out_of_memory(error):
                    raise
                failed += 1
                text = "not enough memory" if is_out_of_memory(error) else describe(error)
                tqdm.write(f"failed {source}: {text}", file=sys.stderr)
        if time.monotonic() - given_back > _EVERY:
            give_back()
            given_back = time.monotonic()
    return failed


def main(flags, arguments):
    """Denoise by the flags."""
    if flags.model and flags.algorithm:
        raise UsageError("give --model or --algorithm, not both")
    if not arguments or not flags.output:
        raise UsageError("give the files or folders to denoise, and --output")
    if not flags.algorithm and flags["noise"].present:
        raise UsageError("--noise goes with --algorithm; with a model it is --noise_model")
    for name in ("precision", "noise_parameter", "noise_model"):
        if flags.algorithm and flags[name].present:
            raise UsageError(f"--{name} goes with a model, not with --algorithm")
    if flags.noise_parameter and not flags.model:
        raise UsageError("--noise_parameter goes with --model")
    if flags.overwrite and flags.resume:
        raise UsageError("give --overwrite or --resume, not both")
    from ssdn_keras.value_range import parse_value_range

    value_range = checked(parse_value_range, flags.value_range)
    pairs, before = choose_pairs(flags, arguments)
    from ssdn_keras.denoising import check_level
    from ssdn_keras.model.apply import check_std

    given = None if isinstance(value_range, str) else value_range
    if _is_of_package(flags):
        denoiser = open_shipped(flags)
        if pairs and flags.noise_level is not None:
            checked(check_level, denoiser, flags.noise_level, pairs[0][0], given)
    else:
        denoiser = open_classical(flags) if flags.algorithm else open_model(flags, flags.model)
        if value_range != "auto" and (flags.algorithm or denoiser.value_range is not None):
            owner = "the file" if flags.algorithm else "this model"
            raise UsageError(f"{owner} has a range of values of its own: leave --value_range out")
        checked(check_std, denoiser, flags.std)
        if pairs:
            checked(check_level, denoiser, flags.noise_level, pairs[0][0], given)
    make_folder(flags.output)
    failed = denoise_all(denoiser, pairs, flags, value_range)
    skipped = f", {before} were there" if before else ""
    print(f"denoised {len(pairs) - failed} of {len(pairs)} images into {flags.output}{skipped}")
    return 1 if failed else 0


if __name__ == "__main__":
    COMMAND.run(main)
