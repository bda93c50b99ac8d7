"""Photon and read noise together: mathematics, names, and every command that meets a level of two numbers."""

import csv
import json
import re

import keras
import numpy as np
import pytest
import tifffile
from keras import ops
from PIL import Image
from scipy import optimize
from skimage import data

import ssdn_keras
from ssdn_keras.data import black_level
from ssdn_keras.data.sources import open_source
from ssdn_keras.noise import make_noise_spec, parse_noise
from ssdn_keras.noise.covariance import component_count, split_components
from ssdn_keras.noise.sampling import NumpyRandom, StatelessRandom, draw_parameter
from tests import command_line
from tests.gradients import input_gradient

MODEL = parse_noise("poisson_gauss").model


def array(value):
    return ops.convert_to_numpy(value).astype("float64")


def strength(*pairs):
    """Gain and read noise of each image, as the model gets them: N×1×1×2."""
    return np.array(pairs, "float32").reshape(-1, 1, 1, 2)


def case(channels, images=2, seed=0):
    """Network outputs and noisy values of 3 × 4 pixels; means on both sides of black."""
    random = np.random.RandomState(seed)
    mean = random.uniform(-0.1, 1.0, (images, 3, 4, channels))
    entries = random.normal(0, 0.2, (images, 3, 4, component_count(channels) - channels))
    observed = mean + random.normal(0, 0.3, mean.shape)
    return np.concatenate([mean, entries], -1).astype("float32"), observed.astype("float32")


def split(outputs, observed):
    mean, columns = split_components(ops.convert_to_tensor(outputs), observed.shape[-1])
    return ops.convert_to_tensor(observed), mean, columns


def loss_of(model, outputs, observed, parameter, estimated=False):
    return model.loss_per_pixel(*split(outputs, observed), ops.convert_to_tensor(parameter), estimated)


def posterior_of(model, outputs, observed, parameter):
    return {
        name: array(each)
        for name, each in model.posterior(*split(outputs, observed), ops.convert_to_tensor(parameter)).items()
    }


# --- Mathematics ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain, read", [(0.01, 0.02), (0.05, 0.1), (0.3, 0.0), (0.0, 0.2)])
@pytest.mark.parametrize("mean, prior, observed", [(0.5, 0.2, 0.7), (0.3, 0.05, 0.1), (0.0, 0.1, 0.15)])
def test_one_channel_agrees_with_integration(gain, read, mean, prior, observed):
    """Over the clean value, under noise of the variance that belongs to the prior's mean."""
    outputs, noisy = np.float32([mean, prior]).reshape(1, 1, 1, 2), np.float32([observed]).reshape(1, 1, 1, 1)
    std = np.sqrt(gain * max(mean, 1e-3) + read**2)
    x = np.linspace(mean - 12 * prior, mean + 12 * prior, 200_001)
    joint = np.exp(-((x - mean) ** 2) / (2 * prior**2) - (observed - x) ** 2 / (2 * std**2)) / (2 * np.pi * prior * std)
    evidence = np.trapezoid(joint, x)
    expected = np.trapezoid(joint * x, x) / evidence
    variance = np.trapezoid(joint * (x - expected) ** 2, x) / evidence
    loss = array(loss_of(MODEL, outputs, noisy, strength((gain, read)))).item()
    assert loss == pytest.approx(-2 * np.log(evidence) - np.log(2 * np.pi), rel=1e-4, abs=1e-4)
    estimated = array(loss_of(MODEL, outputs, noisy, strength((gain, read)), estimated=True)).item()
    assert loss - estimated == pytest.approx(0.1 * std, rel=1e-3)
    found = posterior_of(MODEL, outputs, noisy, strength((gain, read)))
    assert found["denoised"].item() == pytest.approx(expected, abs=1e-5)
    assert found["std"].item() == pytest.approx(np.sqrt(variance), rel=1e-4)
    assert found["noise_std"].item() == pytest.approx(std, rel=1e-5)


def test_three_channels_agree_with_matrix_algebra():
    """In float64, with the constants of the original program: 1e-6 added to prior, noise and sum of inverses."""
    outputs, observed = case(3)
    parameter = strength((0.02, 0.05), (0.1, 0.01))
    mean, factor = outputs[..., :3].astype("float64"), np.zeros((2, 3, 4, 3, 3))
    rows, columns = np.triu_indices(3)
    factor[..., rows, columns] = outputs[..., 3:]
    prior, eye = factor @ np.swapaxes(factor, -1, -2), np.eye(3)
    variance = parameter[..., :1].astype("float64") * np.maximum(mean, 1e-3) + parameter[..., 1:].astype("float64") ** 2
    total = prior + variance[..., None] * eye
    residual = observed - mean
    loss = 0.5 * (np.einsum("...i,...ij,...j", residual, np.linalg.inv(total), residual) + np.linalg.slogdet(total)[1])
    np.testing.assert_allclose(array(loss_of(MODEL, outputs, observed, parameter)), loss, rtol=1e-4, atol=2e-5)
    regularised = loss - 0.1 * np.sqrt(variance).mean(axis=-1)
    np.testing.assert_allclose(
        array(loss_of(MODEL, outputs, observed, parameter, True)), regularised, rtol=1e-4, atol=2e-5
    )
    inverse, precision = np.linalg.inv(prior + 1e-6 * eye), eye / (variance + 1e-6)[..., None]
    posterior = np.linalg.inv(inverse + precision + 1e-6 * eye)
    denoised = posterior @ (inverse @ mean[..., None] + precision @ observed[..., None])
    found = posterior_of(MODEL, outputs, observed, parameter)
    np.testing.assert_allclose(found["denoised"], denoised[..., 0], atol=1e-5)
    np.testing.assert_allclose(found["std"] ** 2, np.diagonal(posterior, axis1=-2, axis2=-1), rtol=3e-4)
    np.testing.assert_allclose(found["noise_std"], np.sqrt(variance).prod(axis=-1) ** (1 / 3), rtol=1e-5)


@pytest.mark.parametrize("clipped", ["", "-clipped"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "other, value, pair",
    [("gauss", 0.1, (0.0, 0.1)), ("gauss", 1e-3, (0.0, 0.0)), ("poisson", 1 / 30, (1 / 30, 0.0))],
)
def test_one_of_the_two_alone_is_the_simpler_model(channels, other, value, pair, clipped):
    outputs, observed = case(channels, images=1)
    if clipped:
        observed = np.clip(observed, 0, 1)
    simple, both = parse_noise(other + clipped).model, parse_noise(f"poisson_gauss{clipped}").model
    value = np.full((1, 1, 1, 1), value, "float32")
    for estimated in (False, True):
        np.testing.assert_allclose(
            array(loss_of(both, outputs, observed, strength(pair), estimated)),
            array(loss_of(simple, outputs, observed, value, estimated)),
            rtol=2e-6, atol=2e-6,
        )  # fmt: skip
    expected = posterior_of(simple, outputs, observed, value)
    for name, found in posterior_of(both, outputs, observed, strength(pair)).items():
        np.testing.assert_allclose(found, expected[name], rtol=2e-5, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("clipped", ["", "-clipped"])
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_are_those_of_finite_differences(channels, clipped):
    model = parse_noise(f"poisson_gauss{clipped}").model
    outputs, observed = case(channels)
    # Away from the kink of max(μ, 1e-3), where a difference quotient is no derivative.
    outputs[..., :channels] += 0.05 * (np.abs(outputs[..., :channels] - 1e-3) < 1e-2)
    observed = np.clip(observed, 0, 1) if clipped else observed
    parameter = strength((0.02, 0.05), (0.05, 0.1))
    flat = np.concatenate([outputs.ravel(), parameter.ravel()])

    def loss(values):
        values = ops.convert_to_tensor(values)
        taken = ops.reshape(values[: outputs.size], outputs.shape), ops.reshape(values[outputs.size :], parameter.shape)
        mean, columns = split_components(taken[0], channels)
        return ops.mean(model.loss_per_pixel(ops.convert_to_tensor(observed), mean, columns, taken[1], True))

    found = input_gradient(loss, flat)
    random = np.random.RandomState(1)
    for which in (slice(outputs.size, None), slice(0, outputs.size)):
        for _ in range(3):
            direction = np.zeros_like(flat)
            direction[which] = random.standard_normal(direction[which].shape) * (0.02 if which.stop is None else 0.1)
            step = np.float32(0.02)
            slope = (array(loss(flat + step * direction)) - array(loss(flat - step * direction))) / (2 * step)
            assert found @ direction == pytest.approx(float(slope), rel=1e-2, abs=5e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_extremes_are_finite(channels):
    outputs, observed = case(channels, images=5)
    outputs[0, 0] = 0
    parameter = strength((0, 0), (0, 1e-3), (10, 0), (1e-6, 1e-3), (10, 10))
    for clipped in ("", "-clipped"):
        model = parse_noise(f"poisson_gauss{clipped}").model

        def total(values, model=model):
            return ops.sum(loss_of(model, values, observed, parameter, True))

        assert np.isfinite(input_gradient(total, outputs)).all()
        assert all(np.isfinite(each).all() for each in posterior_of(model, outputs, observed, parameter).values())


@pytest.mark.parametrize("start", [(0.1, 0.02), (0.002, 0.2)])
def test_both_are_found_by_descent_where_the_prior_is_right(start):
    """The likelihood alone, without a network: clean values drawn from priors of which most are sure."""
    random, true = np.random.RandomState(0), np.array([0.02, 0.05])
    mean, prior = random.uniform(0, 1, 20_000), random.uniform(0, 0.03, 20_000)
    clean = mean + prior * random.standard_normal(mean.shape)
    noisy = MODEL.corrupt(np.float32(clean.clip(0)), np.float32(true), NumpyRandom(5))
    outputs, observed = np.float32([mean, prior]).T[None, None], noisy[None, None, :, None]

    def loss(logarithms):
        return ops.mean(loss_of(MODEL, outputs, observed, ops.reshape(ops.exp(logarithms), (1, 1, 1, 2)), True))

    def both(logarithms):
        values = np.float32(logarithms)
        return float(array(loss(values))), input_gradient(loss, values).astype("float64")

    found = optimize.minimize(both, np.log(start), jac=True, method="L-BFGS-B", options={"ftol": 1e-7})
    # The term that keeps an estimate from vanishing, 0.1 σ, makes it a little larger.
    np.testing.assert_allclose(np.exp(found.x), true, rtol=0.05)


@pytest.mark.parametrize("brightness", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("stateless", [False, True])
def test_samples_have_that_mean_and_variance(brightness, stateless):
    clean, parameter = np.full((200, 200, 1), brightness, "float32"), np.float32([0.02, 0.05])
    if stateless:
        import tensorflow as tf

        noisy = MODEL.corrupt(tf.constant(clean), tf.constant(parameter), StatelessRandom(tf.constant([1, 2]))).numpy()
    else:
        noisy = MODEL.corrupt(clean, parameter, NumpyRandom(1, 2))
    assert noisy.dtype == np.float32
    variance = 0.02 * brightness + 0.05**2
    assert noisy.mean() == pytest.approx(brightness, abs=4 * np.sqrt(variance / noisy.size))
    assert noisy.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / noisy.size))


def test_what_is_darker_than_black_has_read_noise_alone():
    noisy = MODEL.corrupt(np.full((100, 100, 1), -0.2, "float32"), np.float32([0.5, 0.05]), NumpyRandom(3))
    assert noisy.std() == pytest.approx(0.05, rel=0.05)


# --- Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, levels",
    [
        ("poisson_gauss2+5", ((2, 5), (2, 5))),
        ("poisson_gauss0.5_4+2_10", ((0.5, 2), (4, 10))),
        ("poisson_gauss0.5_4+10", ((0.5, 10), (4, 10))),
        ("poisson_gauss0+5", ((0, 5), (0, 5))),
        ("poisson_gauss0_4+0_10", ((0, 0), (4, 10))),
        ("poisson_gauss2+5-clipped", ((2, 5), (2, 5))),
        ("poisson_gauss0.5_4+2_10-clipped", ((0.5, 2), (4, 10))),
        ("poisson_gauss", None),
        ("poisson_gauss-clipped", None),
    ],
)
def test_names(text, levels):
    spec = parse_noise(text)
    assert spec.levels == levels and str(spec) == text and parse_noise(str(spec)) == spec
    assert len({spec, parse_noise(text)}) == 1
    assert spec.kind == "poisson_gauss" and spec.is_clipped == text.endswith("-clipped")
    assert spec.varying == (levels is None or levels[0] != levels[1])
    if levels is not None:
        assert make_noise_spec(spec.model.name, *levels) == spec


def test_both_scale_with_the_range_of_the_values():
    for spec, span in ((parse_noise("poisson_gauss2+5"), 255), (parse_noise("poisson_gauss2+5", 4000.0), 4000)):
        np.testing.assert_allclose(spec.parameters, [[2 / span, 5 / span]] * 2, rtol=1e-6)
        np.testing.assert_allclose(spec.level_from_estimate(spec.parameters[0]), [2, 5], rtol=1e-6)
    assert spec.unit == "gain and read noise in the units of the images (0..4000)"


def test_levels_are_drawn_independently():
    spec = parse_noise("poisson_gauss0.5_4+2_10")
    drawn = np.array([draw_parameter(spec, NumpyRandom(0, index)) for index in range(2000)]) * 255
    assert drawn.shape == (2000, 2)
    np.testing.assert_allclose(drawn.min(axis=0), [0.5, 2], atol=0.05)
    np.testing.assert_allclose(drawn.max(axis=0), [4, 10], atol=0.05)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.07


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "poisson_gauss5",
            r"2 numbers joined by \+ \(gain, read noise\).*such as poisson_gauss2\+5 or poisson_gauss0.5",
        ),
        ("poisson_gauss2+5+7", "2 numbers joined by"),
        ("poisson_gauss-2+5", "2 numbers joined by"),
        ("poisson_gauss2+-5", "2 numbers joined by"),
        ("poisson_gauss2+", "2 numbers joined by"),
        ("poisson_gaussnan+5", "unknown noise 'poisson_gaussnan"),
        ("poisson_gaussinf+inf", "unknown noise"),
        ("poisson_gauss4_0.5+2_10", r"wrong way round; write poisson_gauss0.5_4\+2_10$"),
        ("poisson_gauss0.5_4+10_2", r"wrong way round; write poisson_gauss0.5_4\+2_10$"),
        ("poisson_gauss0+0", r"must be above 0, at least one of the two$"),
        ("poisson_gauss0+0-clipped", r"must be above 0, at least one of the two$"),
        ("poissongauss2+5", r"did you mean poisson_gauss2\+5\?"),
        ("Poisson_Gauss2+5", r"did you mean poisson_gauss2\+5\?"),
        ("gauss2+5", "such as gauss25 or gauss5_50$"),
    ],
)
def test_names_that_are_wrong(text, message):
    with pytest.raises(ValueError, match=message):
        parse_noise(text)


@pytest.mark.parametrize(
    "low, high, message",
    [
        ((-1, 5), (2, 5), "must be 0 or more"),
        ((2, -5), (2, 5), "must be 0 or more"),
        ((float("nan"), 5), (2, 5), "must be finite"),
        ((1, 5), (2, float("inf")), "must be finite"),
        (1, 2, "a level of poisson_gauss noise is 2 numbers"),
        ((1, 2, 3), (1, 2, 3), "a level of poisson_gauss noise is 2 numbers"),
    ],
)
def test_numbers_that_are_wrong(low, high, message):
    with pytest.raises(ValueError, match=message):
        make_noise_spec("poisson_gauss", low, high)


def test_two_numbers_for_a_model_of_one():
    with pytest.raises(ValueError, match="a level of gauss noise is one number"):
        ssdn_keras.Denoiser("gauss", noise_range=((1, 2), (3, 4)))


# --- A model ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known():
    keras.utils.set_random_seed(0)
    return ssdn_keras.Denoiser("poisson_gauss2+5", channels=1)


@pytest.fixture(scope="module")
def varying(known):
    model = ssdn_keras.Denoiser("poisson_gauss0.5_4+2_10", channels=1)
    model.set_weights(known.get_weights())
    return model


IMAGE = data.camera()[100:148, 200:240]


def test_a_known_pair(known, varying):
    denoised = known.denoise(IMAGE)
    np.testing.assert_array_equal(known.denoise(IMAGE, noise_level=(2, 5)), denoised)
    np.testing.assert_array_equal(varying.denoise(IMAGE, noise_level=(2, 5)), denoised)
    stack = varying.denoise(np.stack([IMAGE, IMAGE])[..., None], noise_level=[(2, 5), (4, 10)])[..., 0]
    np.testing.assert_array_equal(stack[0], denoised)
    np.testing.assert_array_equal(stack[1], varying.denoise(IMAGE, noise_level=(4, 10)))
    assert np.any(stack[0] != stack[1])
    noisy = np.float32(IMAGE / 255)[None, ..., None]
    outputs = varying({"noisy": noisy, "noise_level": np.float32([[2 / 255, 5 / 255]])})
    mean = np.maximum(array(outputs["mean"])[..., 0], 1e-3)
    np.testing.assert_allclose(array(outputs["noise_std"]), np.sqrt(2 / 255 * mean + (5 / 255) ** 2), rtol=1e-5)
    assert "strength" not in outputs


@pytest.mark.parametrize(
    "level, message",
    [
        (None, "the noise level varies and is not estimated: give noise_level .gain and read noise"),
        (5, "two numbers per image"),
        ((1, 2, 3), "two numbers per image"),
        ([(1, 2), (3, 4), (5, 6)], "3 values for 1 images"),
        ((-1, 5), "within its range"),
        ((float("nan"), 5), "within its range"),
        ((0, 0), "must be above 0, at least one of the two"),
    ],
)
def test_levels_that_are_wrong(varying, level, message):
    with pytest.raises(ValueError, match=message):
        varying.denoise(IMAGE, noise_level=level)


@pytest.mark.parametrize(
    "level, message",
    [
        (np.zeros((1, 3), "float32"), "needs 2 numbers per image"),
        (np.float32(1), "needs 2 numbers per image"),
        (np.zeros((3, 2), "float32"), "3 values for 1 images"),
    ],
)
def test_inputs_that_are_wrong(varying, level, message):
    with pytest.raises(ValueError, match=message):
        varying({"noisy": np.zeros((1, 8, 8, 1), "float32"), "noise_level": level})


def test_an_estimate_is_shared_among_tiles():
    keras.utils.set_random_seed(3)
    model = ssdn_keras.Denoiser("poisson_gauss", "per_image", channels=1)
    assert model.estimator.components == 2
    random = np.random.RandomState(0)  # an estimate that depends on the image: its last layer starts at zero
    model.estimator.set_weights(
        [w if w.any() else random.normal(0, 0.05, w.shape) for w in model.estimator.get_weights()]
    )
    noisy = np.float32(data.camera()[:96, 60:140] / 255)
    from ssdn_keras.model import tiling

    whole = model.predict_images(noisy[None, ..., None])
    assert whole["strength"].shape == (1, 1, 1, 2) and len(set(whole["strength"].ravel())) == 2
    parts = {name: np.zeros((96, 80, 1), "float32") for name in ("denoised", "std")}

    def store(rows, columns, outputs):
        for name, into in parts.items():
            into[rows, columns] = outputs[name]

    tiling.restore(model, noisy[..., None], lambda v, r, c: np.ascontiguousarray(v[r, c])[None], store, tile=32)
    for name, found in parts.items():
        np.testing.assert_allclose(found, whole[name][0], atol=2e-5)


def test_floors_and_starts():
    model = ssdn_keras.Denoiser("poisson_gauss2+5", "global", channels=1, value_range=(100, 4100))
    assert model.global_parameter.shape == (2,) and not np.any(model.global_parameter)
    at_zero = array(model.strength_of(ops.zeros((1, 1, 1, 2)))).ravel()
    np.testing.assert_allclose(at_zero, np.log1p(np.exp(-4)) + np.array([1e-6, 1e-3]), rtol=1e-5)
    for level in ((2, 5), (0.01, 500), (0.5, 4.5)):
        model.start_at(level)
        found = model.noise.level_from_estimate(array(model.strength_of(model.global_raw())))
        np.testing.assert_allclose(found, level, rtol=1e-4)
    model.start_at((2, 0))  # below what can be estimated: the smallest estimate, and a tenth
    found = model.noise.level_from_estimate(array(model.strength_of(model.global_raw())))
    np.testing.assert_allclose(found, (2, 1.1 * 4), rtol=1e-4)
    model = ssdn_keras.Denoiser("poisson_gauss", "per_image", channels=1, value_range=(100, 4100), filters=4)
    model.start_at((2, 5))
    found = model.predict_images(np.random.default_rng(0).random((2, 32, 32, 1)).astype("float32"))["strength"]
    np.testing.assert_allclose(model.noise.level_from_estimate(found), [[[[2, 5]]]] * 2, rtol=1e-4)


@pytest.mark.parametrize("format", ["saved_model", "onnx"])
def test_programs_that_take_one_number_refuse_by_name(known, tmp_path, format):
    from ssdn_keras.exporting.formats import FORMATS

    with pytest.raises(ValueError, match=f"the format {format} takes one number as noise_level, poisson_gauss"):
        FORMATS[format].write(known, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_classical_denoisers_refuse_by_name():
    with pytest.raises(ValueError, match="nlm is made for gauss and poisson noise, not for poisson_gauss"):
        ssdn_keras.ClassicalDenoiser("nlm", "poisson_gauss2+5")


# --- The commands -----------------------------------------------------------------------------------------------------


def sixteen_bits(folder, black=100, gain=8.0, read=40.0):
    """Noisy 16-bit files, black at 100."""
    random = np.random.default_rng(0)
    folder.mkdir()
    for index in range(2):
        light = 15.0 * data.camera()[100 * index : 100 * index + 48, 64:112]
        noisy = black + gain * random.poisson(light / gain) + read * random.standard_normal(light.shape)
        tifffile.imwrite(folder / f"{index}.tif", np.rint(noisy).clip(0, 65535).astype("uint16"))
    return folder


def clean_files(folder):
    folder.mkdir()
    for index in range(2):
        Image.fromarray(data.camera()[100 * index : 100 * index + 48, 64:112]).save(folder / f"{index}.png")
    return folder


SHORT = ["--channels=1", "--crop=32", "--minibatch=2", "--images=4", "--val_images=1", "--learning_rate=0.001"]


def trained(capfd, tmp_path, *arguments, expected=0):
    code, _, said = command_line.run(capfd, "train", f"--run_dir={tmp_path / 'run'}", *SHORT, *arguments)
    assert code == expected, said
    return said, None if expected else ssdn_keras.load(tmp_path / "run" / "final.keras")


def metrics(tmp_path):
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "noise, parameter",
    [("poisson_gauss0.5_4+2_10", "per_image"), ("poisson_gauss2+5-clipped", "global"), ("poisson_gauss1_2+5", "known")],
)
def test_training_from_clean_images_evaluating_and_denoising(capfd, tmp_path, noise, parameter):
    clean = clean_files(tmp_path / "clean")
    frozen = ["--freeze_noise", "--clip_noise"] if parameter == "known" else []
    said, model = trained(capfd, tmp_path, f"--train_clean={clean}", f"--noise={noise}", *frozen,
                          f"--noise_parameter={parameter}", f"--val_clean={clean}")  # fmt: skip
    assert str(model.noise) == noise
    (row,) = metrics(tmp_path)
    assert row["skipped_steps"] == "0.0" and float(row["val_psnr"]) > 0 and "noise_level" not in row
    shown = [float(row[name] or "nan") for name in ("gain", "read_noise", "val_gain", "val_read_noise")]
    if parameter == "known":
        assert np.isnan(shown).all()
    else:  # r starts at 0, where both are 0.018 and a floor
        np.testing.assert_allclose(shown, [4.63, 4.88] * 2, rtol=0.05)

    given = ["--noise_level=2+5"] if parameter == "known" else []
    arguments = [f"--model={tmp_path / 'run' / 'final.keras'}", clean, f"--output={tmp_path / 'out'}", "--std", *given]
    code, _, said = command_line.run(capfd, "denoise", *arguments)
    assert code == 0, said
    image = np.array(Image.open(clean / "0.png"))
    expected = model.denoise(image, noise_level=(2, 5) if given else None)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out" / "0.png")), expected)

    code, out, said = command_line.run(
        capfd, "evaluate", f"--model={tmp_path / 'run' / 'final.keras'}", f"--data=mine:{clean}", "--limit=1"
    )
    assert code == 0, said
    record = json.loads((tmp_path / "run" / "evaluation" / "results.json").read_text())
    row = record["rows"][0]
    low, high = model.noise.levels
    assert low[0] - 1e-5 <= row["gain"] <= high[0] + 1e-5 and low[1] - 1e-5 <= row["read_noise"] <= high[1] + 1e-5
    if parameter == "known":
        assert "estimated_gain" not in row
    else:
        assert row["estimated_gain"] == pytest.approx(4.63, rel=0.05)
        assert record["sets"]["mine"]["estimated_read_noise"] == pytest.approx(4.88, rel=0.05)
        assert re.search(r"mine: estimated gain \d\.\d+, read noise \d\.\d+ .*, added ", out) and noise in out


def test_training_from_noisy_sixteen_bit_files(capfd, tmp_path):
    noisy = sixteen_bits(tmp_path / "noisy")
    arguments = [f"--train_noisy={noisy}", "--value_range=100,4100", "--noise=poisson_gauss8+40"]
    said, model = trained(capfd, tmp_path, *arguments)
    assert "black level" not in said and model.value_range == (100, 4100)
    image = tifffile.imread(noisy / "0.tif")
    np.testing.assert_array_equal(model.denoise(image), model.denoise(image, noise_level=(8, 40)))
    code, _, said = command_line.run(
        capfd, "diagnose", noisy, f"--model={tmp_path / 'run' / 'final.keras'}", "--noise_level=8+40",
        f"--output={tmp_path / 'page'}",
    )  # fmt: skip
    assert code == 0, said

    # A constant that is learnt from images that nobody added noise to starts where the name says.
    run = f"--run_dir={tmp_path / 'two'}"
    trained(capfd, tmp_path, *arguments, "--noise_parameter=global", run)
    model = ssdn_keras.load(tmp_path / "two" / "final.keras")
    found = model.noise.level_from_estimate(array(model.strength_of(model.global_raw())))
    np.testing.assert_allclose(found, (8, 40), rtol=0.01)
    assert np.any(found != (8, 40))  # it moves
    # Started again it goes on, and does not start anew.
    np.testing.assert_array_equal(_again(capfd, tmp_path, *arguments, "--noise_parameter=global", run), found)


def _again(capfd, tmp_path, *arguments):
    trained(capfd, tmp_path, *arguments)
    model = ssdn_keras.load(tmp_path / "two" / "final.keras")
    return model.noise.level_from_estimate(array(model.strength_of(model.global_raw())))


def test_eight_bit_files_are_taken_for_clipped(capfd, tmp_path):
    noisy = tmp_path / "noisy"
    noisy.mkdir()
    image = parse_noise("poisson_gauss2+20-clipped").model.corrupt(
        np.float32(data.camera()[:64, :64, None] / 255), np.float32([2 / 255, 20 / 255]), NumpyRandom(0)
    )
    Image.fromarray(np.uint8(np.rint(image[..., 0] * 255))).save(noisy / "0.png")
    said, model = trained(capfd, tmp_path, f"--train_noisy={noisy}", "--noise=poisson_gauss",
                          "--noise_parameter=per_image")  # fmt: skip
    assert "were clipped at 0 and 255" in said and str(model.noise) == "poisson_gauss-clipped"
    assert model.clipped == (0, 255)


@pytest.mark.parametrize(
    "noise, value_range, warned",
    [
        ("poisson_gauss8+40", (0, 65535), True),
        ("poisson500", (0, 65535), True),
        ("poisson500-clipped", None, True),
        ("poisson_gauss8+40", (1000, 5000), False),
        ("gauss40", (0, 65535), False),
    ],
)
def test_a_black_level_above_zero_is_asked_for(capfd, tmp_path, noise, value_range, warned):
    source = open_source(sixteen_bits(tmp_path / "noisy", black=1000), 1)
    capfd.readouterr()
    black_level.check(source, value_range, parse_noise(noise, 65535.0))
    said = capfd.readouterr().err
    assert said.startswith("the darkest values of the images are about 1") if warned else not said
    assert ("give it as LOW of --value_range=LOW,HIGH" in said) == warned


def test_dark_images_ask_for_no_black_level(capfd, tmp_path):
    source = open_source([np.uint8(np.arange(64)[:, None] * np.ones((1, 64)))[..., None]], 1)
    black_level.check(source, None, parse_noise("poisson30"))
    assert not capfd.readouterr().err


def test_training_asks_for_a_black_level(capfd, tmp_path):
    noisy = sixteen_bits(tmp_path / "noisy", black=1000)
    said, _ = trained(capfd, tmp_path, f"--train_noisy={noisy}", "--noise=poisson_gauss8+40", "--value_range=dtype",
                      "--images=2")  # fmt: skip
    assert "and poisson_gauss noise is taken to start at 0" in said


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--train_clean=x --noise=poisson_gauss", "give a level to add, such as poisson_gauss2+5"),
        ("--train_noisy=x --noise=poisson_gauss0.5_4+2", "name one level, such as poisson_gauss2+5, or use"),
        ("--train_noisy=x --noise=poisson_gauss7", "2 numbers joined by + (gain, read noise)"),
        (
            "--train_noisy=x --noise=poisson_gauss0+0",
            "the level (gain and read noise in the units of the images) must be above 0, at least one of the two",
        ),
        (
            "--train_noisy=x --noise=poisson_gauss0+0 --value_range=0,4095",
            "(gain and read noise in the units of the images (0..4095)) must be above 0",
        ),
    ],
)
def test_command_lines_of_train_that_are_wrong(capfd, tmp_path, arguments, message):
    command_line.fails(capfd, 2, message, "train", *arguments.split(), f"--run_dir={tmp_path / 'run'}")


def test_command_lines_of_denoise_and_evaluate_that_are_wrong(capfd, tmp_path, varying):
    clean = clean_files(tmp_path / "clean")
    varying.save(tmp_path / "x.keras")
    shared = [f"--model={tmp_path / 'x.keras'}", clean, f"--output={tmp_path / 'out'}"]
    for level, message in (
        (None, "needs --noise_level (gain and read noise"),
        ("5", "two numbers per image"),
        ("0+0", "above 0, at least one of the two"),
        ("2+x", "noise_level"),
        ("2+-5", "noise_level"),
    ):
        given = [] if level is None else [f"--noise_level={level}"]
        command_line.fails(capfd, 2, message, "denoise", *shared, *given)
    arguments = [f"--model={tmp_path / 'x.keras'}", f"--data={clean}", f"--output={tmp_path / 'out'}"]
    command_line.fails(capfd, 2, "the model was made for poisson_gauss", "evaluate", *arguments, "--noise=poisson30")
    unknown = ssdn_keras.Denoiser("poisson_gauss", "global", channels=1)
    unknown.save(tmp_path / "x.keras")
    command_line.fails(capfd, 2, "give --noise with a level, such as poisson_gauss2+5", "evaluate", *arguments)


def test_saved_and_loaded(tmp_path):
    for noise, parameter, clipped in (
        ("poisson_gauss0.5_4+2_10", "per_image", None),
        ("poisson_gauss8+40", "global", (64, 4000)),
        ("poisson_gauss", "global", None),
    ):
        model = ssdn_keras.Denoiser(noise, parameter, channels=1, value_range=(64, 4095), clipped=clipped)
        model.save(tmp_path / "x.keras")
        again = ssdn_keras.load(tmp_path / "x.keras")
        assert again.noise == model.noise and again.get_config() == model.get_config()
        for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
