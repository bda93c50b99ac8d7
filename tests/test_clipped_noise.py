"""The likelihood and posterior of clipped, rounded noise, against integration, sampling, and finite differences."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image
from scipy import integrate, special, stats
from skimage import data

import ssdn_keras
from ssdn_keras.data import measured_clipping
from ssdn_keras.noise import clipping, intervals, parse_noise, tails
from ssdn_keras.noise.sampling import NumpyRandom
from tests import command_line
from tests.gradients import input_gradient

LIMITS = clipping.ClippedRange()


def array(value):
    return ops.convert_to_numpy(value).astype("float64")


def tensor(value):
    return ops.convert_to_tensor(np.asarray(value, "float32"))


def pixels(*values):
    """Numbers per pixel and channel as 1×1×pixels×C tensors."""
    return [tensor(np.asarray(value, "float32")[None, None]) for value in values]


def upper(covariances):
    """Upper-triangular factors U, with U Uᵀ the given matrices."""
    flipped = np.linalg.cholesky(covariances[..., ::-1, ::-1])
    return flipped[..., ::-1, ::-1]


def columns_of(factor):
    """Upper-triangular factors, pixels×C×C, as the columns that the noise models get: (j + 1)×1×1×pixels."""
    return [tensor(factor[:, : j + 1, j].T[:, None, None]) for j in range(factor.shape[-1])]


def filtered(observed, mean, factor, std, limits=LIMITS):
    """`filter_pixel` for pixels×C arrays and pixels×C×C upper factors, in float64 arrays: mean, std, loss."""
    observed, mean, std = pixels(observed, mean, std)
    found = clipping.filter_pixel(observed, mean, columns_of(factor), std, limits)
    return tuple(array(each)[0, 0] for each in found)


POINTS = np.concatenate([np.linspace(-30, 30, 2401), [0.0, 100.0, 1000.0, -100.0, -1000.0]]).astype("float32")


def test_tail():
    expected = special.log_ndtr(-POINTS.astype("float64"))
    np.testing.assert_allclose(array(tails.log_tail(tensor(POINTS))), expected, rtol=1e-6, atol=4e-7)


def test_hazard_excess():
    x = POINTS.astype("float64")
    hazard = np.exp(stats.norm.logpdf(x) - special.log_ndtr(-x))
    near = x < 30  # beyond, float64 loses the difference; the continued fraction does not
    found = array(tails.hazard_excess(tensor(POINTS)))
    np.testing.assert_allclose(found[near], (hazard - x)[near], rtol=3e-6)
    far = x[x >= 30]
    np.testing.assert_allclose(found[x >= 30], 1 / (far + 2 / (far + 3 / far)), rtol=3e-6)


@pytest.mark.parametrize("function", [tails.log_tail, tails.hazard_excess])
def test_gradients_of_tails(function):
    x = np.concatenate([np.linspace(-12, 12, 97), [50.0, 500.0, -500.0]]) + 0.01
    found = input_gradient(lambda value: ops.sum(function(value)), x.astype("float32"))
    hazard = np.exp(stats.norm.logpdf(x) - special.log_ndtr(-x))
    expected = -hazard if function is tails.log_tail else hazard * (hazard - x) - 1
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def truncated(low, high):
    """log Z, −E[z]·…, Var of a standard normal in [low, high], by integration in float64."""
    middle = np.clip(0.0, low, high)
    log_scale = stats.norm.logpdf(middle)
    moments = [
        integrate.quad(lambda z, k=k: z**k * np.exp(stats.norm.logpdf(z) - log_scale), low, high, epsrel=1e-12)[0]
        for k in range(3)
    ]
    mean = moments[1] / moments[0]
    return np.log(moments[0]) + log_scale, mean, moments[2] / moments[0] - mean**2


@pytest.mark.parametrize("width", [1e-3, 0.03, 0.2, 1.0, 4.0])
@pytest.mark.parametrize("low", [-20.0, -5.0, -2.0, -0.5, 0.0, 0.7, 3.0, 8.0, 20.0])
def test_interval(low, width):
    found = [float(array(value)) for value in intervals.between(tensor(low), tensor(low + width))]
    low, high = float(np.float32(low)), float(np.float32(low + width))
    log_z, mean, variance = truncated(low, high)
    assert found[0] == pytest.approx(log_z, rel=1e-4, abs=2e-4)
    assert found[1] == pytest.approx(mean, rel=2e-4, abs=1e-5)
    assert found[2] == pytest.approx(variance, rel=2e-2, abs=1e-5)


@pytest.mark.parametrize("bound", [-30.0, -3.0, 0.0, 2.0, 10.0, 100.0])
def test_half_line(bound):
    log_z, mean, variance = truncated(bound, bound + 40 / max(1.0, bound))
    found = [float(array(value)) for value in intervals.above(tensor(bound))]
    assert found[0] == pytest.approx(log_z, rel=1e-5, abs=1e-5)
    assert found[1] == pytest.approx(mean, rel=1e-5, abs=1e-5)
    assert found[2] == pytest.approx(variance, rel=2e-2, abs=1e-5)


def by_integration(observed, mean, prior, noise, limits):
    """(log evidence, a density for inner values; mean; variance) of one channel, by integration over clean values."""
    low, high, step = limits.low, limits.high, limits.step
    if observed <= low:
        ends = -np.inf, low + step / 2
    elif observed >= high:
        ends = high - step / 2, np.inf
    else:
        ends = observed - step / 2, observed + step / 2

    def log_likelihood(x):
        a, b = (ends[0] - x) / noise, (ends[1] - x) / noise
        if np.isinf(ends[0]):
            return special.log_ndtr(b)
        if np.isinf(ends[1]):
            return special.log_ndtr(-a)
        sign = np.where(a + b > 0, -1.0, 1.0)  # in the lower tail, where differences keep their digits
        upper, lower = (
            special.log_ndtr(np.maximum(sign * a, sign * b)),
            special.log_ndtr(np.minimum(sign * a, sign * b)),
        )
        return upper + np.log1p(-np.exp(lower - upper)) - np.log(step)

    width = 14 * (prior + noise)
    x = np.linspace(min(mean, observed) - width, max(mean, observed) + width, 60_001)
    log_joint = stats.norm.logpdf(x, mean, prior) + log_likelihood(x)
    top = log_joint.max()
    weight = np.exp(log_joint - top)
    total = integrate.trapezoid(weight, x)
    first = integrate.trapezoid(weight * x, x) / total
    second = integrate.trapezoid(weight * (x - first) ** 2, x) / total
    return top + np.log(total), first, second


CASES = [
    (y, m, prior, noise)
    for y in (0.0, 1.0, 0.5, 3 / 255)
    for m in (-0.2, 0.02, 0.5, 0.97, 1.4)
    for prior in (0.01, 0.1, 0.7)
    for noise in (0.004, 0.1, 0.3)
]


@pytest.mark.parametrize("step", [1 / 255, 1 / 15])
def test_one_channel_is_exact(step):
    limits = clipping.ClippedRange(step=step)
    cases = [case for case in CASES if case[0] in (0.0, 1.0) or step < 0.01] + [(6 * step, 0.45, 0.2, 0.02)]
    # Fine steps inside the range are noise of variance step²/12, which is not meant for surprises of many deviations.
    cases = [case for case in cases if case[0] in (0.0, 1.0) or abs(case[0] - case[1]) < 6 * np.hypot(*case[2:])]
    y, m, prior, noise = (np.array(column)[:, None] for column in zip(*cases, strict=True))
    mean, std, loss = filtered(y, m, prior[..., None], noise, limits)
    for i, case in enumerate(cases):
        log_z, expected_mean, expected_variance = by_integration(*case, limits)
        scale = np.sqrt(expected_variance)
        assert mean[i, 0] == pytest.approx(expected_mean, abs=2e-3 * scale + 2e-6), case
        assert std[i, 0] == pytest.approx(scale, rel=5e-3), case
        assert -loss[i] - tails.LOG_SQRT_2PI == pytest.approx(log_z, rel=2e-4, abs=2e-3), case


def random_priors(count, channels, seed):
    random = np.random.default_rng(seed)
    mean = random.uniform(-0.1, 1.1, (count, channels))
    factor = random.normal(0, 0.08, (count, channels, channels)) + 0.03 * np.eye(channels)
    return mean, factor, random


def test_nothing_clipped_is_the_plain_model():
    mean, factor, random = random_priors(200, 3, 1)
    factor = np.triu(factor, 1) + 0.06 * np.eye(3)  # far from singular: the plain posterior adds a variance of 1e-6
    observed = random.uniform(0.05, 0.95, (200, 3))
    (y, m), columns = pixels(observed, mean), columns_of(factor)
    plain, clipped = parse_noise("gauss25").model, parse_noise("gauss25-clipped").model
    std = tensor(np.full((1, 1, 1, 1), 25 / 255))
    for estimated in (False, True):
        np.testing.assert_allclose(
            array(clipped.loss_per_pixel(y, m, columns, std, estimated)),
            array(plain.loss_per_pixel(y, m, columns, std, estimated)),
            rtol=2e-3, atol=2e-3,
        )  # fmt: skip
    ours, theirs = (model.posterior(y, m, columns, std) for model in (clipped, plain))
    for name in theirs:
        np.testing.assert_allclose(array(ours[name]), array(theirs[name]), rtol=2e-3, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("pattern", list(itertools.product((0.0, 0.45, 1.0), repeat=3)))
def test_three_channels_against_sampling(pattern):
    """Importance sampling from the prior; the clipping pattern is given, the prior is one under which it is likely."""
    random = np.random.default_rng(7)
    noise = 25 / 255
    y = np.array(pattern)
    mean = np.where(y == 0, 0.03, np.where(y == 1, 0.95, 0.5)) + random.normal(0, 0.02, 3)
    factor = np.linalg.cholesky(0.07**2 * (0.4 * np.eye(3) + 0.6))
    x = mean + random.standard_normal((200_000, 3)) @ factor.T
    half = LIMITS.step / 2
    low = special.log_ndtr((half - x) / noise)
    high = special.log_ndtr((x - 1 + half) / noise)
    log_weight = np.where(y == 0, low, np.where(y == 1, high, stats.norm.logpdf(y, x, noise))).sum(axis=-1)
    weight = np.exp(log_weight)
    expected = weight @ x / weight.sum()
    spread = np.sqrt(weight @ (x - expected) ** 2 / weight.sum())
    found, std, loss = filtered(y[None], mean[None], upper(factor @ factor.T)[None], np.full((1, 3), noise))
    np.testing.assert_allclose(255 * found[0], 255 * expected, atol=0.35)
    np.testing.assert_allclose(std[0], spread, rtol=0.02)
    assert -loss[0] - 3 * tails.LOG_SQRT_2PI == pytest.approx(np.log(weight.mean()), abs=0.015)


@pytest.mark.parametrize("name", ["gauss-clipped", "poisson-clipped"])
def test_gradients_are_those_of_finite_differences(name):
    model = parse_noise(name).model
    mean, factor, random = random_priors(60, 3, 3)
    observed = np.clip(mean + random.normal(0, 0.2, mean.shape), 0, 1)
    assert (observed == 0).any() and (observed == 1).any()
    strength = 0.1 if name.startswith("gauss") else 1 / 30
    parts = np.concatenate([mean, factor.reshape(60, 9), np.full((60, 1), strength)], axis=-1).astype("float32")
    y = tensor(observed[None, None])

    def loss(parts):
        parts = ops.reshape(parts, (1, 1, 60, 13))
        columns = [ops.stack([parts[..., 3 + 3 * i + j] for i in range(j + 1)]) for j in range(3)]
        return ops.mean(model.loss_per_pixel(y, parts[..., :3], columns, parts[..., 12:], True))

    found = input_gradient(loss, parts)
    random = np.random.default_rng(5)
    for _ in range(6):
        direction = random.standard_normal(parts.shape).astype("float32")
        direction[:, 12] *= strength
        step = 2e-3
        slope = (
            (array(loss(tensor(parts + step * direction))) - array(loss(tensor(parts - step * direction)))) / 2 / step
        )
        assert np.sum(found * direction) == pytest.approx(slope, rel=1e-2, abs=2e-2)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_extremes_are_finite(channels):
    values = list(
        itertools.product((0.0, 1.0, 0.5), (-100.0, 0.0, 0.5, 100.0), (0.0, 1e-4, 1.0, 100.0), (1e-3, 0.1, 10.0))
    )
    y, m, prior, noise = (
        np.repeat(np.array(column)[:, None], channels, axis=1) for column in zip(*values, strict=True)
    )
    factor = prior[..., None] * np.triu(np.ones((channels, channels)))
    assert all(np.isfinite(each).all() for each in filtered(y, m, factor, noise))
    parts = np.concatenate([m, factor.reshape(len(values), -1), noise[:, :1]], axis=-1).astype("float32")
    model = parse_noise("gauss-clipped").model
    observed = tensor(y[None, None])

    def total(parts):
        parts = ops.reshape(parts, (1, 1, len(values), -1))
        columns = [ops.stack([parts[..., channels * (1 + i) + j] for i in range(j + 1)]) for j in range(channels)]
        return ops.sum(model.loss_per_pixel(observed, parts[..., :channels], columns, parts[..., -1:], True))

    assert np.isfinite(input_gradient(total, parts)).all()


def test_files_are_clipped_and_rounded():
    clean = np.float32(np.random.default_rng(0).random((64, 64, 3)))
    noisy = parse_noise("gauss50-clipped").model.corrupt(clean, np.float32(50 / 255), NumpyRandom(1))
    assert noisy.min() == 0 and noisy.max() == 1
    np.testing.assert_allclose(noisy * 255, np.rint(noisy * 255), atol=1e-4)
    low, high = LIMITS.at_ends(tensor(noisy))
    np.testing.assert_array_equal(ops.convert_to_numpy(low), noisy == 0)
    np.testing.assert_array_equal(ops.convert_to_numpy(high), noisy == 1)


def test_names():
    for text in ("gauss25-clipped", "gauss5_50-clipped", "poisson30-clipped", "gauss-clipped"):
        assert str(parse_noise(text)) == text
    assert parse_noise("gauss25").clipped == parse_noise("gauss25-clipped") == parse_noise("gauss25-clipped").clipped
    with pytest.raises(ValueError, match="impulse noise has no model of clipped values"):
        parse_noise("impulse50-clipped")
    with pytest.raises(ValueError, match="above 0"):
        parse_noise("poisson0-clipped")


def test_impossible_range():
    with pytest.raises(ValueError, match="low < high"):
        clipping.ClippedRange(1.0, 0.0)


def test_a_model_trains_is_saved_and_denoises(tmp_path):
    keras.utils.set_random_seed(0)
    model = ssdn_keras.Denoiser("gauss25", "per_image", channels=1, clipped=True)
    assert str(model.noise) == "gauss25-clipped"
    crops = ssdn_keras.data.training_crops([data.camera()], "gauss25-clipped", crop=32, channels=1, count=16)
    inputs, _ = next(iter(crops))
    noisy = np.array(inputs["noisy"]) * 255
    np.testing.assert_allclose(noisy, np.rint(noisy), atol=1e-3)
    assert noisy.min() == 0 and noisy.max() <= 255
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit(crops, verbose=0).history
    assert np.isfinite(history["loss"]).all() and history["skipped_steps"] == [0]
    model.save(tmp_path / "x.keras")
    again = ssdn_keras.load(tmp_path / "x.keras")
    assert again.noise == model.noise
    image = np.uint8(noisy[0, ..., 0])
    np.testing.assert_array_equal(again.denoise(image), model.denoise(image))


def test_posterior_mean_of_white_may_lie_above_it():
    """A value at the end is a bound: the prior, not 255, decides how far beyond the clean value may lie."""
    model = parse_noise("gauss25-clipped").model
    y, m, column = pixels([[1.0]], [[1.1]], [[0.05]])
    outputs = model.posterior(y, m, [column], tensor([[[[25 / 255]]]]))
    assert array(outputs["denoised"])[0, 0, 0, 0] > 1.1
    assert array(outputs["std"])[0, 0, 0, 0] == pytest.approx(0.05, rel=0.06)


def noisy_files(folder, low=0, high=255, dtype="uint8", sigma=30, count=3):
    """Clipped noisy images as files, rounded unless they are floats."""
    random = np.random.default_rng(0)
    folder.mkdir()
    for index in range(count):
        clean = np.float64(data.camera()[100 * index : 100 * index + 96, 64:160])
        noisy = low + (clean + random.normal(0, sigma, clean.shape)) * (high - low) / 255
        values = (noisy if dtype == "float32" else np.rint(noisy)).clip(low, high).astype(dtype)
        Image.fromarray(values).save(folder / f"{index}.{'png' if dtype == 'uint8' else 'tif'}")


def trained(tmp_path, capfd, *arguments, expected=0):
    """Run the training command for a step; (what it said, the model or None)."""
    arguments = [f"--train_noisy={tmp_path / 'noisy'}", f"--run_dir={tmp_path / 'run'}", "--channels=1", "--crop=32",
                 "--minibatch=2", "--images=2", *arguments]  # fmt: skip
    code, _, said = command_line.run(capfd, "train", *arguments)
    assert code == expected, said
    return said, None if expected else ssdn_keras.load(tmp_path / "run" / "final.keras")


def test_eight_bit_files_turn_it_on_by_themselves(tmp_path, capfd):
    noisy_files(tmp_path / "noisy")
    said, model = trained(tmp_path, capfd, "--noise=gauss30")
    assert "noisy values were clipped at 0 and 255 and rounded" in said and "--clipped=no if that is wrong" in said
    assert model.noise == parse_noise("gauss30-clipped") and model.clipped == (0, 255)


@pytest.mark.parametrize(
    "arguments", ["--noise=gauss30 --clipped=no", "--noise=gauss30 --algorithm=ssdn_mean", "--noise=impulse30"]
)
def test_it_stays_off(tmp_path, capfd, arguments):
    noisy_files(tmp_path / "noisy")
    said, model = trained(tmp_path, capfd, *arguments.split())
    assert "were clipped" not in said and not model.noise.is_clipped


def test_files_of_other_types_ask_for_it(tmp_path, capfd):
    noisy_files(tmp_path / "noisy", 100, 4000, "uint16")
    said, model = trained(tmp_path, capfd, "--noise=gauss450")
    assert "were clipped" not in said and not model.noise.is_clipped
    said, model = trained(tmp_path, capfd, "--noise=gauss450", "--clipped=yes", f"--run_dir={tmp_path / 'run2'}")
    # Values pile up at both ends of what occurs: that is where they were clipped, not at 0 and 65535.
    assert "noisy values were clipped at 100 and 4000" in said
    model = ssdn_keras.load(tmp_path / "run2" / "final.keras")
    assert model.clipped == (100, 4000)
    limits, (low, high) = model.noise.model.limits, model.value_range
    assert limits.low * (high - low) + low == pytest.approx(100)
    assert limits.high * (high - low) + low == pytest.approx(4000)
    assert limits.step * (high - low) == pytest.approx(1)


def test_a_black_level_above_zero_is_found_and_told(tmp_path, capfd):
    noisy_files(tmp_path / "noisy", 16, 235)
    said, model = trained(tmp_path, capfd, "--noise=gauss26")
    assert "noisy values were clipped at 16 and 235" in said and model.clipped == (16, 235)


def test_values_beyond_the_limits(tmp_path, capfd):
    noisy_files(tmp_path / "noisy")
    said, _ = trained(tmp_path, capfd, "--noise=gauss30", "--clipped=16,235", expected=1)
    assert "said to be clipped to 16 … 235, but have values from 0 to 255" in said


def test_images_that_are_clipped_everywhere(tmp_path, capfd):
    noisy_files(tmp_path / "noisy", sigma=20_000)
    said, _ = trained(tmp_path, capfd, "--noise=gauss200", expected=1)
    assert "% of the values of the images are clipped" in said


@pytest.mark.parametrize("text", ["maybe", "200,100", "1", "a,b", "0,inf"])
def test_flag_that_is_none(tmp_path, capfd, text):
    noisy_files(tmp_path / "noisy", count=1)
    said, _ = trained(tmp_path, capfd, f"--clipped={text}", expected=2)
    assert "expected auto, yes, no, or two file values LOW,HIGH" in said


@pytest.mark.parametrize("images", ["--train_noisy=x", "--train_clean=x"])
def test_clipped_noise_that_was_not_clipped(capfd, images):
    arguments = [images, "--run_dir=r", "--noise=gauss400-clipped", "--clipped=no"]
    command_line.fails(capfd, 2, "--noise=gauss400-clipped and --clipped=no contradict each other", "train", *arguments)
    with pytest.raises(ValueError, match="contradict each other: leave -clipped or --clipped=no out"):
        measured_clipping.resolve("no", None, parse_noise("gauss25-clipped"), True, True)


@pytest.mark.parametrize("arguments, message", [
    ("--noise=gauss30 --algorithm=n2v --clipped=yes", "--clipped=yes goes with --algorithm=ssdn"),
    ("--noise=gauss30 --algorithm=ssdn_mean --clipped=0,255", "--clipped=0,255 goes with --algorithm=ssdn"),
    ("--noise=impulse30 --clipped=yes", "--clipped=yes: impulse noise has no model of clipped values; leave it out"),
])  # fmt: skip
def test_clipping_that_no_likelihood_can_know(capfd, arguments, message):
    command_line.fails(capfd, 2, message, "train", "--train_noisy=x", "--run_dir=r", *arguments.split())


def test_a_name_without_a_likelihood_says_nothing(capfd):
    noise, eight = parse_noise("gauss30-clipped"), OneImage(np.uint8(np.eye(64)[..., None]))
    assert measured_clipping.resolve("auto", eight, noise, True, False) is None
    with pytest.raises(ValueError, match="hold float32: give 8-bit images, or leave -clipped out"):
        measured_clipping.resolve("auto", float_source(0, 1), noise, True, False)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("noise, message", [
    ("--noise=gauss400-clipped", "--noise=gauss400-clipped stands for values that were clipped and rounded to 8 bits"),
    ("--noise=gauss400 --clip_noise", "hold uint16: give 8-bit images, or leave --clip_noise out"),
])  # fmt: skip
def test_clipped_noise_is_added_to_eight_bits_only(tmp_path, capfd, noise, message):
    noisy_files(tmp_path / "clean", 0, 4000, "uint16", sigma=0)
    command_line.fails(capfd, 1, message, "train", f"--train_clean={tmp_path / 'clean'}", f"--run_dir={tmp_path / 'r'}",
                       "--channels=1", "--crop=32", "--filters=8", "--images=2", *noise.split())  # fmt: skip


@pytest.mark.parametrize("noise, part", [("--noise=gauss9-clipped", "-clipped"), ("--clip_noise", "--clip_noise")])
@pytest.mark.parametrize("value_range, ends", [("10,200", "10 to 200"), ("0,254", "0 to 254"), ("percentiles", "")])
def test_clipped_noise_is_added_in_the_range_of_eight_bits_only(tmp_path, capfd, noise, part, value_range, ends):
    noisy_files(tmp_path / "clean", 0, 200, sigma=0)
    message = f"{noise} stands for values of 0 to 255, and the value range is {ends}"
    arguments = [f"--train_clean={tmp_path / 'clean'}", f"--run_dir={tmp_path / 'r'}", "--channels=1", "--crop=32",
                 "--images=2", "--noise=gauss9", noise, f"--value_range={value_range}"]  # fmt: skip
    command_line.fails(capfd, 1, message, "train", *arguments)
    command_line.fails(capfd, 1, f": leave --value_range out, or leave {part} out", "train", *arguments)
    assert not (tmp_path / "r" / "run.json").exists()


@pytest.mark.parametrize("arguments", [
    "--train_clean --noise=gauss9-clipped --value_range=0,255", "--train_clean --clip_noise --value_range=dtype",
    # Nothing is made of noisy images: their values are those of 8-bit files whatever becomes 0 and 1.
    "--train_noisy --noise=gauss9-clipped --value_range=10,200",
])  # fmt: skip
def test_clipped_noise_in_ranges_that_it_can_have(tmp_path, capfd, arguments):
    images, *others = arguments.split()
    noisy_files(tmp_path / "images")
    code, _, said = command_line.run(
        capfd, "train", f"{images}={tmp_path / 'images'}", f"--run_dir={tmp_path / 'r'}", "--channels=1", "--crop=32",
        "--filters=8", "--minibatch=2", "--images=2", "--noise=gauss9", *others,
    )  # fmt: skip
    assert code == 0, said


class OneImage:
    """A source of one image, of any type."""

    def __init__(self, image):
        self.dtypes, self.image = {image.dtype.name}, lambda _: image

    def __len__(self):
        return 1


def float_source(low, high, dtype="float32"):
    """An image of floats, clipped to low … high and not rounded."""
    random = np.random.default_rng(0)
    clean = (np.float64(data.camera()[:96, 64:160]) / 255 + random.normal(0, 0.3, (96, 96))).clip(0, 1)
    return OneImage((low + (high - low) * clean).astype(dtype)[..., None])


@pytest.mark.parametrize("clipped, noise", [("yes", "gauss0.3"), ("0,1", "gauss0.3"), ("auto", "gauss0.3-clipped")])
def test_floats_were_clipped_and_not_rounded(capfd, clipped, noise):
    found = measured_clipping.resolve(clipped, float_source(0, 1), parse_noise(noise, 1.0), True, True)
    assert found == (0.0, 1.0, 0.0)
    said = capfd.readouterr().err
    assert (said == "") == (clipped == "0,1") and "rounded" not in said
    model = ssdn_keras.Denoiser(noise, channels=1, value_range=(0.1, 0.9), clipped=found, filters=8)
    limits = model.noise.model.limits
    assert limits.step == 0 and (limits.low, limits.high) == (pytest.approx(-0.125), pytest.approx(1.125))


@pytest.mark.parametrize("low, high", [(0, 2), (-100, 4095), (0.1, 0.7)])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_ends_of_floats_are_those_of_the_file(low, high, dtype):
    for clipped in ("yes", f"{low},{high}"):
        found = measured_clipping.resolve(clipped, float_source(low, high, dtype), parse_noise("gauss1"), True, True)
        assert found == (float(np.dtype(dtype).type(low)), float(np.dtype(dtype).type(high)), 0.0)


def test_a_model_of_clipped_floats_is_saved_and_brought_back(tmp_path):
    model = ssdn_keras.Denoiser("gauss0.3", channels=1, value_range=(0, 1), clipped=(0, 1, 0), filters=8)
    assert model.clipped == (0, 1, 0) and model.noise.model.limits == clipping.ClippedRange(0.0, 1.0, 0.0)
    model.save(tmp_path / "x.keras")
    for again in (ssdn_keras.load(tmp_path / "x.keras"), ssdn_keras.Denoiser.from_config(model.get_config())):
        assert again.noise == model.noise and again.get_config() == model.get_config()
    noisy = parse_noise("gauss0.3").model.corrupt(np.full((1, 32, 32, 1), 0.9, "float32"), 0.3, NumpyRandom(0))
    denoised = model.denoise(noisy.clip(0, 1))
    assert np.isfinite(denoised).all()
    drawn = model.noise.model.corrupt(np.full((1, 32, 32, 1), 0.9, "float32"), 0.3, NumpyRandom(0))
    np.testing.assert_array_equal(drawn, noisy.clip(0, 1))


def test_a_step_of_1_is_what_older_files_mean_by_none():
    old, new = (ssdn_keras.Denoiser("gauss25", channels=1, clipped=clipped, filters=8)
                for clipped in ([16, 235], (16, 235, 1)))  # fmt: skip
    assert old.noise == new.noise and old.get_config()["clipped"] == new.get_config()["clipped"] == [16, 235]
    assert old.noise.model.limits.step == pytest.approx(1 / 255)


@pytest.mark.parametrize("clipped, message", [
    ((0, 1), r"nothing between 0 and 1 in steps of 1; for values that were not rounded give \(0, 1, 0\)"),
    ((1, 0, 0), "the lower one first"), ((0, 1, -1), "the lower one first, and a step"), ((0, np.inf), "finite"),
    ((0, 1, 0, 0), r"pair \(low, high\), or \(low, high, step\)"), ("auto", "pair"), (7, "pair"),
])  # fmt: skip
def test_clipping_that_is_none(clipped, message):
    with pytest.raises(ValueError, match=message):
        ssdn_keras.Denoiser("gauss25", channels=1, clipped=clipped, filters=8)


def test_training_on_clipped_floats(tmp_path, capfd):
    noisy_files(tmp_path / "noisy", 0, 1, "float32", sigma=80)
    said, model = trained(tmp_path, capfd, "--noise=gauss0.3-clipped", "--value_range=dtype", "--filters=8")
    assert "noisy values were clipped at 0 and 1: the likelihood knows it" in said
    assert model.clipped == (0, 1, 0) and model.noise.model.limits == clipping.ClippedRange(0.0, 1.0, 0.0)


@pytest.mark.parametrize("dtype, low", [("int16", -32768), ("int8", -128), ("uint16", 0), ("float32", 0)])
def test_ends_of_a_type(capfd, dtype, low):
    values = np.linspace(-0.9 if low else 0.1, 0.9, 64 * 64).reshape(64, 64, 1)
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    found = measured_clipping.resolve("yes", OneImage((values * top).astype(dtype)), parse_noise("gauss25"), True, True)
    assert found[:2] == (low, top)
    assert f"were clipped at {low:g} and {top:g}" in capfd.readouterr().err


def test_it_is_not_said_before_it_is_known(capfd):
    # No value piles up at an end.
    source = OneImage(np.linspace(1, 6, 64 * 64, dtype="float32").reshape(64, 64, 1))
    with pytest.raises(ValueError, match="said to be clipped to 0 … 1, but have values from 1 to 6: give --clipped="):
        measured_clipping.resolve("yes", source, parse_noise("gauss1"), True, True)
    assert "likelihood" not in capfd.readouterr().err
