"""Every algorithm learns to denoise photographs within a minute of CPU."""

import dataclasses

import keras
import pytest
from skimage import data as photographs

from ssdn_keras.data import training_crops
from ssdn_keras.evaluation import protocol
from ssdn_keras.noise import parse_noise
from ssdn_keras.training.models import make_model
from ssdn_keras.training.precision import fast_precision
from ssdn_keras.training.settings import TrainSettings

SETTINGS = TrainSettings(
    crop=32, minibatch=4, images=1200, learning_rate=1.5e-3, ramp_down=0.5, precision=fast_precision()
)
# Decibels above the noisy image, of gauss25. What was seen is between 1 and 3 dB more.
MARGINS = {"ssdn": 5.0, "ssdn_mean": 4.0, "n2c": 5.0, "n2n": 5.0, "n2v": 4.0, "n2v2": 4.0}
# A squared error over the whole crop, without the likelihood's weights, needs larger steps to get anywhere in a minute.
CHANGES = {"ssdn_mean": {"learning_rate": 3e-3, "minibatch": 2, "images": 1600}}


def gain(settings):
    """(PSNR of a noisy photograph, PSNR after denoising it) of a network trained on other photographs."""
    images = [photographs.astronaut(), photographs.coffee(), photographs.rocket()]
    model = make_model(settings)
    crops = training_crops(
        images, settings.noise, crop=settings.crop, minibatch=settings.minibatch, algorithm=settings.algorithm,
        count=settings.images, freeze_noise=settings.freeze_noise,
    )  # fmt: skip
    model.fit(crops, verbose=0)
    keras.backend.clear_session()
    clean = photographs.chelsea()[60:188, 120:248]
    test_image = protocol.corrupt(clean, parse_noise(settings.noise), 1, 0, 0)
    row = protocol.score(clean, test_image, protocol.denoise(model, test_image))
    return row["psnr_noisy"], row["psnr_denoised"]


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", MARGINS)
def test_each_algorithm_beats_its_noisy_input(algorithm):
    before, after = gain(dataclasses.replace(SETTINGS, algorithm=algorithm, **CHANGES.get(algorithm, {})))
    assert after > before + MARGINS[algorithm], (before, after)


@pytest.mark.slow
def test_one_noise_draw_per_image_is_enough():
    before, after = gain(dataclasses.replace(SETTINGS, algorithm="n2v", freeze_noise=True))
    assert after > before + MARGINS["n2v"] - 1, (before, after)


@pytest.mark.slow
def test_the_annealed_loss_learns_from_impulses():
    before, after = gain(dataclasses.replace(SETTINGS, algorithm="n2n", noise="impulse50", images=2000))
    assert after > before + 7.0, (before, after)
