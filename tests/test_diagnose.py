"""The diagnosis: what it measures against what was put in, what it says, and its bad inputs."""

import dataclasses
import importlib.util
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
from command_line import fails, run
from conftest import smooth_image
from PIL import Image
from scipy import ndimage

from ssdn_keras import train
from ssdn_keras.diagnosis import correlation, residual, values
from ssdn_keras.diagnosis.advice import advise
from ssdn_keras.diagnosis.blocking import blocking
from ssdn_keras.diagnosis.curve import Curve
from ssdn_keras.diagnosis.fit import NoiseFit, fit_noise
from ssdn_keras.diagnosis.measure import combine, measure
from ssdn_keras.diagnosis.reading import as_picture, list_files, read_pictures
from ssdn_keras.diagnosis.residual_advice import advise_on_residual
from ssdn_keras.diagnosis.run import source_of
from ssdn_keras.diagnosis.suggestion import exact, number

ROOT = Path(__file__).parent.parent


def photographs(side=256):
    """Three photographs that scikit-image brings, float H×W×3."""
    return [getattr(skimage.data, name)()[:side, :side].astype(float) for name in ("astronaut", "coffee", "chelsea")]


def white(shape, level, seed=0):
    return level * np.random.default_rng(seed).standard_normal(shape)


def blurred(shape, level, blur=0.7, seed=0):
    noise = ndimage.gaussian_filter(white(shape, 1.0, seed), (blur, blur, 0), mode="wrap")
    return level * noise / noise.std()


def measured(noisy, dtype="float32"):
    return measure(as_picture("image", np.asarray(noisy).astype(dtype), "array"))


def overall(noisy, dtype="float32"):
    return combine([measured(image, dtype) for image in noisy])


@pytest.fixture
def folder(tmp_path):
    """A folder of three noisy PNG files, σ = 12."""
    made = tmp_path / "noisy"
    made.mkdir()
    for index, image in enumerate(photographs(192)):
        noisy = np.clip(np.rint(image + white(image.shape, 12, index)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(made / f"{index}.png")
    return made


# --- Noise level, gain and read noise ---------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [5, 15, 50])
def test_level_of_gaussian_noise(level):
    found = overall([image + white(image.shape, level, seed) for seed, image in enumerate(photographs())])
    assert found.level == pytest.approx(level, rel=0.05)
    assert not found.fit.depends and not found.correlated
    for one in found.measurements:
        assert one.level == pytest.approx(level, rel=0.1) and len(one.channel_levels) == 3


def test_level_is_in_file_units_whatever_they_are():
    clean = photographs()[0]
    noisy = clean + white(clean.shape, 20)
    plain = measured(noisy).level
    assert measured(noisy * 16 + 1000).level == pytest.approx(16 * plain, rel=1e-3)
    assert measured(np.rint(noisy * 16 + 1000), "uint16").level == pytest.approx(16 * plain, rel=5e-3)
    assert measured(noisy / 255).level == pytest.approx(plain / 255, rel=1e-3)


@pytest.mark.parametrize(("gain", "read"), [(1, 5), (4, 10)])
def test_gain_and_read_noise(gain, read):
    generator = np.random.default_rng(0)
    found = overall(
        [gain * generator.poisson(image / gain) + white(image.shape, read, seed)
         for seed, image in enumerate(photographs())]
    )  # fmt: skip
    assert found.fit.depends
    assert found.fit.gain == pytest.approx(gain, rel=0.1)
    assert found.fit.read_noise()[0] == pytest.approx(read, rel=0.1)


def test_sixteen_bits_with_a_background():
    """A camera's file: background 100, up to 4,000, gain 8; read noise is that at the black level."""
    generator = np.random.default_rng(0)
    noisy = [
        100 + 8 * generator.poisson(image * 15 / 8) + white(image.shape, 40, seed)
        for seed, image in enumerate(photographs())
    ]
    found = overall([np.clip(np.rint(image), 0, 65535) for image in noisy], "uint16")
    assert found.fit.gain == pytest.approx(8, rel=0.1)
    assert found.fit.read_noise(100.0)[0] == pytest.approx(40, rel=0.15)


def test_a_black_level_is_asked_for():
    """Photon counts on a background of 100: the line of the variance reaches zero there, not at 0."""
    generator = np.random.default_rng(0)
    found = overall([100 + 8 * generator.poisson(image * 15 / 8) for image in photographs()], "uint16")
    assert found.fit.offset < 0 and not found.fit.read_noise()[1]
    advice, settings = suggested(found, "x")
    assert advice.verdict == "caution"
    assert any("give it as --black_level" in text for kind, text in advice.findings if kind == "caution")
    low, high = map(float, settings.value_range.split(","))
    assert 60 < low < 105 and settings.noise.startswith("poisson")
    assert float(settings.noise[7:]) == pytest.approx((high - low) / 8, rel=0.15)
    assert not any("taken for black" in text for _, text in advise(found, "x", 100.0).findings)


def test_clipped_values_do_not_lower_the_level():
    clean = photographs()[0]
    noisy = np.clip(np.rint(clean + white(clean.shape, 40)), 0, 255)
    found = measured(noisy, "uint8")
    assert found.described["clipped_low"] and found.described["clipped_high"]
    assert found.level == pytest.approx(40, rel=0.05)


def line(gain, offset, points=60, seed=0):
    generator = np.random.default_rng(seed)
    mean = np.linspace(5, 240, points)
    variance = (gain * mean + offset) * (1 + 0.05 * generator.standard_normal(points))
    return Curve(mean, variance, np.full(points, 0.6), np.full(points, 200.0))


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 25.0), (0.2, 9.0), (3.0, 0.5)])
def test_fit_of_a_line(gain, offset):
    fit = fit_noise(line(gain, offset))
    assert fit.depends and abs(fit.gain - gain) < 4 * fit.gain_error and abs(fit.offset - offset) < 4 * fit.offset_error
    assert fit.gain == pytest.approx(gain, rel=0.05)


def test_fit_withstands_texture():
    curve = line(1.0, 25.0)
    variance, texture = curve.variance.copy(), curve.texture.copy()
    variance[20:32] *= 4
    texture[20:26] *= 3  # half of them show their texture, half do not
    fit = fit_noise(Curve(curve.mean, variance, texture, curve.patches))
    assert fit.gain == pytest.approx(1.0, rel=0.1) and fit.offset == pytest.approx(25.0, rel=0.2)


def test_fit_of_a_constant_one_point_and_nothing():
    fit = fit_noise(line(0.0, 100.0))
    assert not fit.depends and fit.level([0.0, 200.0]) == pytest.approx(10.0, rel=0.02)
    assert fit.read_noise() == (pytest.approx(10.0, rel=0.02), True)
    one = Curve(*(np.array([value]) for value in (50.0, 16.0, 0.6, 100.0)))
    assert fit_noise(one).level([50.0]) == pytest.approx(4.0)
    assert fit_noise(Curve(*[np.empty(0)] * 4)) is None


# --- Correlation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [5, 25])
def test_blurred_noise_is_flagged_and_white_noise_is_not(level):
    for seed, image in enumerate(photographs()):
        assert measured(image + white(image.shape, level, seed)).correlated is False
        assert measured(image + blurred(image.shape, level, 0.7, seed)).correlated is True


def test_correlation_and_level_of_blurred_noise():
    found = overall([image + blurred(image.shape, 20, 0.7, seed) for seed, image in enumerate(photographs())])
    assert found.correlated
    point = np.zeros((33, 33))
    point[16, 16] = 1
    kernel = ndimage.gaussian_filter(point, 0.7)
    expected = ndimage.correlate(kernel, kernel, mode="wrap")
    expected = np.roll(expected, (0, 0), (0, 1)) / expected.max()
    peak = np.unravel_index(expected.argmax(), expected.shape)
    for lag in (1, 2):
        exact = expected[peak[0], (peak[1] + lag) % 33]
        assert found.correlation[correlation.RADIUS, correlation.RADIUS + lag] == pytest.approx(exact, abs=0.06)
    assert correlation.blind_spot(found.correlation) == 5
    assert found.level == pytest.approx(20, rel=0.12)


def ideal(reach, value=0.3):
    size = 2 * correlation.RADIUS + 1
    lags = np.zeros((size, size))
    middle = slice(correlation.RADIUS - reach, correlation.RADIUS + reach + 1)
    lags[middle, middle] = value
    lags[correlation.RADIUS, correlation.RADIUS] = 1.0
    return lags


def test_width_of_the_blind_spot():
    assert [correlation.blind_spot(ideal(reach)) for reach in (0, 1, 2, 3)] == [1, 3, 5, 7]
    assert correlation.blind_spot(ideal(correlation.RADIUS)) is None
    assert correlation.blind_spot(ideal(2, 0.1)) == 1  # below what is noticeable
    assert correlation.blind_spot(ideal(1, -0.3)) == 3  # sharpened


# --- Values and JPEG --------------------------------------------------------------------------------------------------


def test_values_of_a_file():
    array = np.full((64, 64), 160, np.uint16)
    array[::2] = 320
    array[:10] = 4080
    found = values.describe(as_picture("x", array, "PNG"))
    assert (found["lowest"], found["highest"], found["step"], found["channels"]) == (160, 4080, 80, 1)
    assert found["clipped_high"] and found["share_at_highest"] == pytest.approx(10 / 64)
    colour = np.repeat(array[..., None], 3, axis=-1)
    assert values.describe(as_picture("x", colour, "PNG"))["grey"]
    noise = as_picture("x", white((64, 64, 1), 1.0), "TIFF")
    assert values.step_of(noise) == 0 and not values.describe(noise)["clipped_high"]


def test_jpeg_blocks_are_found_where_they_are():
    clean = skimage.data.astronaut()
    noisy = np.clip(clean + white(clean.shape, 5), 0, 255).astype(np.uint8)
    assert blocking(noisy.astype(float))["row"] is None
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=60)
    compressed = np.asarray(Image.open(file)).astype(float)
    found = blocking(compressed)
    assert (found["row"], found["column"]) == (0, 0)
    moved = blocking(compressed[3:, 5:])
    assert (moved["row"], moved["column"]) == (5, 3)
    assert blocking(compressed[:20, :20]) == {"score": 0.0, "row": None, "column": None}


# --- Residual ---------------------------------------------------------------------------------------------------------


def examined(denoise, level=20.0):
    clean = photographs(256)[2]
    noisy = clean + white(clean.shape, level)
    outputs = denoise(clean, noisy)
    fit = NoiseFit(0.0, level**2, 0.0, 0.0, level**2, False)
    return residual.examine(noisy, {"mean": outputs["denoised"], **outputs}, fit)


def kinds(figures):
    return [kind for kind, _ in advise_on_residual(figures, False)]


def test_residual_of_a_perfect_denoiser():
    figures, maps = examined(lambda clean, noisy: {"denoised": clean, "std": 0 * clean, "noise_level": 20.5})
    assert figures["implied_over_measured"] == pytest.approx(1, abs=0.02)
    assert abs(figures["correlation_right"]) < 0.02 and figures["share_with_structure"] < 0.005
    assert kinds(figures) == ["good"] * 3
    assert maps["structure"].shape == (16, 16) and maps["residual"].shape == (256, 256, 3)


def test_structure_that_was_taken_away_is_seen_where_it_was():
    def smooth(clean, noisy):
        return {"denoised": ndimage.gaussian_filter(clean, (4, 4, 0))}

    figures, maps = examined(smooth, level=8.0)
    assert figures["share_with_structure"] > 0.1 and kinds(figures)[0] == "caution"
    clean = photographs(256)[2]
    lost = np.abs(clean - smooth(clean, None)["denoised"]).mean(axis=-1)
    blocks = lost.reshape(16, 16, 16, 16).mean(axis=(1, 3))
    assert blocks[maps["structure"]].mean() > 2 * blocks[~maps["structure"]].mean()


def test_noise_that_stays_and_a_wrong_level_are_said():
    figures, _ = examined(lambda x, y: {"denoised": 0.5 * (x + y), "std": 0 * x, "noise_level": 14.0})
    assert figures["implied_over_measured"] == pytest.approx(0.5, abs=0.02)
    sentences = [text for kind, text in advise_on_residual(figures, False) if kind == "caution"]
    assert any("noise is left in the results" in text for text in sentences)
    assert any("0.70 times" in text and "train with the measured level" in text for text in sentences)


def test_posterior_variance_counts():
    """Averages of a noisy value and a prior as good as it: residual and posterior have half of the variance each."""

    def restore(clean, noisy):
        prior = clean + white(clean.shape, 20.0, seed=5)
        return {"denoised": (noisy + prior) / 2, "mean": prior, "std": np.full(clean.shape, 20 / np.sqrt(2))}

    figures, _ = examined(restore)
    assert figures["implied_over_measured"] == pytest.approx(1, abs=0.02)
    assert figures["prediction_residual_std"] == pytest.approx(20 * np.sqrt(2), rel=0.02)


# --- Advice -----------------------------------------------------------------------------------------------------------


def suggested(found, source, black_level=0.0):
    """The suggested flags, after `train` itself has read and checked the command."""
    advice = advise(found, source, black_level)
    program, module, name, *words = shlex.split(advice.command)
    assert (program, module, name) == ("python", "-m", "ssdn_keras.train")
    flags, rest = train.COMMAND.parse(["train", *words])
    assert not rest
    return advice, train.read_settings(flags)


def test_advice_for_known_gaussian_noise(tmp_path):
    found = overall([image + white(image.shape, 12, seed) for seed, image in enumerate(photographs())])
    advice, settings = suggested(found, tmp_path / "with spaces")
    assert advice.verdict == "good" and settings.noise_parameter == "known" and settings.algorithm == "ssdn"
    assert settings.noise.startswith("gauss") and float(settings.noise[5:]) == pytest.approx(12, rel=0.05)
    assert (settings.channels, settings.crop, settings.blindspot_size) == (3, 64, 1)
    assert settings.train_noisy.endswith("with spaces")


def test_advice_for_levels_that_differ_and_grey_images():
    found = overall([image[..., :1] + white((*image.shape[:2], 1), 8 * 2**seed, seed)
                     for seed, image in enumerate(photographs())])  # fmt: skip
    _, settings = suggested(found, "images")
    assert (settings.noise, settings.noise_parameter, settings.channels) == ("gauss", "per_image", 1)


def test_advice_for_photon_counts():
    generator = np.random.default_rng(0)
    noisy = [generator.poisson(image / 4) * 4.0 for image in photographs()]
    for dtype, black in (("float32", 0), ("uint16", 100)):
        found = overall([image + black for image in noisy], dtype)
        _, settings = suggested(found, "images", black)
        low, high = map(float, settings.value_range.split(","))
        assert low == black and high == pytest.approx(max(image.max() for image in noisy) + black, abs=1)
        assert settings.noise.startswith("poisson")
        assert float(settings.noise[7:]) == pytest.approx((high - low) / 4, rel=0.15)
    _, settings = suggested(overall([np.clip(image, 0, 255) for image in noisy], "uint8"), "images")
    assert settings.value_range == "auto" and float(settings.noise[7:]) == pytest.approx(255 / 4, rel=0.15)


@pytest.mark.parametrize(
    ("gain", "read", "scale", "dtype", "black"),
    [(2, 8, 1, "uint8", 0), (2, 8, 0.8, "uint8", 20), (8, 80, 15, "uint16", 100), (2, 8, 1, "float32", 0)],
)
def test_advice_for_photon_and_read_noise(gain, read, scale, dtype, black):
    """Both are measured, in file units, and neither photon counts nor one σ would do."""
    generator = np.random.default_rng(0)
    noisy = [black + gain * generator.poisson(scale * image / gain) + white(image.shape, read, seed)
             for seed, image in enumerate(photographs())]  # fmt: skip
    noisy = (
        noisy if dtype == "float32" else [np.rint(image).clip(0, 255 if dtype == "uint8" else 9e9) for image in noisy]
    )
    _, settings = suggested(overall(noisy, dtype), "images", black)
    assert settings.noise.startswith("poisson_gauss") and settings.noise_parameter == "known"
    measured_gain, measured_read = map(float, settings.noise.removeprefix("poisson_gauss").split("+"))
    assert measured_gain == pytest.approx(gain, rel=0.1) and measured_read == pytest.approx(read, rel=0.15)
    if (dtype, black) == ("uint8", 0):
        assert settings.value_range == "auto"
    else:
        low, high = map(float, settings.value_range.split(","))
        highest = 255 if dtype == "uint8" else max(image.max() for image in noisy)
        assert low == black and high == pytest.approx(highest, rel=5e-3)


def test_advice_for_photon_and_read_noise_that_differ_between_images():
    """Cameras at several gains: both are to be estimated."""
    generator = np.random.default_rng(0)
    noisy = [2**seed * generator.poisson(image / 2**seed) + white(image.shape, 8 * 2**seed, seed)
             for seed, image in enumerate(photographs())]  # fmt: skip
    _, settings = suggested(overall(noisy), "images")
    assert (settings.noise, settings.noise_parameter) == ("poisson_gauss", "per_image")


def test_advice_for_16_bits_is_in_the_units_of_the_files():
    found = overall([100 + 15 * image + white(image.shape, 150, seed) for seed, image in enumerate(photographs())],
                    "uint16")  # fmt: skip
    _, settings = suggested(found, "images")
    assert settings.noise.startswith("gauss") and float(settings.noise[5:]) == pytest.approx(150, rel=0.05)


def test_advice_for_correlated_noise():
    found = overall([image + blurred(image.shape, 20, 0.7, seed) for seed, image in enumerate(photographs())])
    advice, settings = suggested(found, "images")
    assert advice.verdict == "caution"
    assert (settings.algorithm, settings.blindspot_size) == ("ssdn_mean", 5)


def test_advice_for_stripes():
    """Noise that whole rows share: no blind spot covers that."""
    clean = photographs()
    found = overall([image + white((image.shape[0], 1, 3), 15, seed) + white(image.shape, 3, seed)
                     for seed, image in enumerate(clean)])  # fmt: skip
    advice = advise(found, "images")
    assert advice.verdict == "bad" and advice.command is None


def test_numbers_as_flags_take_them():
    assert [number(value) for value in (12.345, 0.00123, 123456.0, 5.0, 0.0, 1e-7)] == [
        "12.3", "0.00123", "123000", "5", "0", "0.0000001"]  # fmt: skip


def test_limits_keep_all_their_digits():
    values = (1024.0, -500.0, 2.0**32, 16777217.0, 0.1, float(np.float32(0.1)), 1234.5678, 1e-7, -0.0, 1e15)
    assert [exact(value) for value in values] == [
        "1024", "-500", "4294967296", "16777217", "0.1", "0.1", "1234.5678", "0.0000001", "0", "1000000000000000",
    ]  # fmt: skip


def test_a_black_level_is_suggested_as_it_was_given():
    generator = np.random.default_rng(0)
    noisy = [1024 + 8 * generator.poisson(image * 15 / 8) for image in photographs()]
    advice, settings = suggested(overall(noisy, "uint16"), "images", 1024.0)
    assert settings.value_range == f"1024,{max(image.max() for image in noisy)}"


def test_a_black_level_above_the_darkest_values_is_doubted():
    """But not where a quarter of the pixels is black, and noise takes half of those below it."""
    generator = np.random.default_rng(0)
    dark = 4 * np.maximum(np.arange(-64.0, 192.0), 0)[:, None, None] * np.ones((1, 256, 1))
    found = overall([500 + 4 * generator.poisson(dark) + white(dark.shape, 20, seed) for seed in range(2)], "float32")
    sentences = {black: " ".join(text for _, text in advise(found, "x", black).findings) for black in (400, 500, 700)}
    assert all("below the black level" not in sentences[black] for black in (400, 500))
    assert "of the values are below the black level of 700, farther than noise" in sentences[700]


def test_negative_values_need_no_black_level():
    """Hounsfield units, or a background that was subtracted: 0 is the default, and not refused."""
    clean = photographs()[0]
    assert advise(overall([clean + white(clean.shape, 20) - 1024]), "x").command


def test_source_of_several_arguments(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert source_of([tmp_path / "a"]) == tmp_path / "a"
    assert source_of([tmp_path / "a", tmp_path / "b"]) == tmp_path


# --- Files ------------------------------------------------------------------------------------------------------------


def test_files_of_every_kind(tmp_path):
    array = smooth_image(0, 40, 48)
    deep = array[..., 0].astype(np.uint16) * 16
    Image.fromarray(array).save(tmp_path / "a.png")
    Image.fromarray(array).save(tmp_path / "b.webp", lossless=True)
    Image.fromarray(deep).save(tmp_path / "c.png")
    tifffile.imwrite(tmp_path / "d.tif", np.stack([deep] * 9), photometric="minisblack")
    tifffile.imwrite(tmp_path / "e.tiff", array.astype(np.float32), photometric="rgb")
    found = {path.name: list(read_pictures(path, 4)) for path in list_files([tmp_path, tmp_path / "a.png"])}
    assert list(found) == ["a.png", "b.webp", "c.png", "d.tif", "e.tiff"]
    assert np.array_equal(found["a.png"][0].values, array) and np.array_equal(found["b.webp"][0].values, array)
    assert found["c.png"][0].dtype == "uint16" and np.array_equal(found["c.png"][0].values[..., 0], deep)
    assert len(found["d.tif"]) == 4 and found["d.tif"][-1].name.endswith("page 9 of 9")
    assert (found["e.tiff"][0].dtype, found["e.tiff"][0].high) == ("float32", None)


# --- The command ------------------------------------------------------------------------------------------------------


def test_command(capfd, folder, tmp_path):
    out = tmp_path / "out"
    code, text, _ = run(capfd, "diagnose", folder, f"--output={out}")
    assert code == 0
    assert "uint8 192×192×3" in text and "Noise level σ = 1" in text and f"page: {out}/index.html" in text
    command = next(line for line in text.splitlines() if "ssdn_keras.train" in line)
    record = json.loads((out / "diagnosis.json").read_text())
    assert record["verdict"]["train_command"] == command.strip()
    assert record["overall"]["level"] == pytest.approx(12, rel=0.06) and not record["overall"]["correlated"]
    assert [image["level"] for image in record["images"]] == record["overall"]["levels"]


def test_command_answers_without_tensorflow(folder, tmp_path):
    driver = (
        "import sys; from ssdn_keras import diagnose\n"
        f"try: diagnose.COMMAND.run(diagnose.main, ['diagnose', {str(folder)!r}, '--output={tmp_path}/out'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "assert not {'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", driver], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr


def test_the_output_folder_is_checked_before_the_work(capfd, folder, tmp_path, monkeypatch):
    from ssdn_keras.diagnosis import run as whole

    monkeypatch.setattr(whole, "measure", lambda picture: pytest.fail("measured"))
    picture = folder / "0.png"
    fails(capfd, 2, f"{picture}: exists and is not a folder", "diagnose", picture, f"--output={picture}")


def test_values_are_printed_in_a_few_letters(capfd, tmp_path):
    for name, value in (("a", 1e15), ("b", 1e-30), ("c", 1380.5)):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.full((64, 64), value, np.float64))
    _, text, _ = run(capfd, "diagnose", tmp_path, f"--output={tmp_path}/out")
    assert all(f"range {value}..{value}," in text for value in ("1e+15", "1e-30", "1380.5"))


def test_limit_spreads_over_the_files(capfd, folder, tmp_path):
    code, text, _ = run(capfd, "diagnose", folder, f"--output={tmp_path}/out", "--limit=2")
    assert code == 0 and "2 of 3 files were looked at" in text
    assert "0.png" in text and "2.png" in text and "1.png" not in text


def test_bad_files_are_named_and_the_rest_goes_on(capfd, folder, tmp_path):
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.tif").write_text("not a TIFF file")
    whole = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    bad = np.ones((64, 64), np.float32)
    bad[3, 4:6] = [np.nan, np.inf]
    tifffile.imwrite(folder / "nan.tif", bad)
    missing = 100 + white((64, 64), 5).astype(np.float32)
    missing[10:12] = -3.4e38
    tifffile.imwrite(folder / "missing.tif", missing)
    tifffile.imwrite(folder / "complex.tif", np.ones((8, 8), np.complex64))
    Image.fromarray(np.full((64, 64), 7, np.uint8)).save(folder / "constant.png")
    Image.fromarray(np.full((1, 1), 7, np.uint8)).save(folder / "one.png")
    code, text, err = run(capfd, "diagnose", folder, f"--output={tmp_path}/out")
    assert code == 1
    for name, reason in (
        ("empty.png", "the file is empty (0 bytes)"), ("text.tif", "holds no TIFF image"), ("cut.png", ""),
        ("nan.tif", "2 of 4096 values are NaN or infinite"), ("complex.tif", "complex64"),
        ("missing.tif", "128 of 4096 values lie beyond ±1e+15, such as -3.4e+38: if they mark missing data, replace"),
    ):  # fmt: skip
        assert any(name in line and reason in line for line in err.splitlines() if "failed" in line), (name, err)
    assert "6 could not be used" in err
    assert "not measured: all values are 7" in text and "Noise level σ" in text
    record = json.loads((tmp_path / "out" / "diagnosis.json").read_text())
    assert len(record["failed"]) == 6 and sum(image["not_measured"] is not None for image in record["images"]) == 2


def test_values_below_the_largest_that_are_accepted_can_be_measured():
    clean = photographs(96)[0]
    plain, large = measured(clean + white(clean.shape, 15)), measured((clean + white(clean.shape, 15)) * 3e12)
    assert large.level == pytest.approx(3e12 * plain.level, rel=1e-3) and large.raw_correlation is not None


def test_a_file_whose_arithmetic_fails_is_named_and_the_rest_goes_on(capfd, folder, tmp_path, monkeypatch):
    from ssdn_keras.diagnosis import run as whole

    def fit_fails(picture):
        if picture.name.endswith("1.png"):
            raise np.linalg.LinAlgError("SVD did not converge")
        return measure(picture)

    monkeypatch.setattr(whole, "measure", fit_fails)
    code, text, err = run(capfd, "diagnose", folder, f"--output={tmp_path}/out")
    assert code == 1 and "over 2 images" in text
    assert "1.png: its noise cannot be measured, with values from 0 to 255 (SVD did not converge)" in err


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.full((64, 64), 7, np.uint8), "all values are 7"),
        (np.zeros((1, 1), np.uint8), "all values are 0"),
        (np.arange(100, dtype=np.uint8).reshape(10, 10), "a side below 32 pixels"),
        (np.kron([[0, 255], [255, 0]], np.ones((64, 64))).astype(np.uint8), "100% of its areas have a single value"),
    ],
)
def test_no_noise_to_measure(capfd, tmp_path, array, reason):
    Image.fromarray(array).save(tmp_path / "image.png")
    message = f"no image in which noise can be measured ({reason}"
    fails(capfd, 1, message, "diagnose", tmp_path, f"--output={tmp_path}/out")
    assert (tmp_path / "out" / "diagnosis.json").is_file()


def test_wrong_command_lines(capfd, folder, tmp_path):
    fails(capfd, 2, "give the files or folders", "diagnose")
    fails(capfd, 2, "--noise_level goes with --model", "diagnose", folder, "--noise_level=5")
    fails(capfd, 1, "nowhere: no such file or folder", "diagnose", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    fails(capfd, 1, "in this folder or below it", "diagnose", tmp_path / "empty")
    (tmp_path / "text.png").write_text("text")
    fails(capfd, 1, "none of 1 files could be read", "diagnose", tmp_path / "text.png", f"--output={tmp_path}/out")
    (tmp_path / "file").write_text("")
    fails(capfd, 2, "exists and is not a folder", "diagnose", folder, f"--output={tmp_path}/file")
    fails(capfd, 2, "the folder for the output has no name", "diagnose", folder, "--output=")
    fails(capfd, 1, "nothing.keras", "diagnose", folder, f"--model={tmp_path}/nothing.keras")


def test_a_black_level_above_most_values_is_refused(capfd, folder, tmp_path):
    for level in (100000, 255, 200):
        message = f"black_level {level} is too high for values from 0 to 255, half of which are below "
        fails(capfd, 2, message, "diagnose", folder, f"--output={tmp_path}/out", f"--black_level={level}")


@pytest.fixture
def model(tmp_path):
    """An untrained network for known noise."""
    import ssdn_keras

    path = tmp_path / "model.keras"
    ssdn_keras.Denoiser(noise="gauss12", channels=3).save(path)
    return path


def test_command_with_a_model(capfd, folder, model, tmp_path):
    Image.fromarray(np.asarray(Image.open(folder / "0.png"))[..., 0]).save(folder / "grey.png")
    out = tmp_path / "out"
    code, text, err = run(capfd, "diagnose", folder, f"--model={model}", f"--output={out}")
    assert code == 0, err
    assert f"After denoising with {model}" in text and "The model works with σ = 12," in text
    record = json.loads((out / "diagnosis.json").read_text())["residual"]
    assert len(record["images"]) == 4 and record["overall"]["estimated_level"] == pytest.approx(12)
    fails(capfd, 2, "--noise_level", "diagnose", folder, f"--model={model}", "--noise_level=-1")


def test_a_level_is_in_the_units_of_the_files(capfd, tmp_path):
    import ssdn_keras

    image = 20000 + 100.0 * smooth_image(0, 128, 128, 1).reshape(128, 128)
    noisy = image + np.random.RandomState(0).normal(0, 700, image.shape)
    (tmp_path / "deep").mkdir()
    tifffile.imwrite(tmp_path / "deep" / "a.tif", np.uint16(np.rint(noisy)))
    ssdn_keras.Denoiser("gauss1_50", channels=1, filters=4).save(tmp_path / "x.keras")
    flags = [f"--model={tmp_path / 'x.keras'}", f"--output={tmp_path / 'd'}"]
    code, out, err = run(capfd, "diagnose", tmp_path / "deep", *flags, "--noise_level=700")
    assert code == 0 and "After denoising with" in out, err
    fails(capfd, 2, "--noise_level", "diagnose", tmp_path / "deep", *flags, "--noise_level=70000")


def test_a_network_of_the_package_sees_files_scaled_by_their_values(capfd, tmp_path):
    image = 1000 + 2.0 * smooth_image(0, 160, 160, 1).reshape(160, 160)  # dark for 16 bits: 0.8 % of them
    noisy = image + np.random.RandomState(0).normal(0, 50, image.shape)
    tifffile.imwrite(tmp_path / "a.tif", np.uint16(np.rint(noisy)))
    code, _, err = run(capfd, "diagnose", tmp_path / "a.tif", "--model=gauss-mono", f"--output={tmp_path}/d")
    assert code == 0, err
    record = json.loads((tmp_path / "d" / "diagnosis.json").read_text())["residual"]["overall"]
    assert record["estimated_level"] == pytest.approx(50, rel=0.15)
    assert record["residual_std"] == pytest.approx(50, rel=0.25)  # as a part of 65,535 it would be left in


def test_a_model_of_other_channels_says_both_numbers(capfd, model, tmp_path):
    two = np.moveaxis(photographs(64)[0][..., :2] + white((64, 64, 2), 12), -1, 0).astype(np.float32)
    tifffile.imwrite(tmp_path / "two.tif", two, photometric="minisblack", planarconfig="separate")
    code, _, err = run(capfd, "diagnose", tmp_path / "two.tif", f"--model={model}", f"--output={tmp_path}/out")
    assert code == 1 and "two.tif: has 2 channels, the model is for 3" in err


@pytest.mark.parametrize("channels", [2, 3])
def test_a_model_for_one_channel_denoises_each_by_itself_as_denoise_does(channels):
    import ssdn_keras
    from ssdn_keras.diagnosis.restoring import restore

    model = ssdn_keras.Denoiser(noise="gauss1_50", channels=1, filters=4)
    noisy = (photographs(64)[0] + white((64, 64, 3), 12))[..., :channels].astype(np.uint8)
    _, outputs = restore(model, as_picture("x", noisy, "PNG"), noise_level=12.0)
    alone = np.stack([model.denoise(noisy[..., channel] / np.float32(255), 12.0) for channel in range(channels)], -1)
    assert outputs["denoised"].shape == outputs["std"].shape == noisy.shape
    assert np.allclose(outputs["denoised"], 255 * alone, atol=0.01)
    assert outputs["noise_level"] == pytest.approx(12, rel=1e-3)


rough = np.random.RandomState(0).normal(100, 20, (64, 64)).clip(0, 255)


def hot(image, count=3):
    """The image with a few bright pixels, less than a percentile."""
    image = image.copy()
    image.flat[:count] = 60_000
    return image


@pytest.mark.parametrize("pages", [
    [np.uint16(rough)], [np.uint16(rough), np.uint16(30_000 + 20 * rough)], [np.float32(rough), np.uint16(rough)],
    [np.full((64, 64), 500, np.uint16)], [hot(np.full((64, 64), 500, np.uint16))], [np.uint8(rough)],
], ids=["one", "dim and bright", "types", "one value", "nearly one value", "8 bits"])  # fmt: skip
def test_files_are_scaled_as_denoise_does(tmp_path, pages):
    from ssdn_keras import Denoiser
    from ssdn_keras.denoising import denoise_file
    from ssdn_keras.diagnosis.restoring import restore

    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pages:
            file.write(page, contiguous=False)
    model = Denoiser(noise="gauss25", channels=1, filters=4)
    denoise_file(tmp_path / "a.tif", tmp_path / "b.tif", model, output_dtype="float32", measure_range=True)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        expected = [page.asarray() for page in file.pages]
    pictures = read_pictures(tmp_path / "a.tif", 4, measure_range=True)
    for picture, wanted in zip(pictures, expected, strict=True):
        found = restore(model, picture)[1]["denoised"][..., 0]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.ptp(picture.values))


# --- What the suggested blind spot is good for ------------------------------------------------------------------------


@pytest.mark.slow
def test_the_suggested_blind_spot_helps_on_blurred_noise():
    """A blind spot of one pixel sees the noise in the next pixels, and keeps it. Seen: 20.6 against 23.1 dB."""
    from ssdn_keras.data import training_crops
    from ssdn_keras.training.models import make_model
    from ssdn_keras.training.precision import fast_precision
    from ssdn_keras.training.settings import TrainSettings

    clean = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.rocket()]
    noisy = [(image + blurred(image.shape, 25, 0.7, seed)).astype("float32") for seed, image in enumerate(clean)]
    flags = advise(overall(noisy), "images").flags
    assert flags["algorithm"] == "ssdn_mean"
    shown = skimage.data.chelsea()[60:188, 120:248].astype(float)
    unseen = shown + blurred(shown.shape, 25, 0.7, 9)
    settings = TrainSettings(
        algorithm="ssdn_mean", noise=flags["noise"], crop=32, minibatch=2, images=1600, learning_rate=3e-3,
        ramp_down=0.5, precision=fast_precision(),
    )  # fmt: skip

    def psnr(blind_spot):
        model = make_model(dataclasses.replace(settings, blindspot_size=blind_spot))
        crops = training_crops(
            [image / 255 for image in noisy], settings.noise, add_noise=False, crop=settings.crop,
            minibatch=settings.minibatch, algorithm=settings.algorithm, count=settings.images,
        )  # fmt: skip
        model.fit(crops, verbose=0)
        result = 255 * model.denoise((unseen / 255).astype("float32"))
        return 10 * np.log10(255**2 / np.mean(np.square(result - shown)))

    before, one, suggested_size = 20.17, psnr(1), psnr(flags["blindspot_size"])
    assert suggested_size > one + 1.0 and suggested_size > before + 1.5, (one, suggested_size)


# --- The page ---------------------------------------------------------------------------------------------------------

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: apt install chromium")
@pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed")
def test_page_in_a_browser(capfd, folder, model, tmp_path):
    from playwright.sync_api import sync_playwright

    Image.fromarray(smooth_image(1)).save(folder / "<b> & \"quote'.png")
    code, _, _ = run(capfd, "diagnose", folder, f"--model={model}", f"--output={tmp_path}/out")
    assert code == 0
    requests, trouble = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 400, "height": 800})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto((tmp_path / "out" / "index.html").as_uri())
        assert page.locator("#images tbody tr").count() == 4
        assert page.locator("svg").count() == 5
        assert "ssdn_keras.train" in page.locator("#command").inner_text()
        assert "<b> & \"quote'.png" in page.locator("#images").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        browser.close()
    assert all(url.startswith(("file:", "data:")) for url in requests) and not trouble
