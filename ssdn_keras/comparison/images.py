"""Both programs on the same noisy images: how far their results lie apart."""

from dataclasses import dataclass

import numpy as np

from ssdn_keras.data.images import ImageError
from ssdn_keras.data.read import read_image
from ssdn_keras.data.sources import tell
from ssdn_keras.evaluation import metrics, protocol

OUTPUTS = ("mean", "denoised", "loss", "network_std", "noise_std")
_EXPONENT = 0.5  # of an annealed loss, once a training is over: the authors evaluate with it
_SECOND = 1  # repeat from which N2N's second noisy version is drawn


@dataclass(frozen=True)
class Pictures:
    """An image and what was made of it: floats H×W×C in nominal range 0..1."""

    name: str
    clean: np.ndarray
    noisy: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray


def readable_images(folder, channels, limit):
    """List of (index, name, clean uint8 H×W×C) of a folder; the index seeds the noise.

    Raises:
        ValueError: none can be read.
    """
    found = []
    for index, path in enumerate(protocol.list_images(folder)):
        if limit is not None and len(found) == limit:
            break
        try:
            found.append((index, str(path.relative_to(folder)), read_image(path, channels)))
        except ImageError as error:
            tell(f"skipped {path}: {error}")
    if not found:
        raise ValueError(f"{folder}: no readable image to compare on")
    return found


def _reference(algorithm, clean, side, spec, seed, index):
    """What the algorithm learns, for an image that is padded to a square; None for the noisy image itself."""
    if algorithm == "n2c":
        padding = [(0, side - clean.shape[0]), (0, side - clean.shape[1]), (0, 0)]
        return np.pad(clean, padding, mode="reflect" if min(clean.shape[:2]) > 1 else "edge") / np.float32(255)
    if algorithm == "n2n":
        return protocol.corrupt(clean, spec, seed, index, _SECOND).squared()
    return None


def _apart(ours, theirs):
    """(largest, mean) absolute difference of two maps; a map of one value stands for all pixels."""
    ours, theirs = (np.squeeze(np.asarray(value, "float64")) for value in (ours, theirs))
    difference = np.abs(ours - theirs)
    return float(difference.max()), float(difference.mean())


class ImageComparison:
    """Compares image by image.

    Args:
        port: `Port`.
        program: `OriginalProgram` with the same weights.
        experiment: `Experiment`.
        seed: of the noise.
    """

    def __init__(self, port, program, experiment, seed):
        self._port, self._program, self._experiment, self._seed = port, program, experiment, seed
        self._warm = set()

    def compare(self, index, name, clean):
        """(row of figures, `Pictures`) of one image.

        Differences are those on the square that both programs see, padding included; PSNR is that of the image. Seconds
        and memory are of denoising alone, after a first run that is not counted.
        """
        spec, experiment = self._port.noise, self._experiment
        test_image = protocol.corrupt(clean, spec, self._seed, index, 0)
        noisy, level = test_image.squared(), test_image.parameter
        if noisy.shape not in self._warm:
            for side in (self._port, self._program):
                side.restore(noisy, level)
            self._warm.add(noisy.shape)
        ours, our_seconds, our_memory = self._port.measured_restore(noisy, level)
        theirs, their_seconds, their_memory = self._program.measured_restore(noisy, level)
        reference = _reference(experiment.algorithm, clean, len(noisy), spec, self._seed, index)
        batch = {
            "noisy": noisy[None], "level": [level], "exponent": _EXPONENT,
            "reference": None if reference is None else reference[None],
        }  # fmt: skip
        ours["loss"], theirs["loss"] = self._port.loss_map(**batch)[0], self._program.loss_map(**batch)[0]
        row = {"experiment": experiment.name, "image": name, "height": clean.shape[0], "width": clean.shape[1]}
        row["parameter"] = level
        for output in OUTPUTS:
            if output in ours:
                row[f"{output}_max"], row[f"{output}_average"] = _apart(ours[output], theirs[output])
        row["loss_ours"], row["loss_theirs"] = float(np.mean(ours["loss"])), float(np.mean(theirs["loss"]))
        for side, outputs in (("ours", ours), ("theirs", theirs)):
            row[f"psnr_{side}"] = metrics.psnr(clean, metrics.to_uint8(test_image.crop(outputs["denoised"])))
        row.update(seconds_ours=our_seconds, seconds_theirs=their_seconds)
        row.update(memory_ours=our_memory, memory_theirs=their_memory)
        pictures = [test_image.crop(image) for image in (noisy, ours["denoised"], theirs["denoised"])]
        return row, Pictures(name, clean / np.float32(255), *pictures)
