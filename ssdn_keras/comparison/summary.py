"""What a comparison found, per experiment: one line of figures, one table for people."""

import numpy as np

from ssdn_keras.comparison.images import OUTPUTS

GOALS = {"denoised": 1e-5, "psnr": 1e-3, "training": 1e-3}
COLUMNS = (
    ("experiment", "experiment"), ("mean", "mean"), ("denoised", "posterior mean"), ("loss", "loss map"),
    ("loss_relative", "loss (relative)"), ("network_std", "network_std"), ("noise_std", "noise_std"),
    ("psnr_ours", "PSNR ours"), ("psnr_theirs", "PSNR theirs"), ("psnr_difference", "PSNR difference"),
    ("seconds_ours", "s ours"), ("seconds_theirs", "s theirs"),
    ("memory_ours", "MB ours"), ("memory_theirs", "MB theirs"),
)  # fmt: skip
TRAINING_COLUMNS = (
    ("experiment", "experiment"), ("steps", "steps"), ("gradient", "gradients (relative)"),
    ("step_loss", "loss (relative)"), ("twin_loss", "one bit: loss"),
    ("first_weight_difference", "weights, step 1"),
    ("weight_difference", "weights, last step"), ("twin_weight_difference", "one bit: weights, last step"),
)  # fmt: skip


def of_images(name, rows):
    """Largest differences and mean costs over the rows of an experiment."""
    line = {"experiment": name, "images": len(rows)}
    for output in OUTPUTS:
        if f"{output}_max" in rows[0]:
            line[output] = max(row[f"{output}_max"] for row in rows)
            line[f"{output}_average"] = float(np.mean([row[f"{output}_average"] for row in rows]))
    losses = [(row["loss_ours"], row["loss_theirs"]) for row in rows]
    line["loss_relative"] = max(abs(a - b) / max(abs(b), 1e-12) for a, b in losses)
    for side in ("ours", "theirs"):
        line[f"psnr_{side}"] = float(np.mean([row[f"psnr_{side}"] for row in rows]))
        line[f"seconds_{side}"] = float(np.mean([row[f"seconds_{side}"] for row in rows]))
        line[f"memory_{side}"] = max(row[f"memory_{side}"] for row in rows) / 1e6
    line["psnr_difference"] = max(abs(row["psnr_ours"] - row["psnr_theirs"]) for row in rows)
    return line


def of_steps(name, gradients, rows):
    """Largest differences over the steps of an experiment."""
    return {
        "experiment": name, "steps": len(rows), "gradient": max(row["relative"] for row in gradients),
        "step_loss": max(row["relative"] for row in rows), "twin_loss": max(row["twin_relative"] for row in rows),
        "first_weight_difference": rows[0]["weight_difference"], "weight_difference": rows[-1]["weight_difference"],
        "twin_weight_difference": rows[-1]["twin_weight_difference"],
    }  # fmt: skip


def misses(line):
    """Sentences on what lies farther apart than it should; an empty list if nothing does."""
    found = []
    for key, goal, words in (
        ("denoised", GOALS["denoised"], "posterior mean"),
        ("psnr_difference", GOALS["psnr"], "PSNR (dB)"),
        ("step_loss", GOALS["training"], "training loss (relative)"),
    ):
        if line.get(key, 0.0) > goal:
            twin = line.get("twin_loss") if key == "step_loss" else None
            beside = "" if twin is None else f" (this package from itself, one bit changed: {twin:.2g})"
            found.append(f"{line['experiment']}: {words} differs by {line[key]:.2g}, more than {goal:g}{beside}")
    return found


def cell(key, line):
    """A figure of a line as text; of a map's differences the largest and the mean."""
    value = line.get(key)
    if value is None:
        return "–"
    if f"{key}_average" in line:
        return f"{_power(value)} / {_power(line[f'{key}_average'])}"
    if isinstance(value, str):
        return value
    if key.startswith("psnr_") and key != "psnr_difference":
        return f"{value:.3f}"
    if key.startswith("memory"):
        return f"{value:,.0f}" if value else "–"
    if key in ("steps", "images"):
        return f"{value:,}"
    if key.startswith("seconds"):
        return f"{value:.2f}"
    return _power(value)


def _power(value):
    return "0" if value == 0 else f"{value:.1e}"


def table(lines, columns):
    """(header, rows of text); columns of which no line has a figure are left out."""
    kept = [(key, title) for key, title in columns if any(line.get(key) is not None for line in lines)]
    return [title for _, title in kept], [[cell(key, line) for key, _ in kept] for line in lines]


def markdown(header, rows):
    """A Markdown table with aligned source."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def join(cells):
        padded = [text.ljust(widths[0]) if i == 0 else text.rjust(widths[i]) for i, text in enumerate(cells)]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([join(header), f"| {' | '.join(rule)} |", *map(join, rows)])
