"""The demonstration: what the package can do at once, and what a network learns from noisy photographs in minutes."""

import time
from pathlib import Path

import numpy as np
from skimage import data as photographs

from ssdn_keras import shipped
from ssdn_keras.algorithms.classical import non_local_means
from ssdn_keras.data.images import save_image
from ssdn_keras.data.pipeline import training_crops
from ssdn_keras.evaluation import metrics, protocol
from ssdn_keras.evaluation.picture import caption_grid
from ssdn_keras.model.files import load
from ssdn_keras.noise import parse_noise
from ssdn_keras.training.models import make_model, save_model
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
    model = make_model(settings)
    steps = list(_crops(settings, 0, settings.minibatch * (WARM_UP + TIMED)))
    times = []
    for x, y in steps:
        began = time.monotonic()
        model.train_on_batch(x, y)
        times.append(time.monotonic() - began)
    images = int(seconds / np.median(times[WARM_UP:])) * settings.minibatch
    return min(max(images, SMALLEST), LARGEST)


def train_network(settings):
    """Train on frozen noisy versions of the photographs; the bar's PSNR is that of the training crops."""
    model = make_model(settings)
    model.fit(
        _crops(settings, 0, settings.steps * settings.minibatch),
        verbose=0, callbacks=[Progress(settings, 0, window=50)],
    )  # fmt: skip
    return model


def noisy_photographs():
    """What there is to denoise: list of (name, clean uint8 image, `TestImage`)."""
    spec = parse_noise(NOISE)
    return [
        (name, clean, protocol.corrupt(clean, spec, 1, index, 0))
        for index, (name, clean) in enumerate(test_photographs().items())
    ]


def untrained_versions(clean, test_image):
    """{kind: uint8 image} of all that needs no training."""
    noisy = test_image.crop(test_image.noisy)
    return {
        "clean": clean,
        "noisy": metrics.to_uint8(noisy),
        "non-local means": metrics.to_uint8(non_local_means(noisy, SIGMA)),
    }


def denoised(model, test_image):
    """uint8 image."""
    return metrics.to_uint8(protocol.denoise(model, test_image)["denoised"])


def print_table(results):
    """Print the PSNR of all kinds for all images, and return {kind: mean}."""
    kinds = [kind for kind in next(iter(results.values())) if kind != "clean"]
    decibels = {
        name: [metrics.psnr(versions["clean"], versions[kind]) for kind in kinds] for name, versions in results.items()
    }
    means = np.mean(list(decibels.values()), axis=0)
    print("\n" + "image".ljust(10) + "".join(kind.rjust(18) for kind in kinds))
    for name, values in {**decibels, "mean": means}.items():
        print(name.ljust(10) + "".join(f"{value:15.2f} dB" for value in values))
    print(flush=True)
    return dict(zip(kinds, map(float, means), strict=True))


def _captioned(name, versions, kind):
    text = f"{name}, {kind}"
    return text if kind == "clean" else f"{text} {metrics.psnr(versions['clean'], versions[kind]):.1f} dB"


def demonstrate(folder, seconds):
    """Denoise photographs with the network that comes with the package, then train one for about `seconds` and use it.

    Writes the new model and a picture, and prints tables.

    Returns:
        dict of kind to mean PSNR in dB.
    """
    folder = Path(folder)
    photographs_to_denoise = noisy_photographs()
    results = {name: untrained_versions(clean, test_image) for name, clean, test_image in photographs_to_denoise}
    shipped_network = load(shipped.COLOUR)
    for name, _, test_image in photographs_to_denoise:
        results[name][shipped.COLOUR] = denoised(shipped_network, test_image)
    print(f"the network that comes with the package, {shipped.COLOUR}, on two photographs with noise of σ = 25:")
    print_table(results)
    settings = TrainSettings(
        noise=NOISE, crop=96, minibatch=1, images=LARGEST, optimizer="muon", learning_rate=1e-3, ramp_up=0.1,
        ramp_down=0.5, filters=24, mean_start="neighbours", precision=fast_precision(),
    )  # fmt: skip
    images = _affordable_images(settings, seconds)
    settings = TrainSettings(**{**settings.as_dict(), "images": images})
    print(
        f"training a new one on {images} crops of {settings.crop}×{settings.crop} from 5 noisy photographs (σ = 25)",
        flush=True,
    )
    model = train_network(settings)
    save_model(model, folder / "final.keras")
    for name, _, test_image in photographs_to_denoise:
        results[name]["trained now"] = denoised(model, test_image)
    shown = ("clean", "noisy", "trained now", shipped.COLOUR)
    rows = [
        [(_captioned(name, versions, kind), versions[kind]) for kind in shown] for name, versions in results.items()
    ]
    save_image(folder / "demo.png", caption_grid(rows))
    means = print_table(results)
    print(f"picture: {folder / 'demo.png'}\nmodel: {folder / 'final.keras'}")
    return means
