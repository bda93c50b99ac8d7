"""Writing what an evaluation found: a line per data set, CSV per image, JSON of everything."""

import csv
import io
import json
from pathlib import Path

import numpy as np

from ssdn_keras.atomic import write_atomically

ESTIMATED = "estimated_"
INSIDE = "psnr_inside"
FIGURES = ("psnr_noisy", "ssim_noisy", "psnr_mean", "ssim_mean", "psnr_denoised", "ssim_denoised")


def averages(rows):
    """Means over rows of every figure that they hold, and of what was estimated of the noise."""
    first = rows[0] if rows else {}
    names = [*FIGURES, INSIDE, *(name for name in first if name.startswith(ESTIMATED))]
    return {name: _mean([row[name] for row in rows]) for name in names if first.get(name) is not None}


def _mean(values):
    """The mean of those that are not NaN: an image may have no value inside the range, or be too small for SSIM."""
    values = [value for value in values if not np.isnan(value)]
    return float(np.mean(values)) if values else float("nan")


def estimates(values):
    """Dict of what was estimated of the noise, by name, in averages."""
    return {name.removeprefix(ESTIMATED): value for name, value in values.items() if name.startswith(ESTIMATED)}


def as_table(results):
    """Aligned text: a line per data set with PSNR (dB) and SSIM of noisy input, mean and posterior mean.

    Args:
        results: dict of data set name to (number of images, repeats, averages).
    """
    header = ["data set", "images", "noisy", "SSIM", "mean", "SSIM", "denoised", "SSIM"]
    lines = [header]
    for name, (images, repeats, values) in results.items():
        line = [name, f"{images}×{repeats}"]
        for figure in FIGURES:
            digits = 2 if figure.startswith("psnr") else 3
            line.append(f"{values[figure]:.{digits}f}" if figure in values else "–")
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    )


def write_csv(path, rows):
    """One line per test image."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, lambda temporary: Path(temporary).write_text(text.getvalue()))


def plain(value):
    """A value as JSON can hold it: numbers that are infinite or undefined become None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def write_json(path, record):
    """The whole evaluation; figures that do not exist (infinite, undefined) are null."""
    text = json.dumps(plain(record), indent=2) + "\n"
    write_atomically(path, lambda temporary: Path(temporary).write_text(text))
