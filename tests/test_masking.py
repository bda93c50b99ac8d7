"""Noise2Void's masks: how many pixels, which, what replaces them, and that the loss sees nothing else."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ssdn_keras import Denoiser
from ssdn_keras.data import training_crops
from ssdn_keras.data.masking import Masking
from ssdn_keras.noise.sampling import StatelessRandom

SIDES = (20, 27)


def stream(seed):
    return StatelessRandom(tf.stack([tf.constant(3, tf.int64), seed]))


def distinct_image(height, width, channels=3):
    """Every value occurs once, so that a replacement tells where it came from."""
    values = np.arange(height * width * channels, dtype="float32")
    return tf.constant(values.reshape(height, width, channels))


@pytest.mark.parametrize(("box", "percentage"), [(8, None), (8, 1.5), (5, 7.0), (4, 30.0), (16, 0.2)])
def test_every_pixel_is_masked_with_the_same_probability(box, percentage):
    masking = Masking(box=box, percentage=percentage)
    expected = 1 / box**2 if percentage is None else percentage / 100
    draw = tf.function(lambda seed: masking.draw(*SIDES, stream(seed)))
    count = 3000
    mean = sum(draw(tf.constant(seed, tf.int64)).numpy() for seed in range(count)) / count
    spread = np.sqrt(expected * (1 - expected) / count)
    assert abs(mean.mean() - expected) < 4 * spread / np.sqrt(mean.size) + 0.002 * expected
    # Five standard deviations allow for 540 pixels; a border without masks would be 13 or more away.
    assert np.abs(mean - expected).max() < 5 * spread


def test_one_pixel_in_every_whole_box():
    mask = Masking(box=8).draw(32, 24, stream(0)).numpy()
    np.testing.assert_array_equal(mask.reshape(4, 8, 3, 8).sum(axis=(1, 3)), np.ones((4, 3)))


@pytest.mark.parametrize("neighbourhood", [3, 5, 9])
def test_a_masked_pixel_becomes_another_one_of_its_neighbourhood(neighbourhood):
    masking = Masking(neighbourhood=neighbourhood, percentage=25.0)
    image = distinct_image(*SIDES)
    for seed in range(20):
        random = stream(seed)
        mask = masking.draw(*SIDES, random)
        result = masking.replace(image, mask, random).numpy()
        places = np.argwhere(mask.numpy() > 0)
        origin = result[mask.numpy() > 0][:, 0] / 3
        rows, columns = np.divmod(origin.astype(int), SIDES[1])
        distance = np.abs(np.stack([rows, columns], -1) - places)
        assert (distance.max(axis=-1) <= neighbourhood // 2).all()
        assert (distance.max(axis=-1) > 0).all(), "a pixel must not stand in for itself"
        np.testing.assert_array_equal(result[mask.numpy() == 0], image.numpy()[mask.numpy() == 0])
        # All channels come from one place.
        np.testing.assert_array_equal(np.diff(result[mask.numpy() > 0], axis=-1), 1)


@pytest.mark.parametrize("place", [(0, 0), (0, 13), (19, 26), (10, 10), (10, 0)])
def test_replacements_come_from_all_neighbours_alike_at_borders_too(place):
    masking, image = Masking(neighbourhood=3), distinct_image(*SIDES, 1)
    mask = np.zeros(SIDES, "float32")
    mask[place] = 1
    replace = tf.function(lambda seed: masking.replace(image, tf.constant(mask), stream(seed)))
    draws = 1500
    values = [float(replace(tf.constant(seed, tf.int64))[place][0]) for seed in range(draws)]
    expected = {
        float(image[i, j, 0])
        for i in range(place[0] - 1, place[0] + 2)
        for j in range(place[1] - 1, place[1] + 2)
        if 0 <= i < SIDES[0] and 0 <= j < SIDES[1] and (i, j) != place
    }
    found, counts = np.unique(values, return_counts=True)
    assert set(found) == expected
    share = 1 / len(expected)
    assert np.abs(counts / draws - share).max() < 5 * np.sqrt(share * (1 - share) / draws)


def test_medians_of_the_neighbourhood_leave_the_pixel_out():
    masking = Masking("median", neighbourhood=5, percentage=40.0)
    image = tf.constant(np.random.RandomState(0).standard_normal((*SIDES, 2)), tf.float32)
    mask = masking.draw(*SIDES, stream(1))
    result = masking.replace(image, mask, stream(2)).numpy()
    for row, column in np.argwhere(mask.numpy() > 0):
        top, left = max(row - 2, 0), max(column - 2, 0)
        window = image.numpy()[top : row + 3, left : column + 3]
        others = np.delete(window.reshape(-1, 2), (row - top) * window.shape[1] + column - left, axis=0)
        np.testing.assert_allclose(result[row, column], np.median(others, axis=0), rtol=1e-6)


@pytest.mark.parametrize("algorithm", ["n2v", "n2v2"])
def test_the_loss_depends_on_masked_pixels_only_and_is_their_mean(algorithm):
    model = Denoiser(noise="gauss25", algorithm=algorithm)
    generator = np.random.RandomState(0)
    x = {"noisy": generator.random_sample((2, 32, 32, 3)).astype("float32")}
    y = {"unmasked": generator.random_sample((2, 32, 32, 3)).astype("float32")}
    y["mask"] = (generator.random_sample((2, 32, 32, 1)) < 0.1).astype("float32")
    loss = np.array(model.loss_per_pixel(x, y))
    outside = np.broadcast_to(y["mask"] == 0, loss.shape)
    assert (loss[outside] == 0).all() and (loss[~outside] > 0).all()
    errors = (np.array(model(x)["denoised"]) - y["unmasked"])[~outside]
    np.testing.assert_allclose(loss.mean(), np.mean(errors**2), rtol=1e-5)
    y["unmasked"] = np.where(outside, 77.0, y["unmasked"])
    np.testing.assert_array_equal(loss, np.array(model.loss_per_pixel(x, y)))


def test_crops_and_noise_are_those_of_the_other_algorithms(photographs):
    options = {"crop": 32, "minibatch": 2, "count": 6, "seed": 5}
    plain = list(training_crops(str(photographs), "gauss25", algorithm="ssdn", **options))
    for algorithm in ("n2v", "n2v2", "n2n", "n2c", "ssdn_mean"):
        others = list(training_crops(str(photographs), "gauss25", algorithm=algorithm, **options))
        for (x, y), (other_x, other_y) in zip(plain, others, strict=True):
            np.testing.assert_array_equal(y["clean"], other_y["clean"])
            noisy = other_y.get("unmasked", other_x["noisy"])
            np.testing.assert_array_equal(x["noisy"], noisy)
            if "mask" in other_y:
                changed = np.any(other_x["noisy"] != noisy, axis=-1, keepdims=True)
                np.testing.assert_array_equal(changed, other_y["mask"] == 1)


@pytest.mark.parametrize("algorithm", ["n2v", "n2v2", "ssdn_mean", "n2c"])
def test_frozen_noise_stays_and_masks_change(photographs, algorithm):
    image = np.asarray(Image.open(photographs / "a.png"))[:32, :32]
    crops = training_crops([image], "gauss25", algorithm=algorithm, crop=32, minibatch=1, count=3, freeze_noise=True)
    batches = list(crops)
    noisy = [y.get("unmasked", x["noisy"]) for x, y in batches]
    for other in noisy[1:]:
        np.testing.assert_array_equal(noisy[0], other)
    if "mask" in batches[0][1]:
        assert (batches[0][1]["mask"].numpy() != batches[1][1]["mask"].numpy()).any()


def test_noisy_images_alone_are_enough(photographs):
    x, y = next(iter(training_crops(str(photographs), "gauss", algorithm="n2v", add_noise=False, crop=32)))
    assert set(x) == {"noisy"} and set(y) == {"unmasked", "mask"}


@pytest.mark.parametrize(
    "options",
    [
        {"n2v_box": 1},
        {"n2v_percentage": 0.0},
        {"n2v_percentage": 51},
        {"n2v_neighbourhood": 4},
        {"n2v_box": 40},
        {"n2v_neighbourhood": 33},
    ],
)
def test_impossible_masks_are_refused_by_name(photographs, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        training_crops(str(photographs), "gauss25", **{"crop": 32, "algorithm": "n2v", **options})
