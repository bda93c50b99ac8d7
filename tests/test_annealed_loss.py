"""Regression on noisy targets under noise that moves the mean: the exponent of the loss falls from 2 to 0.5."""

import keras
import numpy as np
import pytest

from ssdn_keras import Denoiser
from ssdn_keras.algorithms.regression import annealed_exponent
from ssdn_keras.data import training_crops


def test_exponent_follows_the_published_schedule():
    progress = np.array([0.0, 0.25, 0.5, 0.75, 0.9, 1.0], "float32")
    np.testing.assert_allclose(np.array(annealed_exponent(progress)), [2.0, 1.5, 1.0, 0.5, 0.5, 0.5])


def example(algorithm, progress):
    generator = np.random.RandomState(0)
    images = generator.random_sample((4, 2, 16, 16, 3)).astype("float32")
    names = ("noisy", "second", "unmasked", "clean")
    x = dict(zip(names, images, strict=True))
    x["mask"] = np.ones((2, 16, 16, 1), "float32")
    x["progress"] = np.array(progress, "float32")
    model = Denoiser(noise="impulse50", algorithm=algorithm)
    return model, x


@pytest.mark.parametrize(("algorithm", "target"), [("n2n", "second"), ("ssdn_mean", "noisy"), ("n2v", "unmasked")])
def test_noisy_targets_under_impulse_noise_anneal(algorithm, target):
    model, x = example(algorithm, [0.0, 0.8])
    difference = np.abs(np.array(model(x)["denoised"]) - x[target])
    loss = np.array(model.loss_per_pixel(x))
    np.testing.assert_allclose(loss[0], difference[0] ** 2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(loss[1], (difference[1] + 1e-8) ** 0.5, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("algorithm", "noise"), [("n2c", "impulse50"), ("n2n", "gauss25"), ("ssdn_mean", "poisson30")])
def test_other_targets_and_noises_do_not(algorithm, noise):
    model, x = example(algorithm, [0.0, 0.8])
    model = Denoiser(noise=noise, algorithm=algorithm)
    target = {"n2c": "clean", "n2n": "second", "ssdn_mean": "noisy"}[algorithm]
    del x["progress"]
    expected = (np.array(model(x)["denoised"]) - x[target]) ** 2
    np.testing.assert_allclose(np.array(model.loss_per_pixel(x)), expected, rtol=1e-4, atol=1e-6)


def test_equal_images_have_a_finite_gradient():
    model, x = example("n2n", [1.0, 1.0])
    x["second"] = np.array(model(x)["denoised"])
    y = {name: x[name] for name in ("second", "progress")}
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit({"noisy": x["noisy"]}, y, verbose=0).history
    assert history["skipped_steps"] == [0.0] and np.isfinite(history["loss"]).all()


def test_crops_know_how_far_the_training_is(photographs):
    options = {"algorithm": "n2n", "crop": 32, "minibatch": 2}
    whole = list(training_crops(str(photographs), "impulse50", count=8, **options))
    progress = np.concatenate([y["progress"] for _, y in whole])
    np.testing.assert_allclose(progress, np.arange(8) / 8)
    resumed = list(training_crops(str(photographs), "impulse50", start=4, count=4, length=8, **options))
    np.testing.assert_allclose(np.concatenate([y["progress"] for _, y in resumed]), progress[4:])
    with pytest.raises(ValueError, match="give count or length"):
        training_crops(str(photographs), "impulse50", **options)


def test_noisy_images_alone_train_the_mean_under_impulse_noise(photographs):
    crops = training_crops(str(photographs), "impulse", algorithm="ssdn_mean", add_noise=False, crop=32, count=4)
    x, y = next(iter(crops))
    assert set(x) == {"noisy"} and set(y) == {"progress"}


def test_what_is_missing_beside_the_noisy_image_is_named():
    model, x = example("n2n", [0.0, 0.0])
    del x["progress"]
    with pytest.raises(ValueError, match="progress"):
        model.loss_per_pixel(x)
    with pytest.raises(ValueError, match="second"):
        model.loss_per_pixel({"noisy": x["noisy"]})
