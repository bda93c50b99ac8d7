"""Tiles: the same result as the whole image, at any size, within the memory that there is."""

import keras
import numpy as np
import pytest
from conftest import smooth_image

import ssdn_keras
from ssdn_keras.model import apply, tiling
from ssdn_keras.model.networks import DenoisingNetwork
from ssdn_keras.model.receptive_field import GRID, margins, window

MODELS = {
    "blind": {"noise": "gauss25", "channels": 1},
    "hole": {"noise": "gauss25", "channels": 1, "blindspot_size": 5},
    "neighbours": {"noise": "gauss25", "channels": 2, "blindspot_size": 3, "mean_start": "neighbours"},
    "colour": {"noise": "gauss25"},
    "estimated": {"noise": "gauss", "noise_parameter": "per_image", "channels": 2},
    "likeliest": {"noise": "gauss5_50", "noise_parameter": "maximum_likelihood", "mean_start": "neighbours"},
    "impulse": {"noise": "impulse50", "noise_parameter": "global", "channels": 3},
    "plain": {"algorithm": "n2c", "channels": 1},
    "poisson": {"noise": "poisson30", "channels": 1, "value_range": (0, 255)},
}


# Networks with few filters see as much of an image as wide ones.
NARROW = 4


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    keras.utils.set_random_seed(3)
    made = ssdn_keras.Denoiser(**MODELS[request.param], filters=NARROW)
    if made.estimator is not None:  # its last layer starts at zero, and would see nothing
        layer = made.estimator.output_layers["nin_c"]
        layer.kernel.assign(np.random.RandomState(0).normal(0, 0.1, layer.kernel.shape))
    return made


def denoise(model, image, tile):
    results = [np.zeros(image.shape, "float32") for _ in range(2)]
    std = results[1] if model.algorithm.has_posterior else None
    apply.denoise_page(model, image, results[0], std, value_range=model.value_range, tile=tile)
    return results


def picture(height, width, channels):
    image = smooth_image(0, -(-height // 8) * 8, -(-width // 8) * 8, channels).reshape(-1, -(-width // 8) * 8, channels)
    noise = np.random.RandomState(1).normal(0, 25, (height, width, channels))
    return (image[:height, :width] + noise).astype("float32") / 255


# PyTorch rounds differently for another size and number of threads: 1.4e-5 was seen with one thread.
WITHIN = 1e-5 if keras.backend.backend() == "tensorflow" else 5e-5


def assert_tiles_give_the_same(model, height, width, tile, within=WITHIN):
    image, white = picture(height, width, model.channels), 255 if model.value_range else 1
    for tiled, whole in zip(denoise(model, image * white, tile), denoise(model, image * white, None), strict=True):
        np.testing.assert_allclose(tiled / white, whole / white, atol=within, rtol=1e-5)


def test_tiles_of_a_network_as_published_give_the_same():
    assert_tiles_give_the_same(ssdn_keras.Denoiser("gauss25", channels=1), 97, 70, 64)


def test_tiles_give_the_same(model):
    # Convolutions of other sizes round otherwise, and random networks of few filters amplify that in their posterior:
    # on PyTorch with one thread 5e-5 was seen.
    within = 3e-5 if keras.backend.backend() == "tensorflow" else 2e-4
    assert_tiles_give_the_same(model, 150, 203, 64, within)


@pytest.mark.parametrize("height,width,tile", [(203, 97, 96), (31, 140, 32), (1, 1, 32), (64, 70, 33)])
def test_tiles_give_the_same_at_any_size(height, width, tile):
    assert_tiles_give_the_same(ssdn_keras.Denoiser("gauss25", channels=1, filters=NARROW), height, width, tile)


def test_tiles_that_see_nothing_of_each_other_give_the_same():
    """An image that is several times as large as what a tile sees: a margin that is too small would show."""
    keras.utils.set_random_seed(0)
    model = ssdn_keras.Denoiser("gauss25", channels=1, filters=NARROW)
    image = picture(500, 70, 1)
    for turned in (image, np.rot90(image)):
        for tiled, whole in zip(denoise(model, turned, 64), denoise(model, turned, None), strict=True):
            np.testing.assert_allclose(tiled, whole, atol=3e-5 * max(np.abs(whole).max(), 1))


@pytest.mark.parametrize("blind", [0, 1, 5])
@pytest.mark.parametrize("place", [96, 113, 127])
def test_the_receptive_field_is_large_enough(blind, place):
    """What the window leaves out changes nothing."""
    keras.utils.set_random_seed(1)
    network = ssdn_keras.Denoiser(
        "gauss25", channels=1, algorithm="ssdn" if blind else "n2c", blindspot_size=blind or 1
    )
    network = network.network
    size, at = 800, 384 + place
    for rows in (True, False):
        shape = (1, size, 32, 1) if rows else (1, 32, size, 1)
        image = np.random.RandomState(0).rand(*shape).astype("float32")

        def line(values, rows=rows):
            features = np.array(network._view(values))
            return features[0, at] if rows else features[0, :, at]

        start, stop = window(at, at + 1, size, blind, rows)
        expected, changed = line(image), image.copy()
        outside = np.r_[0:start, stop:size]
        changed[(slice(None), outside) if rows else (slice(None), slice(None), outside)] = 0.3
        np.testing.assert_allclose(line(changed), expected, atol=1e-6)
    assert max(margins(blind)) <= (352 if blind else 192)


def test_freed_memory_is_given_back_where_that_can_be_done(monkeypatch):
    from ssdn_keras import memory

    class Library:
        def malloc_trim(self, left):
            calls.append(left)

    calls = []
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: Library())
    memory.give_back()
    assert calls == [0]
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())  # another C library than glibc
    memory.give_back()


def test_memory_decides_about_tiles(monkeypatch):
    model = ssdn_keras.Denoiser("gauss25", channels=1, filters=NARROW)
    tiles = []
    monkeypatch.setattr(tiling, "resident_memory", lambda: 2**30)
    monkeypatch.setattr(tiling._Tiled, "run", lambda self, *_: tiles.append(self._tile))
    image = np.zeros((2048, 2048), "uint8")
    monkeypatch.setattr(model, "predict_images", lambda noisy, _: {"denoised": noisy, "std": noisy})
    model.denoise(image, memory=2**40)
    assert not tiles
    model.denoise(image, memory=4 * 2**30)
    assert 1024 <= tiles[0] < 2048
    model.denoise(image, memory=1)
    assert tiles[1] == tiling.SMALLEST
    monkeypatch.setattr(tiling, "free_memory", lambda: 2 * 2**30)
    model.denoise(image)
    assert len(tiles) == 3


class ResourceExhaustedError(Exception):
    pass


@pytest.mark.parametrize("error", [
    MemoryError(), ResourceExhaustedError("OOM"), RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying"),
    RuntimeError("CUDA out of memory. Tried to allocate"),
])  # fmt: skip
def test_out_of_memory_halves_the_tiles(monkeypatch, caplog, error):
    model = ssdn_keras.Denoiser("gauss", "per_image", channels=1, filters=NARROW)
    image, sizes = (picture(130, 200, 1) * 255).clip(0, 255).astype("uint8")[..., 0], []
    whole = model.denoise(image)
    features = tiling._Tiled.features

    def limited(self, network, rows, columns):
        sizes.append((rows.stop - rows.start) * (columns.stop - columns.start))
        if sizes[-1] > 40 * 40:
            raise error
        return features(self, network, rows, columns)

    def refuse(*_):
        raise error

    monkeypatch.setattr(tiling._Tiled, "features", limited)
    monkeypatch.setattr(model, "predict_images", refuse)
    np.testing.assert_allclose(model.denoise(image).astype(int), whole, atol=1)
    assert "tiles of 32 pixels" in caplog.text and max(sizes) > 40 * 40
    monkeypatch.setattr(tiling._Tiled, "features", lambda *_: refuse())
    with pytest.raises(type(error)):
        model.denoise(image)


def test_other_errors_are_not_tried_again(monkeypatch):
    model = ssdn_keras.Denoiser("gauss25", channels=1, filters=NARROW)

    def fail(*_):
        raise ValueError("something else")

    monkeypatch.setattr(model, "predict_images", fail)
    with pytest.raises(ValueError, match="something else"):
        model.denoise(np.zeros((8, 8), "uint8"))


def test_std_is_in_the_units_of_the_image():
    model = ssdn_keras.Denoiser("gauss25", channels=1, filters=NARROW)
    image = (picture(40, 50, 1) * 255).clip(0, 255).astype("uint8")[..., 0]
    denoised, std = model.denoise(image, return_std=True)
    np.testing.assert_array_equal(denoised, model.denoise(image))
    outputs = model({"noisy": image[None, ..., None].astype("float32") / 255})
    assert std.shape == image.shape and std.dtype == np.float32
    np.testing.assert_allclose(std, np.array(outputs["std"])[0, ..., 0] * 255, rtol=1e-5)
    with pytest.raises(ValueError, match="n2c has no posterior"):
        ssdn_keras.Denoiser(algorithm="n2c", channels=1).denoise(image, return_std=True)
    with pytest.raises(ValueError, match="no posterior"):
        ssdn_keras.ClassicalDenoiser("nlm").denoise(image, 25, return_std=True)


def test_progress_counts_the_estimate_of_the_noise_as_well():
    model = ssdn_keras.Denoiser("gauss", "per_image", channels=1, filters=NARROW, estimator_filters=2 * NARROW)
    image, told, stored = picture(96, 64, 1), [], []

    def store(rows, columns, outputs):
        stored.append(len(told))

    def load(values, rows, columns):
        return np.ascontiguousarray(values[rows, columns])[None]

    tiling.restore(model, image, load, store, tile=32, progress=told.append)
    # One view of twice the filters against four: half of the work, and it comes before any tile.
    np.testing.assert_allclose(told, [512] * 12)
    assert min(stored) == 6
    assert sum(told) == 96 * 64


def test_tiles_of_one_image_have_few_shapes(monkeypatch):
    """TensorFlow keeps something for each shape: 40 of them once took over a gigabyte."""
    model, shapes = ssdn_keras.Denoiser("gauss", "per_image", channels=1, filters=NARROW), {}

    def view(network, x, training=False):
        height, width = (-(-size // GRID) * GRID for size in x.shape[1:3])
        shapes.setdefault(network.name, set()).add((height, width))
        return keras.ops.zeros((1, *x.shape[1:3], 2 * network.filters))

    monkeypatch.setattr(DenoisingNetwork, "_view", view)
    denoise(model, np.zeros((2100, 2100, 1), "float32"), 352)
    assert {name: len(found) for name, found in shapes.items()} == {"network": 4, "estimator": 4}


@pytest.mark.parametrize(
    "length,tile,step", [(2100, 736, 704), (800, 736, 416), (100, 736, 128), (64, 33, 32), (5, 20, 20)]
)
def test_tiles_are_as_alike_as_can_be(length, tile, step):
    assert tiling._step(length, tile) == step


def test_narrow_networks_get_larger_tiles():
    tiles = [tiling.tile_for(ssdn_keras.Denoiser("gauss25", filters=filters), 2**30) for filters in (8, 24, 48)]
    assert tiles == sorted(set(tiles), reverse=True)
    wide = ssdn_keras.Denoiser("gauss", "per_image", filters=8, estimator_filters=48)
    assert tiling.tile_for(wide, 2**30) == tiles[-1]


def test_half_precision_gets_larger_tiles():
    exact, half = (ssdn_keras.Denoiser("gauss25", dtype=dtype) for dtype in ("float32", "mixed_bfloat16"))
    assert tiling.tile_for(half, 2**30) > tiling.tile_for(exact, 2**30)
    assert tiling._bytes_whole(half) < 0.75 * tiling._bytes_whole(exact)


def test_files_and_results_that_are_not_in_memory_yet_count_as_well(monkeypatch, tmp_path):
    path = tmp_path / "image"
    image = np.memmap(path, "uint8", "w+", shape=(64, 48, 1))
    seen = []
    monkeypatch.setattr(tiling, "tile_for", lambda model, budget: seen.append(budget) or 32)
    monkeypatch.setattr(tiling, "resident_memory", lambda: 100)
    model = ssdn_keras.Denoiser("gauss25", channels=1, filters=NARROW)
    for values in (np.asarray(image), np.array(image)):  # a view of a mapped file, and a copy
        apply.denoise_page(model, values, np.zeros((64, 48, 1), "uint8"), np.zeros((64, 48, 1), "float32"), memory=1000)
    assert seen == [900 - 3072 - 3072 * 5, 900 - 3072 * 5]
