"""The option of a mean that starts from the pixels next to the blind spot. (That it stays blind: test_blindness.py.)"""

import dataclasses

import keras
import numpy as np
import pytest
from command_line import fails, run

import ssdn_keras
from ssdn_keras.model.mean_start import neighbour_mean
from ssdn_keras.training.models import make_model
from ssdn_keras.training.settings import TrainSettings

NARROW = {"filters": 4, "mean_start": "neighbours"}


def noisy(height=33, width=40, channels=3):
    return np.random.RandomState(0).rand(1, height, width, channels).astype("float32")


@pytest.mark.parametrize("blindspot_size,distance", [(1, 1), (3, 2), (5, 3)])
@pytest.mark.parametrize("height,width", [(9, 7), (2, 12), (1, 2)])
def test_mean_of_the_pixels_next_to_the_blind_square(blindspot_size, distance, height, width):
    x = noisy(height, width, 2)
    mean = np.array(neighbour_mean(x, blindspot_size))
    assert mean.shape == x.shape and mean.dtype == "float32"
    rows, columns = np.mgrid[:height, :width]
    for row in range(height):
        for column in range(width):
            ring = np.maximum(np.abs(rows - row), np.abs(columns - column)) == distance
            expected = x[:, ring].mean(axis=1) if ring.any() else np.zeros((1, 2))
            np.testing.assert_allclose(mean[:, row, column], expected, rtol=1e-5)


def test_a_sum_in_half_precision_is_not_rounded():
    x = keras.ops.cast(noisy(), "bfloat16")
    exact = neighbour_mean(np.array(keras.ops.cast(x, "float32")), 1)
    np.testing.assert_array_equal(neighbour_mean(x, 1), exact)


@pytest.mark.parametrize("algorithm", ["ssdn", "ssdn_mean"])
def test_a_fresh_network_says_almost_the_neighbours(algorithm):
    keras.utils.set_random_seed(0)
    images = noisy()
    near = ssdn_keras.Denoiser("gauss25", algorithm=algorithm, **NARROW).predict_images(images)["mean"]
    far = ssdn_keras.Denoiser("gauss25", algorithm=algorithm, filters=4).predict_images(images)["mean"]
    neighbours = np.array(neighbour_mean(images, 1))
    assert np.abs(near - neighbours).mean() < 0.2 * np.abs(far - neighbours).mean()


def test_it_adds_to_the_mean_and_to_nothing_else():
    keras.utils.set_random_seed(0)
    model, images = ssdn_keras.Denoiser("gauss25", **NARROW), noisy()
    plain = ssdn_keras.Denoiser("gauss25", filters=4)
    plain.set_weights(model.get_weights())
    difference = np.array(model.network(images)) - np.array(plain.network(images))
    np.testing.assert_allclose(difference[..., :3], neighbour_mean(images, 1), atol=1e-5)
    assert (difference[..., 3:] == 0).all()


def test_files_keep_it(tmp_path):
    model, images = ssdn_keras.Denoiser("gauss25", blindspot_size=3, **NARROW), noisy()
    model.save(tmp_path / "x.keras")
    loaded = ssdn_keras.load(tmp_path / "x.keras")
    assert loaded.get_config()["mean_start"] == "neighbours"
    np.testing.assert_array_equal(loaded.predict_images(images)["mean"], model.predict_images(images)["mean"])


def test_only_networks_with_a_blind_spot_have_it():
    with pytest.raises(ValueError, match="needs a blind spot, which n2v does not have"):
        ssdn_keras.Denoiser("gauss25", algorithm="n2v", **NARROW)
    with pytest.raises(ValueError, match="did you mean neighbours"):
        ssdn_keras.Denoiser("gauss25", mean_start="neighbour")


def test_a_model_with_it_does_not_start_from_one_without(tmp_path):
    ssdn_keras.Denoiser("gauss25", channels=1, filters=4).save(tmp_path / "x.keras")
    settings = TrainSettings(channels=1, filters=4, init=str(tmp_path / "x.keras"))
    make_model(settings)
    with pytest.raises(ValueError, match="mean_start is 'none', not 'neighbours'"):
        make_model(dataclasses.replace(settings, mean_start="neighbours"))


def test_a_training_has_it_and_one_that_starts_from_it_too(capfd, photographs, tmp_path):
    common = ["--noise=gauss25", "--channels=1", "--crop=32", "--images=4"]
    for name, arguments in {
        "first": ["--mean_start=neighbours", "--filters=4"],
        "second": [f"--init={tmp_path / 'first' / 'final.keras'}"],
    }.items():
        run_dir = tmp_path / name
        code, _, err = run(capfd, "train", f"--train_clean={photographs}", *common, *arguments, f"--run_dir={run_dir}")
        assert code == 0, err
        assert "--mean_start=neighbours" in (run_dir / "flags.cfg").read_text().splitlines()
        assert ssdn_keras.load(run_dir / "final.keras").network.mean_start == "neighbours"


def test_a_training_without_a_blind_spot_refuses_it(capfd, photographs, tmp_path):
    message = "--mean_start=neighbours needs a blind spot, which --algorithm=n2c does not have"
    arguments = ["--algorithm=n2c", "--mean_start=neighbours", f"--run_dir={tmp_path / 'run'}"]
    fails(capfd, 2, message, "train", f"--train_clean={photographs}", *arguments)
    assert not (tmp_path / "run").exists()
