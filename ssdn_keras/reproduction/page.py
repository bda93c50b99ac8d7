"""index.html: one file without network with the table, the curves, and every image under every method."""

import base64
import functools
import json
from pathlib import Path

import jinja2
from tqdm import tqdm

from ssdn_keras.atomic import write_atomically
from ssdn_keras.evaluation import report
from ssdn_keras.evaluation.picture import data_uri
from ssdn_keras.evaluation.run import STD_GAIN
from ssdn_keras.reproduction.pictures import evaluated_images

# Lossless first; if the page would become too large, JPEG without colour subsampling.
_ENCODINGS = (
    ("WEBP", {"lossless": True, "quality": 60, "method": 2}, "lossless"),
    *(("JPEG", {"quality": q, "subsampling": 0}, f"JPEG, quality {q}") for q in (95, 90, 80, 60)),
)
_MEGABYTE = 1e6
# Images of each set, about, whose sizes are taken for those of all.
_SAMPLED = 4


def _pictures(clean, noisy, restored):
    return [clean, noisy] + [picture for pair in restored.values() for picture in pair if picture is not None]


def choose_encoding(samples, pixels, megabytes):
    """Index of the best of `_ENCODINGS` with which the page stays below its size, judged by some images of each set.

    Args:
        samples: dict of set name to a list of images, each the list of its pictures.
        pixels: dict of set name to the pixels of all its images.
        megabytes: the size.
    """

    def size(encoding):
        return sum(
            sum(len(data_uri(picture, *encoding[:2])) for image in images for picture in image)
            * pixels[name] / sum(image[0].shape[0] * image[0].shape[1] for image in images)
            for name, images in samples.items()
        )  # fmt: skip

    last = len(_ENCODINGS) - 1
    return next((i for i in range(last) if size(_ENCODINGS[i]) <= megabytes * _MEGABYTE), last)


def _entry(set_name, name, clean, noisy, restored, outcomes, encoding):
    kind, options = encoding
    first = next(iter(outcomes)).per_image[set_name, name]
    methods = {
        "clean": {"picture": data_uri(clean, kind, options)},
        "noisy": {
            "picture": data_uri(noisy, kind, options), "psnr": first["psnr_noisy"], "ssim": first["ssim_noisy"],
        },
    }  # fmt: skip
    for outcome in outcomes:
        denoised, std = restored[outcome.row.name]
        row = outcome.per_image[set_name, name]
        methods[outcome.row.name] = {
            "picture": data_uri(denoised, kind, options), "psnr": row["psnr_denoised"], "ssim": row["ssim_denoised"],
        }  # fmt: skip
        if std is not None:
            methods[outcome.row.name]["std"] = data_uri(std, kind, options)
    return {"set": set_name, "name": name, "width": clean.shape[1], "height": clean.shape[0], "methods": methods}


def script_text(value):
    """JSON that may stand inside a script element; what is infinite or not a number becomes null."""
    return json.dumps(report.plain(value), ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")


def write(comparison, outcomes, header, lines, notes, drawings):
    """Write index.html.

    Args:
        comparison: `Comparison`.
        outcomes: its list of `Outcome`.
        header, lines, notes: of the table.
        drawings: SVG text of "curves_images" and "curves_seconds" where there are any; path of "crops".
    """
    samples, pixels = {}, {}
    wanted = _SAMPLED * len(comparison.sets) / len(next(iter(outcomes)).per_image)
    for number, (set_name, _, clean, noisy, restored) in enumerate(evaluated_images(comparison, outcomes)):
        images = samples.setdefault(set_name, [])
        if not images or int((number + 1) * wanted) > int(number * wanted):
            images.append(_pictures(clean, noisy, restored))
        pixels[set_name] = pixels.get(set_name, 0) + clean.shape[0] * clean.shape[1]
    chosen = choose_encoding(samples, pixels, comparison.page_megabytes)
    names = {"clean": "Clean", "noisy": "Noisy", **{o.row.name: o.row.title for o in outcomes}}
    best = [_best_line(lines, column) if " dB" in title and not title.startswith(("report", "paper")) else None
            for column, title in enumerate(header)]  # fmt: skip
    crops = drawings.get("crops")
    template = jinja2.Environment(
        loader=jinja2.PackageLoader("ssdn_keras.reproduction"), autoescape=True, undefined=jinja2.StrictUndefined
    ).get_template("page.html")

    def entries(kind, options):
        images = evaluated_images(comparison, outcomes)
        for image in tqdm(images, desc="index.html", unit="image", delay=2, leave=False):
            yield script_text(_entry(*image, outcomes, (kind, options)))

    def save(encoding, temporary):
        kind, options, words = encoding
        with open(temporary, "w", encoding="utf-8") as file:
            file.writelines(
                template.generate(
                    title=f"{comparison.settings.noise}: {len(outcomes)} denoisers compared",
                    header=header, lines=lines, notes=notes, best=best,
                    curves=[(name, text) for name, text in drawings.items() if name.startswith("curves")],
                    crops=None if crops is None else base64.b64encode(Path(crops).read_bytes()).decode(),
                    names=script_text(names), std_white=f"{255 / STD_GAIN:.0f}", encoding=words,
                    entries=entries(kind, options),
                )
            )  # fmt: skip

    path = comparison.out / "index.html"
    for encoding in _ENCODINGS[chosen:]:
        write_atomically(path, functools.partial(save, encoding))
        if path.stat().st_size <= comparison.page_megabytes * _MEGABYTE:
            break


def _best_line(lines, column):
    values = {i: float(line[column]) for i, line in enumerate(lines) if line[column] != "–"}
    return max(values, key=values.get) if values else None
