"""PSNR on clean images during training, with noise from fixed seeds."""

import numpy as np

from ssdn_keras.data.formats import open_pages
from ssdn_keras.data.images import ImageError
from ssdn_keras.data.read import prepare, read_image
from ssdn_keras.data.sources import tell
from ssdn_keras.evaluation import metrics, protocol
from ssdn_keras.value_range import to_network

SEED = 7
PANEL = 256


class Validation:
    """The first images of a folder, each corrupted once and for all.

    Args:
        folder: clean images.
        spec: `NoiseSpec` with levels.
        channels: of the model.
        count: how many images.
        value_range: of the model; images of other types than 8 bits are brought to 0..255 by it.
    """

    def __init__(self, folder, spec, channels, count, value_range=None):
        self._pairs = []
        for index, path in enumerate(protocol.list_images(folder)):
            if len(self._pairs) == count:
                break
            try:
                clean = _read(path, channels, value_range)
            except ImageError as error:
                tell(f"skipped {path}: {error}")
                continue
            self._pairs.append((clean, protocol.corrupt(clean, spec, SEED, index, 0)))
        if not self._pairs:
            raise ValueError(f"{folder}: no readable image to validate with")

    def run(self, model):
        """Mean values for metrics.csv, and a picture of the first image: clean, noisy, denoised (uint8 H×3W×C)."""
        rows, levels, panel = [], [], None
        for clean, test_image in self._pairs:
            outputs = protocol.denoise(model, test_image)
            rows.append(protocol.score(clean, test_image, outputs))
            if model.estimated:
                levels.append(protocol.estimated_levels(model, outputs))
            if panel is None:
                images = (
                    clean,
                    *(metrics.to_uint8(i) for i in (test_image.crop(test_image.noisy), outputs["denoised"])),
                )
                panel = np.concatenate([image[:PANEL, :PANEL] for image in images], axis=1)
        values = {
            "val_psnr": np.mean([row["psnr_denoised"] for row in rows]),
            "val_psnr_mean": np.mean([row["psnr_mean"] for row in rows]),
            "val_psnr_noisy": np.mean([row["psnr_noisy"] for row in rows]),
        }
        for name in levels[0] if levels else ():
            values[f"val_{name}"] = np.mean([level[name] for level in levels])
        return {name: round(float(value), 4) for name, value in values.items()}, panel


def _read(path, channels, value_range):
    """Clean image, uint8 H×W×channels."""
    if value_range is None:
        return read_image(path, channels)
    with open_pages(path) as reader:
        return metrics.to_uint8(to_network(prepare(reader.read(0).values, channels), value_range))


class CropPanel:
    """Where nothing clean is known: a picture of one noisy training crop beside what the network makes of it."""

    def __init__(self, crops):
        x = next(iter(crops.take(1)))[0]
        self._inputs = {name: value[:1].numpy() for name, value in x.items()}

    def run(self, model):
        """No values, and the picture: noisy, denoised (uint8 H×2W×C)."""
        outputs = model.predict_on_batch(self._inputs)
        images = [metrics.to_uint8(image[0]) for image in (self._inputs["noisy"], outputs["denoised"])]
        return {}, np.concatenate([image[:PANEL, :PANEL] for image in images], axis=1)
