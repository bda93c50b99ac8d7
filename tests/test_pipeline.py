import numpy as np
import pytest
from conftest import smooth_image

from ssdn_keras.data import ArraySource, pipeline, training_crops
from ssdn_keras.data.pipeline import _Crops


def images(count=5):
    return [smooth_image(seed, 40 + 3 * seed, 50) for seed in range(count)]


def batches(**kwargs):
    return [
        tuple({name: np.array(value) for name, value in part.items()} for part in element)
        for element in training_crops(images(), **{"crop": 24, "minibatch": 2, "count": 8, **kwargs})
    ]


def assert_same(left, right):
    for a, b in zip(left, right, strict=True):
        for part_a, part_b in zip(a, b, strict=True):
            assert part_a.keys() == part_b.keys()
            for name in part_a:
                np.testing.assert_array_equal(part_a[name], part_b[name])


@pytest.mark.parametrize("options", [
    {}, {"noise": "poisson5_50"}, {"noise": "impulse0_100"}, {"freeze_noise": True, "noise": "gauss5_50"},
    {"algorithm": "n2n", "noise": "gauss5_50"}, {"channels": 1}, {"augment": True, "freeze_noise": True},
])  # fmt: skip
def test_examples_depend_on_seed_and_index_alone(options):
    whole = batches(seed=3, **options)
    assert_same(whole, batches(seed=3, **options))
    assert_same(whole[2:], batches(seed=3, start=4, count=4, **options))
    other = batches(seed=4, **options)
    assert not np.array_equal(whole[0][0]["noisy"], other[0][0]["noisy"])


def test_images_are_drawn_without_replacement_and_reshuffled():
    crops = _Crops(ArraySource([np.full((8, 8, 3), i, "uint8") for i in range(10)], 3), 4, 0, None, None)
    order = [round(float(crops(i, (0, 0))[0][0, 0, 0] * 255)) for i in range(30)]
    assert [sorted(order[i : i + 10]) for i in (0, 10, 20)] == [list(range(10))] * 3
    assert order[:10] != order[10:20] != order[20:]


def test_crops_reach_every_place():
    image = np.arange(36, dtype="uint8").reshape(6, 6, 1)
    crops = _Crops(ArraySource([image], 1), 4, 0, None, None)
    corners = {round(float(crops(0, place)[0][0, 0, 0] * 255))
               for place in np.random.RandomState(0).rand(200, 2)}  # fmt: skip
    assert corners == {0, 1, 2, 6, 7, 8, 12, 13, 14}


@pytest.mark.parametrize("frozen", [False, True])
def test_augmented_crops_come_in_all_eight_positions_and_noise_turns_with_its_image(frozen):
    image = np.arange(192, dtype="float32").reshape(8, 8, 3) / 192
    data = training_crops([image], "gauss5_50", crop=8, minibatch=1, count=200, augment=True, freeze_noise=frozen)
    symmetries = [np.rot90(part, quarter) for part in (image, image[:, ::-1]) for quarter in range(4)]
    seen, noises = set(), []
    for x, y in data.as_numpy_iterator():
        clean = y["clean"][0]
        (which,) = (i for i, turned in enumerate(symmetries) if np.array_equal(clean, turned))
        seen.add(which)
        noise = (x["noisy"][0] - clean) / x["noise_level"][0]
        noises.append(np.rot90(noise, -(which % 4))[:, :: -1 if which > 3 else 1])
        assert 0.8 < noise.std() < 1.2
    assert seen == set(range(8))
    if frozen:
        np.testing.assert_allclose(noises, np.broadcast_to(noises[0], np.shape(noises)), atol=1e-4)


def test_noise_is_neither_clipped_nor_rounded_unless_asked():
    noisy = np.concatenate([x["noisy"] for x, _ in batches(noise="gauss100")])
    assert noisy.min() < 0 and noisy.max() > 1
    clipped = np.concatenate([x["noisy"] for x, _ in batches(noise="gauss100", clip_noise=True)])
    assert clipped.min() == 0 and clipped.max() == 1
    np.testing.assert_allclose(clipped * 255, np.rint(clipped * 255), atol=1e-4)


def test_noise_has_the_level_that_is_handed_on():
    x, y = batches(noise="gauss5_50", crop=40, minibatch=8)[0]
    measured = (x["noisy"] - y["clean"]).std(axis=(1, 2, 3))
    np.testing.assert_allclose(measured, x["noise_level"], rtol=0.06)
    assert len(set(x["noise_level"].tolist())) == 8
    assert (x["noise_level"] >= 5 / 255).all() and (x["noise_level"] <= 50 / 255).all()


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_noise_is_the_same_whenever_an_image_returns(frozen):
    image = [smooth_image(0, 24, 24)]
    data = training_crops(image, "gauss5_50", crop=24, minibatch=1, count=4, freeze_noise=frozen)
    seen = [np.array(x["noisy"]) for x, _ in data]
    assert all(np.array_equal(seen[0], other) for other in seen[1:]) == frozen


def test_second_version_has_other_noise_and_its_own_level():
    x, y = batches(noise="gauss5_50", algorithm="n2n", crop=40, minibatch=8)[0]
    first, second = x["noisy"] - y["clean"], y["second"] - y["clean"]
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.03
    assert np.abs(first.std(axis=(1, 2, 3)) - second.std(axis=(1, 2, 3))).max() > 0.01


def test_noisy_images_are_left_as_they_are():
    noisy = [smooth_image(0, 24, 24)]
    (x,) = next(iter(training_crops(noisy, "gauss25", add_noise=False, crop=24, minibatch=1)))
    np.testing.assert_allclose(x["noisy"][0], noisy[0] / 255, atol=1e-7)
    assert float(x["noise_level"][0]) == pytest.approx(25 / 255)
    (x,) = next(iter(training_crops(noisy, "gauss", add_noise=False, crop=24, minibatch=1)))
    assert set(x) == {"noisy"}


@pytest.mark.parametrize("options,message", [
    ({"noise": "gauss"}, "give a level"),
    ({"add_noise": False, "algorithm": "n2c"}, "needs clean images"),
    ({"crop": 0}, "crop must be at least 1"),
    ({"crop": 200}, "no usable image, 5 skipped"),
    ({"algorithm": "nc2"}, "did you mean"),
])  # fmt: skip
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        batches(**options)


@pytest.mark.parametrize("backend,hidden", [("torch", [([], "GPU")]), ("tensorflow", []), ("jax", [])])
def test_pytorch_alone_has_its_gpu(monkeypatch, backend, hidden):
    calls = []
    monkeypatch.setattr(pipeline.keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(pipeline.tf.config, "set_visible_devices", lambda *arguments: calls.append(arguments))
    pipeline._leave_gpus_to_torch()
    assert calls == hidden


def test_no_tuner_holds_up_the_end_of_a_training():
    assert training_crops(images(), crop=24, minibatch=2).options().autotune.enabled is False
