"""What a network of the package is worth: quality, estimated noise levels and uncertainty over levels of noise.

    python benchmarks/shipped_networks.py gauss-rgb kodak/ --output=card

Adds Gaussian noise to clean images (not clipped, by the test protocol, each image once) and writes a table for the
model card, table.md, all figures, figures.json, and two plots: estimated against true levels, and how often clean
values lie within ±1.96 posterior standard deviations. With --classical also non-local means, or CBM3D, which know σ.
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

SIGMAS = (0, 5, 10, 15, 25, 35, 50, 60, 75)
TRAINED = 55
CALIBRATED = 25
TENTHS, WIDTH = 10, 1.96


def coverage(outputs, clean):
    """(standard deviations, whether the clean value is within 1.96 of them), flat arrays."""
    std = outputs["std"].ravel()
    return std, np.abs(outputs["denoised"] - clean / 255.0).ravel() <= WIDTH * std


def by_tenth(std, within):
    """Share within, and mean standard deviation, for each tenth of the standard deviations, smallest first."""
    order = np.array_split(np.argsort(std), TENTHS)
    return [float(within[part].mean()) for part in order], [float(std[part].mean()) * 255 for part in order]


def measure(model, images, sigma, classical, self_ensemble):
    """Figures at one level, means over the images."""
    spec = parse_noise(f"gauss{sigma}") if sigma else None
    rows, spread = [], []
    for index, clean in enumerate(tqdm(images, desc=f"sigma {sigma}", file=sys.stderr)):
        if spec is None:
            noisy = np.float32(clean / 255.0)
            test_image = protocol.TestImage(noisy, 0.0, *clean.shape[:2])
        else:
            test_image = protocol.corrupt(clean, spec, 0, index, 0)
        outputs = protocol.denoise(model, test_image)
        row = {"noisy": metrics.psnr(clean, metrics.to_uint8(test_image.crop(test_image.noisy)))}
        row["denoised"] = metrics.psnr(clean, metrics.to_uint8(outputs["denoised"]))
        row["estimated"] = float(np.mean(outputs["noise_std"])) * 255
        if self_ensemble and spec is not None:
            turned = protocol.denoise(model, test_image, self_ensemble=True)["denoised"]
            row["self_ensemble"] = metrics.psnr(clean, metrics.to_uint8(turned))
        if spec is not None:
            for name, denoiser in classical.items():
                row[name] = metrics.psnr(clean, metrics.to_uint8(protocol.denoise(denoiser, test_image)["denoised"]))
        rows.append(row)
        if sigma == CALIBRATED:
            spread.append(coverage(outputs, clean))
    figures = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    figures["estimated_each"] = [row["estimated"] for row in rows]
    if spread:
        std, within = (np.concatenate(parts) for parts in zip(*spread, strict=True))
        figures["within"], (figures["within_by_tenth"], figures["std_by_tenth"]) = (
            float(within.mean()),
            by_tenth(std, within),
        )
    return {"sigma": sigma, **figures}


def table(found):
    """Markdown."""
    names = [
        name for name in found[-1] if name not in ("sigma", "estimated_each") and not name.startswith(("within", "std"))
    ]
    lines = ["| σ | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row in found:
        cells = [f"{row[name]:.2f}" if name in row and np.isfinite(row[name]) else "–" for name in names]
        lines.append(f"| {row['sigma']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot_levels(found, path, name):
    """Estimated against true σ, every image a point."""
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    end = max(row["sigma"] for row in found) * 1.05
    truth = np.array([0, end])
    axes.plot(truth, truth, color="0.4", label="true")
    axes.fill_between(truth, 0.9 * truth, 1.1 * truth, color="0.9", label="±10 %")
    axes.axvspan(TRAINED, end, color="tab:red", alpha=0.07, label="outside the training")
    for row in found:
        axes.plot([row["sigma"]] * len(row["estimated_each"]), row["estimated_each"], ".", color="tab:blue", alpha=0.5)
    axes.plot(
        [row["sigma"] for row in found], [row["estimated"] for row in found], "o", color="tab:orange", label="mean"
    )
    axes.set(
        xlabel="true σ (grey levels)", ylabel="estimated σ (grey levels)", title=name, xlim=(0, end), ylim=(0, end)
    )
    axes.legend()
    figure.savefig(path, dpi=100)


def plot_coverage(row, path, name):
    """Share of clean values within the interval, by tenths of the standard deviation."""
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    axes.axhspan(0.89, 1.0, color="0.93", label="95 ± 6 %")
    axes.axhline(0.95, color="0.4")
    axes.plot(row["std_by_tenth"], row["within_by_tenth"], "o-", label=f"all: {row['within']:.1%}")
    axes.set(xlabel="posterior standard deviation (grey levels), tenths", ylabel="clean values within ±1.96 of it",
             ylim=(min(0.8, *row["within_by_tenth"]), 1.0), title=f"{name}, σ = {row['sigma']}")  # fmt: skip
    axes.legend()
    figure.savefig(path, dpi=100)


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name of a network of the package, or a .keras file that estimates σ")
    parser.add_argument("images", help="folder of clean images")
    parser.add_argument("--output", required=True)
    parser.add_argument("--limit", type=int, help="only the first so many images")
    parser.add_argument("--sigmas", default=",".join(map(str, SIGMAS)))
    parser.add_argument("--classical", default="", help="nlm, cbm3d, or both with a comma")
    parser.add_argument("--self_ensemble", action="store_true")
    arguments = parser.parse_args()
    model = ssdn_keras.load(arguments.model)
    images = [read_image(path, model.channels) for path in list_images(arguments.images)[: arguments.limit]]
    names = [name for name in arguments.classical.split(",") if name]
    classical = {name: ssdn_keras.ClassicalDenoiser(name, "gauss", model.channels) for name in names}
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    found = []
    for sigma in map(int, arguments.sigmas.split(",")):
        found.append(measure(model, images, sigma, classical, arguments.self_ensemble))
        (output / "figures.json").write_text(json.dumps(found, indent=2) + "\n")
    (output / "table.md").write_text(table(found))
    name = Path(arguments.model).stem
    plot_levels(found, output / "levels.png", name)
    for row in found:
        if "within" in row:
            plot_coverage(row, output / "coverage.png", name)
    print(table(found))


if __name__ == "__main__":
    main()
