"""A whole diagnosis: read, measure, combine, advise; with a model also its residuals."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssdn_keras.cli import checked, describe
from ssdn_keras.diagnosis import correlation, residual
from ssdn_keras.diagnosis.advice import Advice, advise
from ssdn_keras.diagnosis.measure import Overall, combine, measure
from ssdn_keras.diagnosis.reading import list_files, read_pictures
from ssdn_keras.diagnosis.residual_advice import advise_on_residual
from ssdn_keras.diagnosis.restoring import middle, restore
from ssdn_keras.shipped import is_shipped

_PAGES = 4
_SHOWN = 4


@dataclass
class Diagnosis:
    """What was found.

    Attributes:
        files: how many there were; `looked_at` of them were read.
        failed: list of (path, reason).
        measurements: one per image.
        overall, advice: None if no image's noise could be measured.
        residuals: list of (name, figures of `residual.examine`).
        shown: list of (name, noisy, denoised, maps) for pictures, of the first few images.
        residual_overall, residual_findings: over all images, with a model.
    """

    files: int
    looked_at: int
    failed: list
    measurements: list
    overall: Overall | None = None
    advice: Advice | None = None
    model: str | None = None
    residuals: list = field(default_factory=list)
    shown: list = field(default_factory=list)
    residual_overall: dict | None = None
    residual_findings: list = field(default_factory=list)


def _chosen(files, limit):
    """At most `limit` files, evenly spread."""
    if limit is None or len(files) <= limit:
        return files
    return [files[index] for index in np.unique(np.linspace(0, len(files) - 1, limit).round().astype(int))]


def source_of(arguments):
    """The folder for training: the one that was given, or the one that all files lie in."""
    folders = [Path(argument) if Path(argument).is_dir() else Path(argument).parent for argument in arguments]
    return Path(os.path.commonpath([folder.absolute() for folder in folders])) if len(folders) > 1 else folders[0]


def _pictures(files, failed, what, use=lambda picture: picture, measure_range=False):
    """Yield use(picture) of all pictures; a file that one fails for is named in `failed`, and the rest goes on."""
    # Of a terminal only: what is printed may go to a file.
    for path in tqdm(files, desc=what, unit="file", leave=False, disable=None):
        try:
            yield from map(use, read_pictures(path, _PAGES, measure_range))
        except (ValueError, OSError) as error:
            if path not in [name for name, _ in failed]:
                failed.append((path, describe(error)))
                tqdm.write(f"failed {path}: {failed[-1][1]}", file=sys.stderr)


def _measured(picture):
    try:
        return measure(picture)
    except np.linalg.LinAlgError as error:  # whose text alone names no cause that a user knows
        low, high = picture.values.min(), picture.values.max()
        raise ValueError(f"its noise cannot be measured, with values from {low:g} to {high:g} ({error})") from None


def diagnose(arguments, limit=None, black_level=0.0, model=None, model_name=None, noise_level=None):
    """`Diagnosis` of files and folders.

    Args:
        arguments: paths.
        limit: look at no more files than this.
        black_level: value of black, in file units.
        model: trained `Denoiser` whose residuals are examined, or None.
        model_name: its path.
        noise_level: for a model that must be told, in the units of the files (σ), λ, or percent.

    Raises:
        FileNotFoundError: a path does not exist, or a folder holds no image.
        UsageError: the black level is above most values of the images.
    """
    files = list_files(arguments)
    chosen, failed, measurements = _chosen(files, limit), [], []
    for measurement in _pictures(chosen, failed, "measuring", _measured):
        measurements.append(measurement)
    found = Diagnosis(len(files), len(chosen), failed, measurements, combine(measurements), model=model_name)
    if found.overall is None:
        return found
    found.advice = checked(advise, found.overall, source_of(arguments), black_level)
    if model is not None:
        good = [path for path in chosen if path not in [name for name, _ in failed]]
        _examine(found, model, good, noise_level)
    return found


def _examine(found, model, files, noise_level):
    overall = found.overall
    nearest = correlation.nearest(overall.correlation) if overall.correlated else (0.0, 0.0)
    for picture in _pictures(files, found.failed, "denoising", measure_range=is_shipped(found.model)):
        if min(middle(picture.values).shape[:2]) < residual.BLOCK:
            continue
        try:
            noisy, outputs = restore(model, picture, noise_level)
        except ValueError as error:
            found.failed.append((picture.name, describe(error)))
            tqdm.write(f"failed {picture.name}: {describe(error)}", file=sys.stderr)
            continue
        figures, maps = residual.examine(noisy, outputs, overall.fit, nearest)
        found.residuals.append((picture.name, figures))
        if len(found.shown) < _SHOWN:
            found.shown.append((picture.name, noisy, outputs["denoised"], maps))
    if found.residuals:
        found.residual_overall = average([figures for _, figures in found.residuals])
        found.residual_findings = advise_on_residual(found.residual_overall, overall.correlated)


def average(rows):
    """Mean of every figure over images; standard deviations and levels as the root of the mean square."""
    total = {}
    for name, first in rows[0].items():
        if first is None or isinstance(first, bool):
            total[name] = first
            continue
        values = np.array([row[name] for row in rows], np.float64)
        squared = name.endswith(("_std", "_level"))
        total[name] = float(np.sqrt(np.mean(np.square(values))) if squared else values.mean())
    for name in ("implied", "estimated"):
        if total[f"{name}_level"] is not None:
            total[f"{name}_over_measured"] = total[f"{name}_level"] / total["measured_level"]
    return total
