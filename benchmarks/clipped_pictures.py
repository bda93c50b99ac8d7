"""Where a likelihood that does not know of clipping goes wrong: pictures of highlights and shadows.

    python benchmarks/clipped_pictures.py PLAIN.keras CLIPPED.keras OUTPUT

Both models were trained on gauss25 noise, clipped and rounded to 8 bits; the second knows it. Photographs that come
with scikit-image get such noise. Writes OUTPUT/clipped-bias.png, mean errors over clean values, and
OUTPUT/clipped-crops.jpg, and prints PSNRs.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt
from scipy import ndimage
from skimage import data

import ssdn_keras
from ssdn_keras.evaluation import metrics

SIGMA = 25
# Photograph and place: a white suit, a black one beside white.
PLACES = [(0, slice(300, 400), slice(170, 310)), (0, slice(60, 160), slice(372, 512))]
COLOURS = {"noisy": "#999999", "plain model": "#D55E00", "clipped model": "#0072B2"}
STEP = 8


def to_grey_levels(image):
    """0..1 to 0..255 as a file has it, but not rounded."""
    return 255 * np.clip(image, 0, 1).astype("float64")


def plot_errors(clean, results, path):
    """Mean of result − clean over the clean value."""
    figure, axes = plt.subplots(figsize=(6, 3.6))
    bins = np.arange(0, 256, STEP)
    place = np.concatenate([image.ravel() // STEP for image in clean])
    for name, images in results.items():
        error = np.concatenate([(image - true).ravel() for image, true in zip(images, clean, strict=True)])
        means = ndimage.mean(error, place, np.arange(len(bins)))
        axes.plot(bins + STEP / 2, means, label=name, color=COLOURS[name], ls="--" if name == "noisy" else "-")
    axes.axhline(0, color="black", lw=0.5)
    axes.set(xlabel="clean value (0..255)", ylabel="mean of result − clean")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def show_crops(clean, results, path):
    """Crops, and below each its error without the fine grain."""
    columns = {"clean": clean, **results}
    figure, axes = plt.subplots(2 * len(PLACES), len(columns), figsize=(10, 3.8 * len(PLACES)))
    for row, (number, *window) in enumerate(PLACES):
        window = tuple(window)
        for column, (name, images) in enumerate(columns.items()):
            above, below = axes[2 * row : 2 * row + 2, column]
            above.imshow(np.uint8(np.rint(images[number][window])))
            above.set_title(name, fontsize=9)
            above.axis("off")
            below.axis("off")
            if name != "clean":
                error = (images[number][window] - clean[number][window].astype("float64")).mean(axis=-1)
                below.imshow(ndimage.gaussian_filter(error, 3), cmap="RdBu_r", vmin=-12, vmax=12)
    axes[1, 0].text(0.5, 0.5, "error, smoothed:\nblue too dark by 12,\nred too bright by 12", ha="center", va="center",
                    fontsize=9, transform=axes[1, 0].transAxes)  # fmt: skip
    figure.tight_layout()
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 85})


def main(plain, clipped, output):
    """Write both pictures."""
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    clean = [data.astronaut(), data.rocket(), data.coffee(), data.chelsea()]
    random = np.random.RandomState(0)
    noisy = [np.rint(np.clip(image + random.normal(0, SIGMA, image.shape), 0, 255)) for image in clean]
    results = {"noisy": noisy}
    for name, path in (("plain model", plain), ("clipped model", clipped)):
        model = ssdn_keras.load(path)
        results[name] = [to_grey_levels(model.denoise(np.float32(image / 255))) for image in noisy]
    for name, images in results.items():
        values = [metrics.psnr(true, metrics.to_uint8(image / 255)) for true, image in zip(clean, images, strict=True)]
        print(f"{name}: {', '.join(f'{value:.2f}' for value in values)}, mean {np.mean(values):.2f} dB")
    plot_errors(clean, results, output / "clipped-bias.png")
    show_crops(clean, results, output / "clipped-crops.jpg")


if __name__ == "__main__":
    main(*sys.argv[1:])
