"""Curves against images and against seconds, and one crop under all methods."""

import numpy as np
from matplotlib.figure import Figure

from ssdn_keras.evaluation import metrics

# Okabe and Ito's colours: they stay apart for colour-blind readers. A method keeps its own in every figure.
COLOURS = {
    "n2c": "#000000", "n2n": "#0072B2", "n2v": "#D55E00", "n2v2": "#CC79A7", "ssdn_mean": "#56B4E9",
    "ssdn_per_image": "#009E73", "ssdn_global": "#F0E442", "ssdn_known": "#E69F00", "original": "#999999",
}  # fmt: skip
MARKERS = {"n2c": "s", "n2n": "D", "n2v": "v", "n2v2": "^", "ssdn_mean": "P", "ssdn_per_image": "o",
           "ssdn_global": "X", "ssdn_known": "*", "original": "d"}  # fmt: skip
CROP = 128


def curves(outcomes, against, noise, validated_on):
    """Training and validation PSNR of every learned method.

    Args:
        outcomes: list of `Outcome`.
        against: "images" seen, or "seconds" of training as measured in turns.
        noise: for the title.
        validated_on: where the validation images come from.

    Returns:
        matplotlib Figure.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    titles = (f"Validation ({validated_on})", "Training crops")
    for panel, key, title in zip(panels, ("val_psnr", "psnr"), titles, strict=True):
        for outcome in outcomes:
            points = [(row["images"], row[key]) for row in outcome.curve if key in row]
            if not points or (against == "seconds" and outcome.seconds_per_image is None):
                continue
            scale = outcome.seconds_per_image if against == "seconds" else 1.0
            x, y = zip(*points, strict=True)
            panel.plot(
                np.multiply(x, scale), y, label=outcome.row.title, color=COLOURS[outcome.row.name],
                marker=MARKERS[outcome.row.name], markersize=4.5, linewidth=1.6,
            )  # fmt: skip
        panel.set_title(title)
        panel.grid(True, color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
        label = "images seen" if against == "images" else "training time (s)"
        panel.set_xlabel(label)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    low = [row[k] for o in outcomes for row in o.curve for k in ("val_psnr", "psnr") if k in row]
    if low:
        # The first records, from networks that know nothing yet, would flatten what is to be compared.
        panels[0].set_ylim(bottom=max(min(low), max(low) - 10))
    panels[0].set_ylabel("PSNR (dB)")
    handles, labels = panels[0].get_legend_handles_labels()
    if not handles:
        handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    figure.suptitle(f"{noise}: PSNR against {'images seen' if against == 'images' else 'training time'}")
    return figure


def detailed_crop(clean, side=CROP):
    """Slices of the crop with the most detail: the largest mean gradient among crops on a grid."""
    grey = clean.mean(axis=-1)
    detail = np.hypot(*np.gradient(grey))
    height, width = grey.shape
    side = min(side, height, width)
    best = max(
        ((top, left) for top in range(0, height - side + 1, max(side // 4, 1))
         for left in range(0, width - side + 1, max(side // 4, 1))),
        key=lambda place: detail[place[0] : place[0] + side, place[1] : place[1] + side].mean(),
    )  # fmt: skip
    return slice(best[0], best[0] + side), slice(best[1], best[1] + side)


def crops(clean, pictures, name):
    """One crop under all methods, with its PSNR under each.

    Args:
        clean: uint8 H×W×C.
        pictures: list of (title, uint8 H×W×C).
        name: of the image.

    Returns:
        matplotlib Figure.
    """
    window = detailed_crop(clean)
    shown = [("Clean", clean), *pictures]
    columns = min(5, len(shown))
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(2.3 * columns, 2.75 * lines + 0.3), layout="constrained")
    panels = np.atleast_1d(figure.subplots(lines, columns)).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, (title, picture) in zip(panels, shown, strict=False):
        part = picture[window]
        grey = part.shape[-1] == 1
        panel.imshow(part[..., 0] if grey else part, cmap="gray" if grey else None, vmin=0, vmax=255,
                     interpolation="nearest")  # fmt: skip
        decibels = "" if picture is clean else f"\n{metrics.psnr(clean[window], part):.2f} dB"
        panel.text(0.5, -0.03, f"{title}{decibels}", transform=panel.transAxes, ha="center", va="top", fontsize=9)
    side = window[0].stop - window[0].start
    figure.suptitle(f"{name}, {side}×{side} pixels; PSNR of this crop", fontsize=10)
    return figure
