import numpy as np
import pytest
from conftest import smooth_image
from PIL import Image

import ssdn_keras
from ssdn_keras.evaluation import metrics, protocol, report
from ssdn_keras.evaluation.run import evaluate
from ssdn_keras.noise import parse_noise


def test_rounding_is_that_of_the_protocol():
    values = np.array([-0.2, 0.0, 0.4999 / 255, 0.5001 / 255, 254.6 / 255, 1.3])
    assert metrics.to_uint8(values).tolist() == [0, 0, 0, 1, 255, 255]


def test_psnr_is_the_formula():
    clean, other = smooth_image(0), smooth_image(1)
    error = np.mean((clean.astype("float64") - other) ** 2)
    assert metrics.psnr(clean, other) == pytest.approx(10 * np.log10(255**2 / error))
    assert metrics.psnr(clean, clean) == float("inf")


def test_ssim_of_equal_and_unequal_images():
    clean = smooth_image(0)
    assert metrics.ssim(clean, clean) == pytest.approx(1.0)
    assert metrics.ssim(clean, smooth_image(1)) < 0.7
    assert np.isnan(metrics.ssim(clean[:8], clean[:8]))


def test_noise_is_pinned_on_every_machine():
    image = protocol.corrupt(np.full((4, 4, 1), 128, "uint8"), parse_noise("gauss25"), 0, 0, 0)
    again = protocol.corrupt(np.full((4, 4, 1), 128, "uint8"), parse_noise("gauss25"), 0, 0, 0)
    np.testing.assert_array_equal(image.noisy, again.noisy)
    np.testing.assert_allclose(image.noisy[0, :3, 0], PINNED, atol=1e-6)


PINNED = [0.5287150, 0.4902010, 0.6007528]


def test_noise_differs_between_images_repeats_and_seeds():
    clean = np.full((32, 32, 3), 128, "uint8")
    drawn = [protocol.corrupt(clean, parse_noise("gauss25"), *seeds).noisy
             for seeds in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]]  # fmt: skip
    for i in range(4):
        for k in range(i):
            assert abs(np.corrcoef(drawn[i].ravel(), drawn[k].ravel())[0, 1]) < 0.1


def test_padding_repeats_clean_pixels_but_no_noisy_value():
    clean = smooth_image(0, 40, 50)
    image = protocol.corrupt(clean, parse_noise("gauss25"), 0, 0, 0)
    assert image.noisy.shape == (64, 64, 3) and image.crop(image.noisy).shape == clean.shape
    assert len(np.unique(image.noisy)) > 0.99 * image.noisy.size
    assert np.std(image.crop(image.noisy) - clean / 255) == pytest.approx(25 / 255, rel=0.05)


@pytest.mark.parametrize("text,name,repeats", [
    ("kodak:/x/y", "kodak", 10), ("bsd300:/x", "bsd300", 3), ("set14:/x", "set14", 20), ("mine:/x", "mine", 1),
    ("/x/photos", "photos", 1),
])  # fmt: skip
def test_names_of_test_sets(text, name, repeats):
    test_set = protocol.parse_test_set(text)
    assert (test_set.name, test_set.repeats) == (name, repeats)


@pytest.mark.parametrize("noise,raw,level", [("gauss", -1.0, None), ("poisson", -1.0, None), ("impulse", 1.0, None)])
def test_estimated_level_is_read_back_in_the_users_units(noise, raw, level):
    model = ssdn_keras.Denoiser(noise, "global", channels=1)
    model.global_parameter.assign(raw)
    estimate = float(np.log1p(np.exp(raw - 4.0)) + 1e-3)
    expected = {"gauss": estimate * 255, "poisson": 1 / estimate, "impulse": estimate * 100}[noise]
    image = protocol.corrupt(smooth_image(0, channels=1)[..., None], parse_noise("gauss25"), 0, 0, 0)
    outputs = protocol.denoise(model, image)
    assert protocol.estimated_level(model, outputs["noise_std"], outputs["mean"]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("added,scale,unit", [
    (None, 3900, "σ in the units of the images (0..3900)"), ("gauss25", 255, "σ in grey levels (0..255)")
])  # fmt: skip
def test_an_estimated_level_has_the_units_of_the_added_noise(tmp_path, capsys, added, scale, unit):
    Image.fromarray(smooth_image(0, 32, 32, channels=1)).save(tmp_path / "a.png")
    model = ssdn_keras.Denoiser("gauss400", "global", channels=1, value_range=(100, 4000))
    estimate = np.log1p(np.exp(-4.0)) + 1e-3
    spec = parse_noise(added) if added else model.noise
    values = evaluate(model, [protocol.TestSet("a", tmp_path, 1)], spec)["a"]
    assert values["estimated_level"] == pytest.approx(estimate * scale, rel=1e-3)
    assert f"estimated noise level {estimate * scale:.2f} ({unit}), added {spec}" in capsys.readouterr().out


def test_psnr_inside_the_range_leaves_out_what_is_clipped():
    clean = np.full((20, 20, 1), 100, "uint8")
    image = clean + 2
    clean[:10], image[:5], image[5:10] = 255, 0, 255
    assert metrics.psnr_inside(clean, image) == pytest.approx(20 * np.log10(255 / 2))
    assert np.isnan(metrics.psnr_inside(clean[:10], image[:10]))
    rows = [{"psnr_inside": 30.0}, {"psnr_inside": float("nan")}, {"psnr_inside": 32.0}]
    assert report.averages(rows)["psnr_inside"] == 31
