"""The goals of the project's speed, as ratios, and what was reached of them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Goal:
    """One ratio: `quantity` of the program `ours` over that of `against`, to be at most `limit`."""

    what: str
    quantity: str
    ours: str
    against: str
    limit: float


FLOAT, BFLOAT = "ssdn_keras, float32", "ssdn_keras, mixed_bfloat16"
ORIGINAL, PYTORCH = "authors' program", "PyTorch reimplementation"
N2V, PER_IMAGE = f"{FLOAT}, N2V", f"{FLOAT}, per_image"
HALF_N2V, HALF_PER_IMAGE = f"{BFLOAT}, N2V", f"{BFLOAT}, per_image"

GOALS = (
    Goal("training step, mixed_bfloat16", "train", BFLOAT, PYTORCH, 0.35),
    Goal("training step, float32", "train", FLOAT, PYTORCH, 0.75),
    Goal("training step, mixed_bfloat16", "train", BFLOAT, ORIGINAL, 0.35),
    Goal("training step, float32", "train", FLOAT, ORIGINAL, 0.7),
    Goal("denoising one image, float32", "denoise", FLOAT, ORIGINAL, 0.3),
    Goal("denoising one image, mixed_bfloat16", "denoise", BFLOAT, ORIGINAL, 0.3),
    Goal("SSDN step against N2V step, float32", "train", FLOAT, N2V, 3.0),
    Goal("SSDN step against N2V step, mixed_bfloat16", "train", BFLOAT, HALF_N2V, 3.0),
    Goal("per_image estimation against known σ, float32", "train", PER_IMAGE, FLOAT, 1.3),
    Goal("per_image estimation against known σ, mixed_bfloat16", "train", HALF_PER_IMAGE, BFLOAT, 1.3),
    Goal("time of loss and posterior in a step, float32", "loss", FLOAT, FLOAT, 0.03),
    Goal("time of loss and posterior in a step, mixed_bfloat16", "loss", BFLOAT, BFLOAT, 0.03),
    Goal("memory of a step, float32", "memory", FLOAT, PYTORCH, 0.6),
    Goal("memory of a step, mixed_bfloat16", "memory", BFLOAT, PYTORCH, 0.6),
)
# What only a side-by-side table shows; no goal was set.
COMPARISONS = (
    Goal("denoising one image, float32", "denoise", FLOAT, PYTORCH, float("nan")),
    Goal("denoising one image, mixed_bfloat16", "denoise", BFLOAT, PYTORCH, float("nan")),
)


def ratios(goal, figures):
    """Ratio of each round, or None where a program was not run.

    Args:
        goal: `Goal`.
        figures: dict of program to dict of quantity to one figure per round.
    """
    denominator = "train" if goal.quantity == "loss" else goal.quantity
    ours = figures.get(goal.ours, {}).get(goal.quantity)
    against = figures.get(goal.against, {}).get(denominator)
    if not ours or not against or not all(against):
        return None
    return [a / b for a, b in zip(ours, against, strict=True)]


def table(wall, processor):
    """The goals as a table in Markdown.

    Args:
        wall, processor: figures by wall time and by processor time, see `ratios`; memory is in the first.
    """
    lines = [
        "| what | against | goal | ratio (lowest to highest) | by processor time |",
        "|---|---|---|---|---|",
    ]
    for goal in (*GOALS, *COMPARISONS):
        cells = []
        for figures in (wall, processor):
            values = None if figures is None else ratios(goal, figures)
            cells.append("–" if values is None else f"{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})")
        if cells != ["–", "–"]:
            limit = "–" if np.isnan(goal.limit) else f"≤ {goal.limit:g}"
            against = "the whole step" if goal.quantity == "loss" else goal.against
            lines.append(f"| {goal.what} | {against} | {limit} | {' | '.join(cells)} |")
    return "\n".join(lines)
