"""The published test protocol: images, repeats, and noise from fixed seeds (paper, section 4)."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ssdn_keras.data.images import list_images
from ssdn_keras.evaluation import metrics
from ssdn_keras.model.self_ensemble import average
from ssdn_keras.noise.poisson import Poisson
from ssdn_keras.noise.sampling import NumpyRandom, draw_parameter

REPEATS = {"kodak": 10, "bsd300": 3, "set14": 20}
PADDING = 32
# A stream of random numbers apart from others that share the seeds.
_SQUARE = 1


@dataclass(frozen=True)
class TestSet:
    """A folder of clean images and how often each is used, with other noise each time."""

    name: str
    folder: Path
    repeats: int

    def paths(self):
        """Image files, sorted."""
        return list_images(self.folder)


def parse_test_set(text):
    """Read NAME:DIR (kodak, bsd300 and set14 have their published repeats) or DIR, which is used once.

    Raises:
        ValueError: the name is nearly that of a published set.
    """
    name, separator, folder = text.partition(":")
    if separator and name and "/" not in name and not Path(text).exists():
        close = difflib.get_close_matches(name.lower(), REPEATS, n=1, cutoff=0.75)
        if close and name not in REPEATS:
            raise ValueError(f"test set {name!r}: did you mean {close[0]}? Give other sets another name")
        return TestSet(name, Path(folder), REPEATS.get(name, 1))
    return TestSet(Path(text).name or "images", Path(text), 1)


def parse_test_sets(text):
    """Read several test sets, separated by commas.

    Raises:
        ValueError: none is named, or two have the same name; see also `parse_test_set`.
    """
    test_sets = [parse_test_set(part) for part in text.split(",") if part]
    if not test_sets:
        raise ValueError(f"{text!r} names no test set")
    if len({test_set.name for test_set in test_sets}) < len(test_sets):
        raise ValueError(f"{text!r}: two sets have the same name; write NAME:DIR")
    return test_sets


@dataclass(frozen=True)
class TestImage:
    """A corrupted image, padded for the network. Floats in nominal range 0..1.

    `noisy` is the corrupted version of the clean image reflect-padded to multiples of 32, as in the original: the
    noise is drawn after padding, so no noisy value occurs twice. `height` and `width` are those before padding.
    `squared()` is `noisy` within a larger square that is made in the same way.
    """

    noisy: np.ndarray
    parameter: float | list
    height: int
    width: int
    squared: Callable = field(default=None, compare=False)

    def crop(self, image):
        """Cut the padding off."""
        return image[: self.height, : self.width]


def corrupt(clean, spec, seed, index, repeat):
    """The test image that follows from clean uint8 H×W×C, the noise and the three seeds; the same on every machine."""
    height, width = clean.shape[:2]
    padding = [(0, -height % PADDING), (0, -width % PADDING), (0, 0)]
    mode = "reflect" if min(height, width) > 1 else "edge"
    padded = np.pad(clean, padding, mode=mode).astype("float32") / np.float32(255)
    random = NumpyRandom(seed, index, repeat)
    parameter = draw_parameter(spec, random)
    noisy = spec.model.corrupt(padded, np.float32(parameter), random).astype("float32")

    def squared():
        side = max(noisy.shape[:2])
        wider = [(0, side - height), (0, side - width), (0, 0)]
        clean_square = np.pad(clean, wider, mode=mode).astype("float32") / np.float32(255)
        more = NumpyRandom(seed, index, repeat, _SQUARE)
        square = spec.model.corrupt(clean_square, np.float32(parameter), more).astype("float32")
        square[: noisy.shape[0], : noisy.shape[1]] = noisy
        return square

    return TestImage(noisy, np.asarray(parameter).tolist(), height, width, squared)


def denoise(denoiser, test_image, self_ensemble=False):
    """All outputs of a denoiser, trained or classical, for a test image, without padding: arrays H×W×C and H×W.

    With `self_ensemble` their means over rotations and reflections.
    """
    if denoiser.sees_padding == "square":
        noisy = test_image.squared()
    else:
        noisy = test_image.noisy if denoiser.sees_padding else test_image.crop(test_image.noisy)

    def outputs_of(image):
        return denoiser.restore(image, test_image.parameter)

    outputs = average(outputs_of, noisy) if self_ensemble else outputs_of(noisy)
    return {name: test_image.crop(value) for name, value in outputs.items()}


def score(clean, test_image, outputs):
    """Row of results: PSNR and SSIM of the noisy image, of the mean (where there is one) and of the denoised image.

    And the denoised image's PSNR where the clean value is inside the range, at none of its ends.
    """
    row = {}
    images = {"noisy": test_image.crop(test_image.noisy), "mean": outputs.get("mean"), "denoised": outputs["denoised"]}
    for name, image in images.items():
        if image is not None:
            rounded = metrics.to_uint8(image)
            row[f"psnr_{name}"], row[f"ssim_{name}"] = metrics.psnr(clean, rounded), metrics.ssim(clean, rounded)
    row["psnr_inside"] = metrics.psnr_inside(clean, metrics.to_uint8(outputs["denoised"]))
    return row


def estimated_level(model, noise_std, mean):
    """Noise level in the units of the experiment names, from the summary map; None if it was not estimated."""
    if not model.estimated:
        return None
    kind = model.noise.kind
    if kind == "gauss":
        return float(np.mean(noise_std) * model.noise.level_scale)
    if kind == "impulse":
        return float(np.mean(noise_std) * 255.0)
    brightness = np.maximum(np.asarray(mean), Poisson.smallest_mean)
    geometric = np.exp(np.log(brightness).mean(axis=-1))
    return float(np.median(geometric / np.maximum(noise_std**2, 1e-20)))


def estimated_levels(model, outputs):
    """Dict of what the model estimated, by name: "noise_level", or the numbers that the level consists of.

    Args:
        model: that estimates.
        outputs: its outputs for one image.
    """
    if not model.noise.parameter_shape:
        return {"noise_level": estimated_level(model, outputs["noise_std"], outputs["mean"])}
    return model.noise.named(model.noise.level_from_estimate(outputs["strength"]))
