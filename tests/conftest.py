import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def the_same_random_weights_every_time():
    """What random networks make of rounding differs by more than tenfold: a tolerance must not be left to chance."""
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def no_gradients_unless_asked_for():
    """PyTorch turns what a model returns into an array only where no gradient is recorded; other backends always."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
    else:
        with torch.no_grad():
            yield


@pytest.fixture
def photographs(tmp_path):
    """A folder of four small smooth RGB images, one of them nested."""
    folder = tmp_path / "clean"
    (folder / "nested").mkdir(parents=True)
    names = ["a.png", "b.png", "c.jpg", "nested/d.PNG"]
    for seed, name in enumerate(names):
        Image.fromarray(smooth_image(seed)).save(folder / name)
    return folder


def smooth_image(seed, height=72, width=80, channels=3):
    """A uint8 image with structure: low-resolution random values, enlarged."""
    small = np.random.RandomState(seed).randint(30, 225, (height // 8, width // 8, channels), dtype=np.uint8)
    pictures = [Image.fromarray(small[..., c]).resize((width, height), Image.BICUBIC) for c in range(channels)]
    image = np.stack([np.asarray(picture) for picture in pictures], axis=-1)
    return image if channels > 1 else image[..., 0]
