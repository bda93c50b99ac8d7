"""Files that hold what nobody expects: missing data, several types, one value, transparency, animations."""

import io

import numpy as np
import pytest
import tifffile
from command_line import run
from conftest import smooth_image
from PIL import Image

import ssdn_keras
from ssdn_keras import denoising
from ssdn_keras.data.files import collect
from ssdn_keras.data.formats import open_pages, png16
from ssdn_keras.data.images import ImageError
from ssdn_keras.data.measured_range import range_of
from ssdn_keras.data.sampled import some_values
from ssdn_keras.model.classical import ClassicalDenoiser


@pytest.fixture(scope="module")
def model():
    return ssdn_keras.Denoiser("gauss25", channels=1, filters=4)


def written(model, path, **options):
    """Path of the result of a file, by a network that measures the range of its values."""
    target = path.parent / "out" / path.name
    denoising.denoise_file(path, target, model, measure_range=True, **options)
    return target


def picture(low, high, dtype, channels=1):
    image = low + (high - low) * (smooth_image(0, 32, 48, channels).reshape(32, 48, channels) / 255)
    return (image[..., 0] if channels == 1 else image).astype(dtype)


@pytest.mark.parametrize("height, width", [(100, 200), (64, 48), (3, 1000), (50, 20)])
def test_some_values_are_of_all_channels_and_columns(height, width):
    columns = np.arange(width) / width
    image = np.stack([np.broadcast_to(columns + channel, (height, width)) for channel in range(3)], axis=-1)
    values = some_values(image, 1000)
    assert len(values) == 3 * 1000
    assert np.bincount(values.astype(int)).tolist() == [1000] * 3
    assert np.abs(np.percentile(values, [1, 99]) - [0.03, 2.97]).max() < 0.05


def test_numbers_that_stand_for_no_data(tmp_path, model):
    image = picture(0, 0.8, "float32")
    image[3, 5:9] = -3.4e38
    tifffile.imwrite(tmp_path / "x.tif", image)
    with pytest.raises(ImageError, match=r"holds 4 values that are NaN, infinite or beyond ±1e\+30; --nan=keep"):
        written(model, tmp_path / "x.tif")
    result = tifffile.imread(written(model, tmp_path / "x.tif", keep_nan=True))
    there = np.abs(image) < 1
    np.testing.assert_array_equal(result[~there], image[~there])
    assert np.abs(result[there]).max() < 3
    tifffile.imwrite(tmp_path / "y.tif", np.where(there, image.astype("float64"), 1e300))
    with pytest.raises(ImageError, match="holds 4 values"):
        written(model, tmp_path / "y.tif")


def test_pages_of_several_types_have_a_range_each(tmp_path, model):
    pages = [picture(1000, 4000, "uint16"), picture(10, 200, "uint8"), picture(0.1, 0.7, "float32")]
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for page in pages:
            file.write(page, contiguous=False)
    with tifffile.TiffFile(written(model, tmp_path / "x.tif")) as file:
        results = [page.asarray() for page in file.pages]
    alone = []
    for number, page in enumerate(pages):
        tifffile.imwrite(tmp_path / f"{number}.tif", page)
        alone.append(tifffile.imread(written(model, tmp_path / f"{number}.tif")))
    for result, expected in zip(results, alone, strict=True):
        assert result.dtype == expected.dtype
        np.testing.assert_allclose(result, expected, rtol=1e-6)


EVEN = np.linspace(0, 1, 10_001).reshape(73, 137)


@pytest.mark.parametrize("pages, expected", [
    ([np.float32(EVEN)], (0.001, 0.999)), ([np.uint16(1e4 * EVEN)] * 3, (10, 9990)),
    ([np.float32(EVEN), np.float32(9 + EVEN)], (0.002, 9.998)), ([np.uint8(255 * EVEN)], None),
    # Twenty pages are looked at.
    ([np.float32(EVEN + 5 * (index % 10 > 0)) for index in range(200)], (0.001, 0.999)),
    # Nearly all values are equal; all are; they are 0.
    ([np.uint16(EVEN == 1)], (0, 1)), ([np.full((9, 9), 1000, "int16")], (999.9995, 1000.0005)),
    ([np.zeros((9, 9), "float32")], (-5e-13, 5e-13)),
    ([np.float32([[2, np.nan, np.inf], [4, -np.inf, -3e38]])], (2.002, 3.998)),
    ([np.full((9, 9), np.nan, "float32")], None),
])  # fmt: skip
def test_the_range_of_a_file(tmp_path, pages, expected):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for page in pages:
            file.write(page, contiguous=False)
    with open_pages(tmp_path / "x.tif") as reader:
        found = range_of(reader, pages[0].dtype.name)
    if expected is not None:
        expected = pytest.approx(expected, rel=0, abs=1e-4 * (expected[1] - expected[0]))
    assert found == expected


@pytest.mark.parametrize("value, dtype", [(1000, "uint16"), (-7, "int16"), (5000, "float32"), (0, "float32")])
def test_an_image_of_one_value_stays_what_it_is(tmp_path, model, value, dtype):
    tifffile.imwrite(tmp_path / "x.tif", np.full((32, 40), value, dtype))
    result = tifffile.imread(written(model, tmp_path / "x.tif"))
    np.testing.assert_allclose(result, value, rtol=1e-4, atol=1e-6)


def test_results_that_the_wanted_type_cannot_hold(tmp_path, model):
    tifffile.imwrite(tmp_path / "x.tif", np.full((32, 40), 65535, "uint16"))
    with pytest.raises(ImageError, match="too large for float16: give --output_dtype=float32"):
        written(model, tmp_path / "x.tif", output_dtype="float16")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("dtype, white", [("uint8", 255), ("int16", 32767), ("uint16", 65535), ("float32", 1)])
@pytest.mark.parametrize("own", ["uint8", "uint16"])
def test_alpha_has_the_type_of_the_results(tmp_path, model, own, dtype, white):
    own_white = np.iinfo(own).max
    alpha = np.full((32, 48, 1), own_white, own)
    alpha[:8] = 0
    values = np.concatenate([picture(20, 200, own, 3), alpha], axis=-1)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    result = tifffile.imread(written(model, tmp_path / "x.tif", output_dtype=dtype))
    assert result.dtype == dtype and result.shape == values.shape
    np.testing.assert_array_equal(result[..., 3], np.where(alpha[..., 0] == 0, 0, white))


@pytest.mark.parametrize("dtype, white", [("uint8", 255), ("uint16", 65535)])
def test_alpha_of_png_files_has_the_type_of_the_results(tmp_path, model, dtype, white):
    alpha = np.full((32, 48, 1), 65535, "uint16")
    (tmp_path / "deep.png").write_bytes(png16.encode(np.concatenate([picture(20, 200, "uint16", 3), alpha], axis=-1)))
    Image.fromarray(smooth_image(0, 32, 48, 4), "RGBA").save(tmp_path / "plain.png")
    result = written(model, tmp_path / "deep.png", output_dtype=dtype).read_bytes()
    deep = np.asarray(Image.open(io.BytesIO(result))) if dtype == "uint8" else png16.decode(result)
    assert deep.dtype == dtype and (deep[..., 3] == white).all()
    if dtype == "uint16":
        plain = png16.decode(written(model, tmp_path / "plain.png", output_dtype=dtype).read_bytes())
        np.testing.assert_array_equal(plain[..., 3], 257 * smooth_image(0, 32, 48, 4)[..., 3].astype(int))


def test_a_transparent_colour_of_16_bits(tmp_path, model):
    image = picture(1000, 4000, "uint16")
    image[4:9, 7:30] = 1234
    Image.fromarray(image).save(tmp_path / "x.png", transparency=1234)
    result = png16.decode(written(model, tmp_path / "x.png").read_bytes())
    assert result.shape == (32, 48, 2)
    np.testing.assert_array_equal(result[..., 1], np.where(image == 1234, 0, 65535))


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_animations_are_refused(tmp_path, model, suffix):
    frames = [Image.fromarray(smooth_image(seed)) for seed in range(3)]
    frames[0].save(tmp_path / f"x{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="is an animation of 3 frames: take them apart first"):
        written(model, tmp_path / f"x{suffix}")


@pytest.mark.parametrize("name, kind, right", [
    ("x.jpg", "PNG", ".png"), ("x.JPEG", "PNG", ".png"), ("x.png", "WEBP", ".webp"), ("x.webp", "BMP", ".bmp"),
    ("x.bmp", "JPEG", ".jpg or .jpeg"), ("x.png", "MPO", ".jpg or .jpeg"),
])  # fmt: skip
def test_names_of_another_kind_of_file(tmp_path, capfd, name, kind, right):
    frames = [Image.fromarray(smooth_image(seed)) for seed in range(2)]
    several = {"save_all": True, "append_images": frames[1:]} if kind == "MPO" else {}
    frames[0].save(tmp_path / name, kind, **several)
    frames[0].save(tmp_path / "good.png")
    code, said, failed = run(capfd, "denoise", "--algorithm=wavelet", "--noise_level=9", f"--output={tmp_path / 'out'}",
                             "--output_dtype=uint8", tmp_path / name, tmp_path / "good.png")  # fmt: skip
    assert code == 1 and "denoised 1 of 2 images" in said
    holds = f"named {name[1:].lower()}, but it holds a {'JPEG' if kind == 'MPO' else kind} image"
    lines = [line[line.index("failed ") :] for line in failed.splitlines() if "failed " in line]
    assert lines == [f"failed {tmp_path / name}: {holds}: its name must end in {right}"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


def test_a_name_of_another_kind_is_found_before_the_work(tmp_path, monkeypatch):
    Image.fromarray(smooth_image(0)).save(tmp_path / "x.jpg", "PNG")
    denoiser = ClassicalDenoiser("wavelet", "gauss")
    monkeypatch.setattr(denoiser, "predict_images", lambda *_: pytest.fail("it was denoised"))
    with pytest.raises(ImageError, match="holds a PNG image"):
        denoising.denoise_file(tmp_path / "x.jpg", tmp_path / "out" / "x.jpg", denoiser, noise_level=9)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name, kind", [
    ("x.jpeg", "JPEG"), ("x.JPG", "JPEG"), ("x.jpg", "MPO"), ("x.BMP", "BMP"), ("x.WebP", "WEBP"), ("x.y.PNG", "PNG"),
])  # fmt: skip
def test_names_of_the_right_kind_of_file(tmp_path, model, name, kind):
    frames = [Image.fromarray(smooth_image(seed)) for seed in range(2)]
    several = {"save_all": True, "append_images": frames[1:]} if kind == "MPO" else {}
    frames[0].save(tmp_path / name, kind, **several)
    with Image.open(tmp_path / name) as image:
        assert image.format == kind
    with Image.open(written(model, tmp_path / name)) as image:
        # Of a photograph and a second picture the first is denoised.
        assert image.format == ("JPEG" if kind == "MPO" else kind) and image.size == frames[0].size


def test_the_level_of_floats_above_one(tmp_path):
    clean = picture(1000, 4000, "float32")
    noisy = clean + np.random.RandomState(0).normal(0, 200, clean.shape).astype("float32")
    tifffile.imwrite(tmp_path / "x.tif", noisy)
    denoiser = ClassicalDenoiser("nlm", "gauss")
    denoising.check_level(denoiser, 200, tmp_path / "x.tif")
    target = tmp_path / "out.tif"
    denoising.denoise_file(tmp_path / "x.tif", target, denoiser, noise_level=200)
    assert np.std(tifffile.imread(target) - clean) < 0.6 * np.std(noisy - clean)


def test_no_file_is_written_over_another_source(tmp_path):
    folder = tmp_path / "p" / "q"
    (folder / "q").mkdir(parents=True)
    for path in (folder / "x.png", folder / "q" / "x.png"):
        Image.fromarray(smooth_image(0)).save(path)
    with pytest.raises(ValueError, match="q/x.png: would be overwritten by the result of .*q/q/x.png; give another"):
        collect([folder], tmp_path / "p")
