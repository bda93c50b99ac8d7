"""The demonstration: a network that never saw a clean image learns to denoise photographs in a few minutes."""

import time
from pathlib import Path

import keras
import numpy as np
from skimage import data as photographs

from ssdn_keras.algorithms.classical import non_local_means
from ssdn_keras.data.images import save_image
from ssdn_keras.data.pipeline import training_crops
from ssdn_keras.evaluation import metrics, protocol
from ssdn_keras.evaluation.picture import caption_grid
from ssdn_keras.model.denoiser import Denoiser
from ssdn_keras.model.schedule import published_optimizer
from ssdn_keras.noise import parse_noise
from ssdn_keras.training.models import save_model
from ssdn_keras.training.precision import fast_precision
from ssdn_keras.training.progress import Progress
from ssdn_keras.training.settings import TrainSettings

NOISE = "gauss25"
SIGMA = 25 / 255
WARM_UP = 3
TIMED = 5
SMALLEST, LARGEST = 300, 8000


def training_photographs():
    """Photographs that come with scikit-image."""
    left, right, _ = photographs.stereo_motorcycle()
    return [photographs.astronaut(), photographs.coffee(), photographs.rocket(), left, right]


def test_photographs():
    """Other images, by name: a cat, and stained tissue under a microscope."""
    return {"chelsea": photographs.chelsea(), "tissue": photographs.immunohistochemistry()}


def _crops(settings, start, count):
    return training_crops(
        training_photographs(), settings.noise, crop=settings.crop, minibatch=settings.minibatch,
        freeze_noise=True, seed=settings.seed, start=start, count=count,
    )  # fmt: skip


def _affordable_images(settings, seconds):
    """How many crops can be trained on in the given time: a few steps of a throw-away network are timed."""
    model = _new_model(settings)
    steps = list(_crops(settings, 0, settings.minibatch * (WARM_UP + TIMED)))
    times = []
    for x, y in steps:
        began = time.monotonic()
        model.train_on_batch(x, y)
        times.append(time.monotonic() - began)
    images = int(seconds / np.median(times[WARM_UP:])) * settings.minibatch
    return min(max(images, SMALLEST), LARGEST)


def _new_model(settings):
    keras.utils.set_random_seed(settings.seed)
    model = Denoiser(noise=settings.noise, dtype=settings.precision, name="denoiser")
    model.compile(
        published_optimizer(
            rate=settings.learning_rate, images=settings.images, minibatch=settings.minibatch,
            ramp_up=settings.ramp_up, ramp_down=settings.ramp_down,
        )
    )  # fmt: skip
    return model


def train_network(settings):
    """Train on frozen noisy versions of the photographs; the bar's PSNR is that of the training crops."""
    model = _new_model(settings)
    model.fit(
        _crops(settings, 0, settings.steps * settings.minibatch),
        verbose=0, callbacks=[Progress(settings, 0, window=50)],
    )  # fmt: skip
    return model


def compare(model, images):
    """Noisy, non-local means and denoised versions of images: list of (name, {kind: (uint8 image, dB)})."""
    results = []
    for index, (name, clean) in enumerate(images.items()):
        test_image = protocol.corrupt(clean, parse_noise(NOISE), 1, index, 0)
        noisy = test_image.crop(test_image.noisy)
        versions = {
            "clean": clean,
            "noisy": metrics.to_uint8(noisy),
            "non-local means": metrics.to_uint8(non_local_means(noisy, SIGMA)),
            "denoised": metrics.to_uint8(protocol.denoise(model, test_image)["denoised"]),
        }
        results.append((name, {kind: (image, metrics.psnr(clean, image)) for kind, image in versions.items()}))
    return results


def demonstrate(folder, seconds):
    """Train for about `seconds`, denoise other photographs, write the model and a picture, print a table.

    Returns:
        dict of kind to mean PSNR in dB.
    """
    folder = Path(folder)
    settings = TrainSettings(
        noise=NOISE, crop=96, minibatch=2, images=LARGEST, learning_rate=1.5e-3, ramp_up=0.1, ramp_down=0.5,
        precision=fast_precision(),
    )  # fmt: skip
    images = _affordable_images(settings, seconds)
    settings = TrainSettings(**{**settings.as_dict(), "images": images})
    print(
        f"training on {images} crops of {settings.crop}×{settings.crop} from 5 noisy photographs (σ = 25)", flush=True
    )
    model = train_network(settings)
    save_model(model, folder / "final.keras")
    results = compare(model, test_photographs())
    rows = []
    for name, versions in results:
        captions = {
            kind: kind if kind == "clean" else f"{kind} {value:.1f} dB" for kind, (_, value) in versions.items()
        }
        rows.append([(f"{name}, {captions[kind]}", versions[kind][0]) for kind in ("clean", "noisy", "denoised")])
    save_image(folder / "demo.png", caption_grid(rows))
    kinds = ("noisy", "non-local means", "denoised")
    print("\n" + "image".ljust(12) + "".join(kind.rjust(18) for kind in kinds))
    for name, versions in results:
        print(name.ljust(12) + "".join(f"{versions[kind][1]:15.2f} dB" for kind in kinds))
    means = {kind: float(np.mean([versions[kind][1] for _, versions in results])) for kind in kinds}
    print("mean".ljust(12) + "".join(f"{means[kind]:15.2f} dB" for kind in kinds))
    print(f"\npicture: {folder / 'demo.png'}\nmodel: {folder / 'final.keras'}")
    return means
