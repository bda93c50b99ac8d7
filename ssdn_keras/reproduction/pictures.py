"""The pictures of a comparison: what each method made of every test image."""

import numpy as np
from PIL import Image

from ssdn_keras.data.images import ImageError
from ssdn_keras.data.read import read_image
from ssdn_keras.evaluation import metrics, protocol
from ssdn_keras.evaluation.run import picture_path


def evaluated_images(comparison, outcomes):
    """Yield (set name, image name, clean, noisy (uint8 H×W×C), {row name: (denoised, std or None)}) of all images."""
    for test_set in comparison.sets:
        for index, path in enumerate(test_set.paths()[: comparison.settings.limit]):
            name = str(path.relative_to(test_set.folder))
            try:
                clean = read_image(path, comparison.settings.channels)
            except ImageError:
                continue
            test_image = protocol.corrupt(clean, comparison.spec, comparison.settings.seed, index, 0)
            noisy = metrics.to_uint8(test_image.crop(test_image.noisy))
            pictures = {}
            for outcome in outcomes:
                folder = comparison.folder(outcome.row) / "images" / test_set.name
                std = picture_path(folder, name, "std")
                pictures[outcome.row.name] = (
                    _read(picture_path(folder, name, "denoised"), clean.shape),
                    _read(std, clean.shape[:2] + (1,)) if std.exists() else None,
                )
            yield test_set.name, name, clean, noisy, pictures


def _read(path, shape):
    with Image.open(path) as image:
        return np.asarray(image).reshape(shape)
