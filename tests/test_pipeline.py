import struct
import zlib

import h5py
import numpy as np
import pytest
from conftest import smooth_image
from PIL import Image

from ssdn_keras.data import HDF5Source, pipeline, training_crops
from ssdn_keras.data.convert import write_hdf5
from ssdn_keras.data.images import ImageError, read_image, to_channels
from ssdn_keras.data.pipeline import _Crops
from ssdn_keras.data.sources import ArraySource, open_source


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
    {"algorithm": "n2n", "noise": "gauss5_50"}, {"channels": 1},
])  # fmt: skip
def test_examples_depend_on_seed_and_index_alone(options):
    whole = batches(seed=3, **options)
    assert_same(whole, batches(seed=3, **options))
    assert_same(whole[2:], batches(seed=3, start=4, count=4, **options))
    other = batches(seed=4, **options)
    assert not np.array_equal(whole[0][0]["noisy"], other[0][0]["noisy"])


def test_images_are_drawn_without_replacement_and_reshuffled():
    crops = _Crops(ArraySource([np.full((8, 8, 3), i, "uint8") for i in range(10)], 3), 4, 0, None)
    order = [round(float(crops(i, (0, 0))[0][0, 0, 0] * 255)) for i in range(30)]
    assert [sorted(order[i : i + 10]) for i in (0, 10, 20)] == [list(range(10))] * 3
    assert order[:10] != order[10:20] != order[20:]


def test_crops_reach_every_place():
    image = np.arange(36, dtype="uint8").reshape(6, 6, 1)
    crops = _Crops(ArraySource([image], 1), 4, 0, None)
    corners = {round(float(crops(0, place)[0][0, 0, 0] * 255))
               for place in np.random.RandomState(0).rand(200, 2)}  # fmt: skip
    assert corners == {0, 1, 2, 6, 7, 8, 12, 13, 14}


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


def test_folder_and_hdf5_give_the_same_images(photographs, tmp_path):
    assert write_hdf5(photographs, tmp_path / "x.h5") == (4, 0)
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["shapes"].dtype == np.int32 and file["shapes"][:].tolist() == [[3, 72, 80]] * 4
        assert file["images"][0].dtype == np.uint8 and file["images"][0].shape == (3 * 72 * 80,)
    folder, hdf5 = open_source(photographs, 3), HDF5Source(tmp_path / "x.h5", 3)
    assert len(folder) == len(hdf5) == 4
    for i in range(4):
        np.testing.assert_array_equal(folder.image(i), hdf5.image(i))


def test_unreadable_and_small_files_are_named_skipped_and_counted(photographs, capsys):
    truncated = (photographs / "c.jpg").read_bytes()
    (photographs / "cut.jpg").write_bytes(truncated[: len(truncated) // 2])
    (photographs / "text.png").write_text("no image")
    Image.new("RGB", (200, 10)).save(photographs / "small.png")
    source = open_source(photographs, 3, smallest=64)
    said = capsys.readouterr().err
    assert len(source) == 4 and len(source.skipped) == 3
    assert all(name in said for name in ("cut.jpg", "text.png", "small.png")) and "4 images used, 3 skipped" in said


def test_modes_of_files(tmp_path):
    colour = smooth_image(0, 16, 20)
    rgb = Image.fromarray(colour)
    alpha = rgb.copy()
    alpha.putalpha(7)
    grey = Image.fromarray(colour[..., 0])
    pictures = {"rgb": rgb, "rgba": alpha, "palette": rgb.quantize(200), "grey": grey, "la": grey.convert("LA")}
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png", 3), colour)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", 3), np.repeat(colour[..., :1], 3, axis=-1))
    np.testing.assert_array_equal(read_image(tmp_path / "la.png", 1), colour[..., :1])
    np.testing.assert_array_equal(read_image(tmp_path / "rgb.png", 1)[..., 0], np.rint(colour.mean(axis=-1)))
    assert read_image(tmp_path / "palette.png", 3).shape == (16, 20, 3)
    assert len(open_source(tmp_path, 3)) == len(open_source(tmp_path, 1)) == 5


def test_sixteen_bit_files_are_refused(tmp_path):
    Image.fromarray(np.arange(64, dtype="uint16").reshape(8, 8) * 1000).save(tmp_path / "x.png")
    with pytest.raises(ImageError, match="more than 8 bits"):
        read_image(tmp_path / "x.png", 1)


def test_sixteen_bit_colour_is_refused_too(tmp_path):
    """Pillow cannot write such a file, and reads it as 8-bit in silence."""
    raw = zlib.compress(b"".join(b"\0" + bytes(8 * 6) for _ in range(8)))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", raw) + chunk(b"IEND", b""))
    with pytest.raises(ImageError, match="more than 8 bits"):
        read_image(tmp_path / "x.png", 3)


def test_mean_of_channels_is_rounded_not_luma():
    assert to_channels(np.array([[[10, 20, 32]]], "uint8"), 1).item() == 21


def hdf5_file(path, images=None, shapes=None):
    with h5py.File(path, "w") as file:
        if images is not None:
            file.create_dataset("images", data=images)
        if shapes is not None:
            file["shapes"] = shapes
    return path


def test_hdf5_of_the_wrong_layout(tmp_path):
    path = tmp_path / "x.h5"
    flat = np.zeros((2, 12), "uint8")
    cases = [
        (None, None, "needs the datasets"), (flat, None, "needs the datasets"),
        (flat, np.zeros((2, 3), "int32"), "variable length"),
    ]  # fmt: skip
    for data, shapes, message in cases:
        with pytest.raises(ValueError, match=message):
            open_source(hdf5_file(path, data, shapes), 3)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not a readable HDF5"):
        open_source(path, 3)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("images", (1,), dtype=h5py.vlen_dtype(np.dtype("uint8")))
        data[0] = np.zeros(11, "uint8")
        file["shapes"] = np.array([[3, 2, 2]], "int32")
    with pytest.raises(ValueError, match="image 0 has 11 values"):
        open_source(path, 3).image(0)


@pytest.mark.parametrize("backend,hidden", [("torch", [([], "GPU")]), ("tensorflow", []), ("jax", [])])
def test_pytorch_alone_has_its_gpu(monkeypatch, backend, hidden):
    calls = []
    monkeypatch.setattr(pipeline.keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(pipeline.tf.config, "set_visible_devices", lambda *arguments: calls.append(arguments))
    pipeline._leave_gpus_to_torch()
    assert calls == hidden


def test_arrays_with_nan_are_refused():
    with pytest.raises(ValueError, match="image 1: contains NaN"):
        ArraySource([np.zeros((4, 4)), np.full((4, 4), np.nan)], 1)
