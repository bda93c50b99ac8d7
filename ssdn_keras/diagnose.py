"""python -m ssdn_keras.diagnose: does the method fit these images, and what did a model leave over?"""

import sys

from ssdn_keras.cli import Command, UsageError, make_folder, say
from ssdn_keras.startup import start_backend

COMMAND = Command(
    "python -m ssdn_keras.diagnose",
    "Measures the noise of your images: level, dependence on brightness, correlation between pixels, clipping, traces "
    "of JPEG; says in words whether the method fits them, and which training it suggests. With a trained model also: "
    "whether what it takes away is noise. A file that cannot be read is named and skipped; the exit code is then 1.",
    "FILES_OR_FOLDERS",
    needs_backend=False,
    tidy=True,
)
COMMAND.group("Images")
COMMAND.integer("limit", 50, "Look at no more files than this, evenly spread; of a stack, at 4 pages.", lowest=1)
COMMAND.number("black_level", 0.0, "Value of black, in file units: read noise is the noise there.")
COMMAND.group("After training")
COMMAND.string("model", None, "Trained model (.keras), whose residuals are examined.")
COMMAND.level(
    "noise_level",
    "Where the model needs to know it: σ in the units of the files, λ, or α in percent; for poisson_gauss "
    "GAIN+READ_NOISE in the units of the files, such as 2+5. By default the level that it was trained for.",
)
COMMAND.group("Output")
COMMAND.string("output", "diagnosis", "Folder for index.html and diagnosis.json.")


def open_model(flags, path):
    """The trained model, if the noise level fits it and the file at the path."""
    start_backend()
    from ssdn_keras.denoising import check_level
    from ssdn_keras.model.files import load

    model = load(flags.model)
    try:
        check_level(model, flags.noise_level, path)
    except ValueError as error:
        raise UsageError(f"--noise_level: {error}") from None
    return model


def main(flags, arguments):
    """Diagnose by the flags."""
    if not arguments:
        raise UsageError("give the files or folders to look at")
    if flags.noise_level is not None and not flags.model:
        raise UsageError("--noise_level goes with --model")
    from ssdn_keras.diagnosis import page, report
    from ssdn_keras.diagnosis.reading import list_files
    from ssdn_keras.diagnosis.run import diagnose
    from ssdn_keras.evaluation.report import write_json

    files = list_files(arguments)
    make_folder(flags.output)  # before all the work
    model = open_model(flags, files[0]) if flags.model else None
    found = diagnose(arguments, flags.limit, flags.black_level, model, flags.model, flags.noise_level)
    if not found.measurements:
        raise ValueError(f"none of {found.looked_at} files could be read")
    say(report.text(found))
    write_json(f"{flags.output}/diagnosis.json", report.as_record(found))
    if found.overall is None:
        reason = next(one.why_not for one in found.measurements)
        raise ValueError(f"no image in which noise can be measured ({reason}): see {flags.output}/diagnosis.json")
    page.write(found, f"{flags.output}/index.html")
    say(f"\npage: {flags.output}/index.html")
    if found.failed:
        print(f"{len(found.failed)} could not be used, named above", file=sys.stderr)
    return 1 if found.failed else 0


if __name__ == "__main__":
    COMMAND.run(main)
