"""What a network of the package is worth: quality, estimated noise levels and uncertainty over levels of noise.

    python benchmarks/shipped_networks.py gauss-rgb kodak/ --output=card

Adds noise of the network's kind to clean images (not clipped, by the test protocol, each image once) and writes a table
for the model card, table.md, all figures, figures.json, and two plots: estimated against true levels, and how often
clean values lie within ±1.96 posterior standard deviations. With --classical also non-local means, or CBM3D, which are
told the level.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib
import numpy as np
from tqdm import tqdm

import ssdn_keras
from ssdn_keras.data.images import list_images
from ssdn_keras.data.read import read_image
from ssdn_keras.evaluation import metrics, protocol
from ssdn_keras.noise import parse_noise

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

LEVELS = {"gauss": (0, 5, 10, 15, 25, 35, 50, 60, 75), "poisson": (1, 2, 5, 10, 20, 30, 50, 100, 200)}
# Levels that the networks learnt from, and the one at which their uncertainty is looked at.
TRAINED = {"gauss": (1, 55), "poisson": (2, 100)}
CALIBRATED = {"gauss": 25, "poisson": 30}
TENTHS, WIDTH = 10, 1.96


def coverage(outputs, clean):
    """(standard deviations, whether the clean value is within 1.96 of them), flat arrays."""
    std = outputs["std"].ravel()
    return std, np.abs(outputs["denoised"] - clean / 255.0).ravel() <= WIDTH * std


def by_tenth(std, within):
    """Share within, and mean standard deviation, for each tenth of the standard deviations, smallest first."""
    order = np.array_split(np.argsort(std), TENTHS)
    return [float(within[part].mean()) for part in order], [float(std[part].mean()) * 255 for part in order]


def measure(model, images, level, classical, self_ensemble):
    """Figures at one level, means over the images."""
    kind = model.noise.kind
    spec = parse_noise(f"{kind}{level}") if level else None
    rows, spread = [], []
    for index, clean in enumerate(tqdm(images, desc=f"level {level}", file=sys.stderr)):
        if spec is None:
            noisy = np.float32(clean / 255.0)
            test_image = protocol.TestImage(noisy, 0.0, *clean.shape[:2])
        else:
            test_image = protocol.corrupt(clean, spec, 0, index, 0)
        outputs = protocol.denoise(model, test_image)
        row = {"noisy": metrics.psnr(clean, metrics.to_uint8(test_image.crop(test_image.noisy)))}
        row["denoised"] = metrics.psnr(clean, metrics.to_uint8(outputs["denoised"]))
        row["estimated"] = protocol.estimated_level(model, outputs["noise_std"], outputs["mean"])
        if self_ensemble and spec is not None:
            turned = protocol.denoise(model, test_image, self_ensemble=True)["denoised"]
            row["self_ensemble"] = metrics.psnr(clean, metrics.to_uint8(turned))
        if spec is not None:
            for name, denoiser in classical.items():
                row[name] = metrics.psnr(clean, metrics.to_uint8(protocol.denoise(denoiser, test_image)["denoised"]))
        rows.append(row)
        if level == CALIBRATED[kind]:
            spread.append(coverage(outputs, clean))
    figures = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    figures["estimated_each"] = [row["estimated"] for row in rows]
    if spread:
        std, within = (np.concatenate(parts) for parts in zip(*spread, strict=True))
        figures["within"], (figures["within_by_tenth"], figures["std_by_tenth"]) = (
            float(within.mean()),
            by_tenth(std, within),
        )
    return {"level": level, **figures}


def table(found):
    """Markdown."""
    names = [
        name for name in found[-1] if name not in ("level", "estimated_each") and not name.startswith(("within", "std"))
    ]
    lines = ["| level | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row in found:
        cells = [f"{row[name]:.2f}" if name in row and np.isfinite(row[name]) else "–" for name in names]
        lines.append(f"| {row['level']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot_levels(found, path, name, spec):
    """Estimated against true levels, every image a point; of counts, which are ratios, by logarithms."""
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    counts, levels = spec.kind == "poisson", [row["level"] for row in found]
    start, end = (0.8 * min(levels) if counts else 0, max(levels) * (1.25 if counts else 1.05))
    truth, trained = np.array([start, end]), TRAINED[spec.kind]
    axes.plot(truth, truth, color="0.4", label="true")
    axes.fill_between(truth, 0.9 * truth, 1.1 * truth, color="0.9", label="±10 %")
    outside = {"color": "tab:red", "alpha": 0.07, "lw": 0}
    axes.axvspan(trained[1], end, label="outside the training", **outside)
    if counts:
        axes.axvspan(start, trained[0], **outside)
        axes.set(xscale="log", yscale="log")
    for row in found:
        axes.plot([row["level"]] * len(row["estimated_each"]), row["estimated_each"], ".", color="tab:blue", alpha=0.5)
    axes.plot(levels, [row["estimated"] for row in found], "o", color="tab:orange", label="mean")
    what = "λ (events of a white pixel)" if counts else "σ (grey levels)"
    axes.set(xlabel=f"true {what}", ylabel=f"estimated {what}", title=name, xlim=(start, end), ylim=(start, end))
    axes.legend()
    figure.savefig(path, dpi=100)


def plot_coverage(row, path, name):
    """Share of clean values within the interval, by tenths of the standard deviation."""
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    axes.axhspan(0.89, 1.0, color="0.93", label="95 ± 6 %")
    axes.axhline(0.95, color="0.4")
    axes.plot(row["std_by_tenth"], row["within_by_tenth"], "o-", label=f"all: {row['within']:.1%}")
    axes.set(xlabel="posterior standard deviation (grey levels), tenths", ylabel="clean values within ±1.96 of it",
             ylim=(min(0.8, *row["within_by_tenth"]), 1.0), title=f"{name}, level {row['level']}")  # fmt: skip
    axes.legend()
    figure.savefig(path, dpi=100)


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name of a network of the package, or a .keras file that estimates σ")
    parser.add_argument("images", help="folder of clean images")
    parser.add_argument("--output", required=True)
    parser.add_argument("--limit", type=int, help="only the first so many images")
    parser.add_argument("--levels", help="σ of 0..255, or λ; with commas. By default nine")
    parser.add_argument("--precision", default="float32", help="or mixed_bfloat16")
    parser.add_argument("--noise_model", help="instead of that of the network, see ssdn_keras.load")
    parser.add_argument("--classical", default="", help="nlm, cbm3d, or both with a comma")
    parser.add_argument("--self_ensemble", action="store_true")
    arguments = parser.parse_args()
    model = ssdn_keras.load(arguments.model, arguments.precision, noise_model=arguments.noise_model)
    images = [read_image(path, model.channels) for path in list_images(arguments.images)[: arguments.limit]]
    names = [name for name in arguments.classical.split(",") if name]
    classical = {name: ssdn_keras.ClassicalDenoiser(name, model.noise.kind, model.channels) for name in names}
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    found = []
    levels = map(int, arguments.levels.split(",")) if arguments.levels else LEVELS[model.noise.kind]
    for level in levels:
        found.append(measure(model, images, level, classical, arguments.self_ensemble))
        (output / "figures.json").write_text(json.dumps(found, indent=2) + "\n")
    (output / "table.md").write_text(table(found))
    name = Path(arguments.model).stem
    plot_levels(found, output / "levels.png", name, model.noise)
    for row in found:
        if "within" in row:
            plot_coverage(row, output / "coverage.png", name)
    print(table(found))


if __name__ == "__main__":
    main()
