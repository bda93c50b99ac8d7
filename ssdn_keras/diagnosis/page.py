"""A diagnosis as one page that needs no network."""

from pathlib import Path

import jinja2
import numpy as np

from ssdn_keras.atomic import write_atomically
from ssdn_keras.diagnosis import figures
from ssdn_keras.diagnosis.report import HEADER, MARKS, line_of
from ssdn_keras.diagnosis.residual import BLOCK
from ssdn_keras.evaluation import drawing
from ssdn_keras.evaluation.picture import data_uri

_PICTURE_SIDE = 512


def _middle(array):
    top, left = (max(0, (size - _PICTURE_SIDE) // 2) for size in array.shape[:2])
    return array[top : top + _PICTURE_SIDE, left : left + _PICTURE_SIDE]


def _as_picture(array, low, high):
    if array.shape[-1] not in (1, 3):
        array = array.mean(axis=-1, keepdims=True)
    return np.clip((array - low) / max(high - low, 1e-30) * 255.0 + 0.5, 0, 255).astype(np.uint8)


def _outlined(picture, structure, block):
    """The picture with blocks that hold structure tinted."""
    colour = np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture.copy()
    mask = np.kron(structure, np.ones((block, block), bool))
    part = colour[: mask.shape[0], : mask.shape[1]]
    part[mask] = (0.55 * part[mask] + 0.45 * np.array([213, 94, 0])).astype(np.uint8)
    return colour


def _pictures(found):
    for name, noisy, denoised, maps in found.shown:
        low, high = np.quantile(denoised, [0.001, 0.999])
        spread = 3 * found.residual_overall["measured_level"]
        grey = _as_picture(maps["residual"], -spread, spread)
        parts = [
            ("noisy", _as_picture(noisy, low, high)), ("denoised", _as_picture(denoised, low, high)),
            ("noisy − denoised; blocks with structure are orange", _outlined(grey, maps["structure"], BLOCK)),
        ]  # fmt: skip
        yield {
            "name": str(name),
            "parts": [
                {"caption": caption, "uri": data_uri(_middle(picture), "PNG", {"optimize": False})}
                for caption, picture in parts
            ],
        }


def _drawings(found):
    overall = found.overall
    yield drawing.svg(figures.noise_curve(overall))
    if overall.correlation is not None:
        yield drawing.svg(figures.lag_map(overall.correlation, "Correlation of the noise"))
    if len(overall.levels) > 1:
        yield drawing.svg(figures.levels(overall))


def _residual_drawings(found):
    maps = [one for *_, one in found.shown]
    if maps:
        has_posterior = found.residual_overall["has_posterior"]
        yield drawing.svg(figures.residual_variance(maps, found.overall.fit, has_posterior))
        yield drawing.svg(
            figures.lag_map(np.mean([one["whiteness"] for one in maps], axis=0), "Correlation of the residual")
        )


def write(found, path):
    """Write the page of a `Diagnosis` in which noise was measured."""
    text = (
        jinja2.Environment(
            loader=jinja2.PackageLoader("ssdn_keras.diagnosis"), autoescape=True, undefined=jinja2.StrictUndefined
        )
        .get_template("diagnosis.html")
        .render(
            title="Diagnosis", found=found, advice=found.advice, marks=MARKS, header=HEADER,
            lines=[line_of(one) for one in found.measurements], drawings=list(_drawings(found)),
            residual_drawings=list(_residual_drawings(found)), pictures=list(_pictures(found)),
        )
    )  # fmt: skip
    write_atomically(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))
