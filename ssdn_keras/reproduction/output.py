"""Everything a comparison writes: table.md, table.csv, figures, index.html."""

from ssdn_keras.evaluation import drawing
from ssdn_keras.reproduction import figures, page, table
from ssdn_keras.reproduction.pictures import evaluated_images
from ssdn_keras.reproduction.results import largest_fall
from ssdn_keras.version import __version__


def describe(comparison, outcomes):
    """Sentences on how the figures came about, for below the table."""
    settings = comparison.settings
    noise = (
        "one noise draw per image for the whole training (--freeze_noise)"
        if settings.freeze_noise
        else "new noise for every crop (--nofreeze_noise), which shows a method many noisy versions of an image"
    )
    sets = ", ".join(
        f"{test_set.name} {len(test_set.paths()[: settings.limit])} images × {test_set.repeats}"
        for test_set in comparison.sets
    )
    notes = [
        f"{settings.noise}. Every learned method: {settings.images:,} crops of {settings.crop}×{settings.crop} in "
        f"minibatches of {settings.minibatch}, the same crops in the same order, {noise}. "
        f"{settings.filters} filters, {settings.optimizer}, rate {settings.learning_rate:g} with the published ramps, "
        f"{settings.precision}, seed {settings.seed}"
        + ("." if settings.ema is None else f"; moving average with momentum {settings.ema:g} (curves: without it)."),
        f"{len(comparison.source)} training images. Evaluated on {sets}: PSNR and SSIM of 8-bit images, means over "
        "images and repeats; the same noise for all methods.",
        "Report: Southampton, 2020, 200,000 images. Paper: Laine et al., 2019, 2,000,000 images. A dash: not published "
        "for this noise and data, or not a thing the method has.",
    ]
    learned = [outcome for outcome in outcomes if outcome.row.learned]
    if learned:
        notes.append(
            f"Time of a training step per image: median of turns on one machine ({comparison.machine}); input pipeline "
            "and validation not included. The curves against time use it."
        )
    for outcome in learned:
        fall, where = largest_fall(outcome.curve)
        if where is not None:
            notes.append(
                f"{outcome.row.title}: largest fall of the validation PSNR {fall:.2f} dB, at {where:,} images."
            )
    estimated = [o for o in learned if any("estimated_level" in values for values in o.averages.values())]
    for outcome in estimated:
        levels = ", ".join(f"{name} {v['estimated_level']:.2f}" for name, v in outcome.averages.items())
        notes.append(f"{outcome.row.title}: mean estimated level {levels}.")
    notes.append(f"ssdn_keras {__version__}.")
    return notes


def _write_figures(comparison, outcomes):
    """PNG files; returns the SVG of the curves by name, for the page."""
    drawings = {}
    learned = [outcome for outcome in outcomes if outcome.row.learned]
    validated_on = comparison.validated_on
    for against in ("images", "seconds") if learned else ():
        figure = figures.curves(learned, against, comparison.settings.noise, validated_on)
        drawing.save(figure, comparison.out / f"curves_{against}.png")
        drawings[f"curves_{against}"] = drawing.svg(figure)
    wanted = comparison.picture
    for set_name, name, clean, noisy, pictures in evaluated_images(comparison, outcomes):
        if wanted in (None, f"{set_name}/{name}"):
            shown = [("Noisy", noisy)] + [(o.row.title, pictures[o.row.name][0]) for o in outcomes]
            figure = figures.crops(clean, shown, f"{set_name}/{name}")
            drawing.save(figure, comparison.out / "crops.png")
            drawings["crops"] = comparison.out / "crops.png"
            break
    return drawings


def write(comparison, outcomes):
    """Write all of it to the comparison's folder."""
    set_names = [test_set.name for test_set in comparison.sets]
    header, lines = table.cells(outcomes, set_names, comparison.settings.noise, comparison.settings.channels)
    notes = describe(comparison, outcomes)
    table.write(comparison.out, header, lines, notes)
    drawings = _write_figures(comparison, outcomes)
    page.write(comparison, outcomes, header, lines, notes, drawings)
