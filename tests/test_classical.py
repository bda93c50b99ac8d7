"""The untrained denoisers: one contract with the trained ones, in Python and in the commands."""

import importlib.util
import json
import sys
import types

import numpy as np
import pytest
import tifffile
from command_line import fails, run
from conftest import smooth_image
from PIL import Image

import ssdn_keras
from ssdn_keras.algorithms import classical
from ssdn_keras.choices import CLASSICAL_NAMES
from ssdn_keras.evaluation import metrics

HERE = [name for name in ("nlm", "wavelet", "cbm3d") if name != "cbm3d" or importlib.util.find_spec("bm3d")]


def noisy_version(clean, sigma, seed=0):
    return clean / 255 + sigma / 255 * np.random.RandomState(seed).standard_normal(clean.shape)


def test_the_names_that_commands_offer_are_those_that_exist():
    assert tuple(classical.CLASSICAL) == CLASSICAL_NAMES


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_gains_several_decibels(name, channels):
    clean = smooth_image(0, 96, 80, channels).reshape(96, 80, channels)
    noisy = noisy_version(clean, 25)
    denoiser = ssdn_keras.ClassicalDenoiser(name)
    before, after = (
        metrics.psnr(clean, metrics.to_uint8(image)) for image in (noisy, denoiser.denoise(noisy, noise_level=25))
    )
    assert after > before + 6, (before, after)
    # Without a level it is estimated from the image.
    assert metrics.psnr(clean, metrics.to_uint8(denoiser.denoise(noisy))) > before + 5


@pytest.mark.parametrize("name", HERE)
def test_arrays_come_back_as_they_went_in(name):
    clean = smooth_image(1, 40, 48)
    denoiser = ssdn_keras.ClassicalDenoiser(name, "gauss25")
    noisy = np.clip(noisy_version(clean, 25), 0, 1)
    for array in (
        (noisy * 255).astype("uint8"), (noisy * 65535).astype("uint16"), noisy.astype("float32"), noisy[..., 0],
        np.stack([noisy, noisy]),
    ):  # fmt: skip
        result = denoiser.denoise(array)
        assert result.shape == array.shape and result.dtype == array.dtype
    whole = denoiser.denoise(noisy)
    np.testing.assert_allclose(denoiser.denoise(np.stack([noisy, noisy]))[1], whole, atol=1e-6)
    np.testing.assert_array_equal(denoiser.denoise(noisy, noise_level=0), noisy.astype("float32"))


def test_a_channel_without_detail_is_left_out_of_the_estimate(capfd, tmp_path):
    clean = np.zeros((64, 64, 3), np.uint8)
    clean[..., 1] = smooth_image(0, 64, 64, 1)
    noisy = clean.copy()
    noisy[..., 1] = metrics.to_uint8(noisy_version(clean[..., 1:2], 20))[..., 0]
    assert classical.estimate_sigma(noisy / 255) * 255 == pytest.approx(20, rel=0.15)
    with pytest.raises(ValueError, match="give noise_level"):
        ssdn_keras.ClassicalDenoiser("nlm").denoise(np.full((16, 16, 3), 7, np.uint8))
    Image.fromarray(noisy).save(tmp_path / "a.png")
    Image.fromarray(np.full((16, 16, 3), 7, np.uint8)).save(tmp_path / "flat.png")
    code, out, err = run(capfd, "denoise", "--algorithm=nlm", f"--output={tmp_path / 'out'}", tmp_path)
    assert code == 1 and "1 of 2" in out and "flat.png: no noise can be found" in err


@pytest.mark.parametrize("name", ["nlm", "wavelet"])
def test_images_of_few_pixels_or_one_value_give_no_warnings(name, recwarn):
    ssdn_keras.ClassicalDenoiser(name).denoise(np.full((1, 1, 1), 5, np.uint8))
    with pytest.raises(ValueError, match="give noise_level"):
        ssdn_keras.ClassicalDenoiser(name).denoise(np.full((16, 16), 7, np.uint8))
    assert not recwarn.list, [str(each.message) for each in recwarn]


def test_poisson_noise_is_stabilised_to_unit_deviation_and_back_without_bias():
    random = np.random.RandomState(0)
    for brightness, photons in ((0.3, 30), (0.9, 60), (0.5, 12)):
        values = classical.stabilise(random.poisson(brightness * photons, 200_000) / photons, photons)
        assert values.std() == pytest.approx(1.0, abs=0.05)
        # A perfect denoiser returns the mean in the stabilised domain.
        assert classical.unstabilise(values.mean(), photons) == pytest.approx(brightness, abs=0.01)


def test_poisson_images_gain():
    clean = smooth_image(2, 96, 80)
    noisy = np.random.RandomState(0).poisson(clean / 255 * 30) / 30
    denoiser = ssdn_keras.ClassicalDenoiser("nlm", "poisson")
    before = metrics.psnr(clean, metrics.to_uint8(noisy))
    assert metrics.psnr(clean, metrics.to_uint8(denoiser.denoise(noisy, noise_level=30))) > before + 5
    with pytest.raises(ValueError, match="give noise_level"):
        denoiser.denoise(noisy)


def poisson_counts(photons=100):
    """Poisson noise over a constant 0.2 of white, float32 50×40: 2000 values."""
    return (np.random.RandomState(0).poisson(0.2 * photons, (50, 40)) / photons).astype("float32")


@pytest.mark.parametrize("below, counts, refused", [(2, 9, False), (3, 9, True), (1000, 0.4, False), (1000, 0.6, True)])
def test_values_that_are_no_counts_of_photons(below, counts, refused):
    noisy = poisson_counts(photons=100)
    noisy.flat[:below] = -counts / 100
    denoiser = ssdn_keras.ClassicalDenoiser("nlm", "poisson")
    if refused:
        share = "0.1" if below == 3 else "50.0"
        with pytest.raises(ValueError, match=f"^{share}% of the values are below 0.*so that black is 0, or choose gau"):
            denoiser.denoise(noisy, noise_level=100)
    else:
        assert np.isfinite(denoiser.denoise(noisy, noise_level=100)).all()
    assert np.isfinite(ssdn_keras.ClassicalDenoiser("nlm", "gauss").denoise(noisy, noise_level=12)).all()


def test_a_file_whose_values_are_no_counts_of_photons_is_named(capfd, tmp_path):
    for name, offset in (("below.tif", -0.3), ("good.tif", 0)):
        tifffile.imwrite(tmp_path / name, poisson_counts() + np.float32(offset))
    code, out, err = run(capfd, "denoise", "--algorithm=nlm", "--noise=poisson", "--noise_level=100",
                         f"--output={tmp_path / 'out'}", tmp_path)  # fmt: skip
    assert code == 1 and "denoised 1 of 2" in out
    lines = [line[line.index("failed ") :] for line in err.splitlines() if "failed " in line]
    assert len(lines) == 1 and lines[0].startswith(f"failed {tmp_path / 'below.tif'}: "), lines
    assert "% of the values are below 0, which counts of photons cannot be" in lines[0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.tif"]


def test_what_it_cannot_do_is_refused():
    with pytest.raises(ValueError, match="impulse"):
        ssdn_keras.ClassicalDenoiser("nlm", "impulse50")
    with pytest.raises(ValueError, match="did you mean wavelet"):
        ssdn_keras.ClassicalDenoiser("wavelets")
    with pytest.raises(ValueError, match="within its range"):
        ssdn_keras.ClassicalDenoiser("nlm").denoise(np.zeros((8, 8)), noise_level=-1)
    with pytest.raises(ValueError, match="shape"):
        ssdn_keras.ClassicalDenoiser("nlm").denoise(np.zeros(8), noise_level=1)


def test_a_missing_package_is_named_with_its_terms(capfd, tmp_path, photographs, monkeypatch):
    monkeypatch.setattr(classical.importlib.util, "find_spec", lambda name: None)
    arguments = ["--algorithm=cbm3d", "--noise=gauss25", f"--data={photographs}", f"--output={tmp_path / 'out'}"]
    fails(capfd, 1, "pip install 'ssdn_keras[cbm3d]'", "evaluate", *arguments)
    _, _, err = run(capfd, "evaluate", *arguments)
    assert "non-commercial" in err and not (tmp_path / "out").exists()
    fails(capfd, 1, "non-commercial", "denoise", "--algorithm=cbm3d", f"--output={tmp_path / 'out'}", photographs)


def test_cbm3d_is_called_with_the_deviation_in_the_units_of_the_image(monkeypatch):
    calls = []
    fake = types.SimpleNamespace(
        bm3d_rgb=lambda image, sigma: calls.append((image.shape, image.dtype, sigma)) or image,
        bm3d=lambda image, sigma: calls.append((image.shape, image.dtype, sigma)) or image,
    )
    monkeypatch.setitem(sys.modules, "bm3d", fake)
    monkeypatch.setattr(classical.importlib.util, "find_spec", lambda name: fake)
    denoiser = ssdn_keras.ClassicalDenoiser("cbm3d")
    denoiser.denoise(np.zeros((8, 9, 3), "uint8"), noise_level=51)
    denoiser.denoise(np.zeros((8, 9), "uint8"), noise_level=51)
    assert [(shape, kind) for shape, kind, _ in calls] == [((8, 9, 3), np.float64), ((8, 9), np.float64)]
    assert [sigma for _, _, sigma in calls] == pytest.approx([0.2, 0.2])


def test_evaluate_treats_it_like_a_model(capfd, tmp_path, photographs):
    code, out, _ = run(
        capfd, "evaluate", "--algorithm=nlm", "--noise=gauss25", f"--data=x:{photographs}", f"--output={tmp_path}"
    )
    assert code == 0 and "denoised" in out and "–" in out
    record = json.loads((tmp_path / "results.json").read_text())
    assert record["model"]["algorithm"] == "nlm"
    values = record["sets"]["x"]
    assert values["psnr_denoised"] > values["psnr_noisy"] + 5 and "psnr_mean" not in values


def test_denoise_treats_it_like_a_model(capfd, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    colour, grey = smooth_image(0), smooth_image(1, channels=1)
    Image.fromarray(metrics.to_uint8(noisy_version(colour, 20))).save(folder / "colour.png")
    Image.fromarray(metrics.to_uint8(noisy_version(grey, 20))).save(folder / "grey.png")
    code, out, _ = run(capfd, "denoise", "--algorithm=wavelet", f"--output={tmp_path / 'out'}", folder)
    assert code == 0 and "2 of 2" in out
    for name, clean in (("colour.png", colour), ("grey.png", grey)):
        before, after = (np.asarray(Image.open(tmp_path / where / name)) for where in ("in", "out"))
        assert after.shape == clean.shape
        assert np.mean((after - clean.astype(float)) ** 2) < 0.4 * np.mean((before - clean.astype(float)) ** 2)


@pytest.mark.parametrize(("command", "arguments", "message"), [
    ("denoise", ["--algorithm=nlm", "--model=x", "--output=y", "z"], "--model or --algorithm"),
    ("denoise", ["--model=x.keras", "--noise=poisson", "--output=y", "z"], "with a model it is --noise_model"),
    ("denoise", ["--algorithm=nml", "--output=y", "z"], "did you mean nlm"),
    ("evaluate", ["--algorithm=nlm", "--data=x"], "give --noise"),
    ("evaluate", ["--algorithm=nlm", "--noise=gauss25", "--data=x", "--output=y", "--channels=2"], "--channels"),
    ("evaluate", ["--model=x", "--data=x", "--channels=1"], "--channels"),
])  # fmt: skip
def test_usage_errors(capfd, tmp_path, monkeypatch, command, arguments, message):
    monkeypatch.chdir(tmp_path)
    fails(capfd, 2, message, command, *arguments)
    assert not list(tmp_path.iterdir())


def test_levels_that_cannot_be_estimated_are_asked_for(capfd, tmp_path, photographs):
    fails(capfd, 2, "give noise_level", "denoise", "--algorithm=nlm", "--noise=poisson", f"--output={tmp_path / 'out'}",
          photographs)  # fmt: skip
    fails(capfd, 1, "impulse", "evaluate", "--algorithm=nlm", "--noise=impulse50", f"--data=x:{photographs}",
          f"--output={tmp_path / 'out'}")  # fmt: skip
    fails(capfd, 2, "with a level", "evaluate", "--algorithm=nlm", "--noise=gauss", f"--data=x:{photographs}",
          f"--output={tmp_path / 'out'}")  # fmt: skip
    assert not (tmp_path / "out").exists()
