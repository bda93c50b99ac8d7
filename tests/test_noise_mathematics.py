"""Noise models against numerical integration and against plain matrix algebra in float64.

The reference below forms and inverts the covariance matrices with general routines, with the constants of the original
program; the package never forms them. All inputs are float32 numbers, so both sides compute from the same values.
"""

import keras
import numpy as np
import pytest
from keras import ops

from ssdn_keras.noise import NOISE_MODELS, parse_noise
from ssdn_keras.noise.covariance import component_count, split_components
from ssdn_keras.noise.levels import CLIPPED
from ssdn_keras.noise.parameters import shape_of
from ssdn_keras.noise.sampling import NumpyRandom, StatelessRandom, draw_parameter

# --- Reference: float64, general inverses and determinants ------------------------------------------------------------

OFFSET = 1e-6
FLOOR = 1e-9


def reference_split(outputs, channels, diagonal):
    """Means (...×C) and matrices U (...×C×C), the upper triangle filled row by row."""
    outputs = np.asarray(outputs, np.float64)
    factor = np.zeros(outputs.shape[:-1] + (channels, channels))
    rows, columns = np.diag_indices(channels) if diagonal else np.triu_indices(channels)
    factor[..., rows, columns] = outputs[..., channels:]
    return outputs[..., :channels], factor


def times(matrix, vector):
    return np.einsum("...ij,...j->...i", matrix, vector)


def quadratic(vector, matrix):
    return np.einsum("...i,...ij,...j->...", vector, np.linalg.inv(matrix), vector)


def transposed(matrix):
    return np.swapaxes(matrix, -1, -2)


def as_diagonal(values):
    return values[..., None] * np.eye(values.shape[-1])


def reference_noise_std(name, mean, strength):
    """Standard deviation of the additive noise, per channel."""
    if name == "poisson":
        return np.sqrt(np.maximum(mean, 1e-3) * strength)
    return np.broadcast_to(strength, mean.shape)


def reference_moments(mean, factor, alpha):
    """Mean and covariance of a pixel with impulse noise."""
    channels = mean.shape[-1]
    prior = factor @ transposed(factor) + OFFSET * np.eye(channels)
    moment = alpha / 2 + (1 - alpha) * mean
    alpha = np.broadcast_to(alpha, mean.shape)[..., :1, None]
    second = alpha * (0.25 + np.eye(channels) / 12) + (1 - alpha) * (prior + mean[..., :, None] * mean[..., None, :])
    return moment, second - moment[..., :, None] * moment[..., None, :]


def reference_loss(name, outputs, observed, strength, diagonal, estimated):
    observed, strength = np.asarray(observed, np.float64), np.asarray(strength, np.float64)
    channels = observed.shape[-1]
    mean, factor = reference_split(outputs, channels, diagonal)
    if name == "impulse":
        moment, total = reference_moments(mean, factor, np.clip(strength, 0, 1))
        return quadratic(observed - moment, total) + np.log(np.maximum(np.linalg.det(total), FLOOR))
    noise_std = reference_noise_std(name, mean, strength)
    total = factor @ transposed(factor) + as_diagonal(noise_std**2)
    loss = quadratic(observed - mean, total) + np.linalg.slogdet(total)[1]
    loss = loss if channels == 1 else loss / 2
    return loss - 0.1 * noise_std.mean(-1) if estimated else loss


def reference_posterior(name, outputs, observed, strength, diagonal):
    observed, strength = np.asarray(observed, np.float64), np.asarray(strength, np.float64)
    channels = observed.shape[-1]
    mean, factor = reference_split(outputs, channels, diagonal)
    covariance = factor @ transposed(factor)
    identity = np.eye(channels)
    if name == "impulse":
        return reference_impulse_posterior(observed, mean, covariance + OFFSET * identity, np.clip(strength, 0, 1))
    noise_std = reference_noise_std(name, mean, strength)
    if channels == 1:
        prior, noise = covariance[..., 0], noise_std**2
        denoised, variance = (observed * prior + mean * noise) / (prior + noise), prior * noise / (prior + noise)
    else:
        prior = np.linalg.inv(covariance + OFFSET * identity)
        precision = as_diagonal(1 / (noise_std**2 + OFFSET))
        posterior = np.linalg.inv(prior + precision + OFFSET * identity)
        denoised = times(posterior, times(prior, mean) + times(precision, observed))
        variance = np.diagonal(posterior, axis1=-2, axis2=-1)
    return {
        "denoised": denoised,
        "std": np.sqrt(variance),
        # |det U|: det(U Uᵀ) of a nearly singular U has no correct digits even in float64.
        "network_std": np.abs(np.linalg.det(factor)) ** (1 / channels),
        "noise_std": np.prod(noise_std, -1) ** (1 / channels),
    }


def reference_impulse_posterior(observed, mean, prior, alpha):
    channels = mean.shape[-1]
    determinant = np.linalg.det(prior)
    scale = (2 * np.pi) ** (channels / 2) * np.sqrt(np.maximum(determinant, FLOOR))
    density = (np.exp(-quadratic(observed - mean, prior) / 2) / scale)[..., None]
    total = alpha + (1 - alpha) * density
    # No noise: the pixel is what was observed, however improbable. (The formula is 0/0 once the density underflows.)
    kept = np.where(alpha == 0, 1.0, (1 - alpha) * density / np.where(alpha == 0, 1.0, total))
    variance = (1 - kept) * np.diagonal(prior, axis1=-2, axis2=-1) + kept * (1 - kept) * (observed - mean) ** 2
    return {
        "denoised": kept * observed + (1 - kept) * mean,
        "std": np.sqrt(variance),
        "network_std": determinant ** (1 / (2 * channels)),
        "noise_std": np.broadcast_to(alpha, mean.shape)[..., 0] / 255 * 100,
    }


# --- The package, with NumPy in and out -------------------------------------------------------------------------------


def package_loss(name, outputs, observed, strength, diagonal, estimated):
    mean, columns = split_components(ops.convert_to_tensor(outputs), observed.shape[-1], diagonal)
    observed = ops.convert_to_tensor(observed)
    return NOISE_MODELS[name].loss_per_pixel(observed, mean, columns, ops.convert_to_tensor(strength), estimated)


def package_posterior(name, outputs, observed, strength, diagonal):
    mean, columns = split_components(ops.convert_to_tensor(outputs), observed.shape[-1], diagonal)
    observed = ops.convert_to_tensor(observed)
    maps = NOISE_MODELS[name].posterior(observed, mean, columns, ops.convert_to_tensor(strength))
    return {key: ops.convert_to_numpy(value) for key, value in maps.items()}


def gradients(function, *inputs):
    """Gradients of the sum of function(*inputs), as NumPy arrays, with the current backend."""
    backend = keras.backend.backend()
    inputs = [ops.convert_to_tensor(value) for value in inputs]
    if backend == "jax":
        import jax

        results = jax.grad(lambda *values: ops.sum(function(*values)), argnums=tuple(range(len(inputs))))(*inputs)
    elif backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = ops.sum(function(*inputs))
        results = tape.gradient(total, inputs)
    elif backend == "torch":
        import torch

        with torch.enable_grad():
            inputs = [value.clone().requires_grad_() for value in inputs]
            results = torch.autograd.grad(ops.sum(function(*inputs)), inputs)
    else:
        pytest.skip(f"no gradient helper for the backend {backend}")
    return [ops.convert_to_numpy(result) for result in results]


# --- Inputs -----------------------------------------------------------------------------------------------------------

ORDINARY = {"gauss": 25 / 255, "poisson": 1 / 30, "impulse": 0.4}
# σ of 0.001 and 1, λ of 1000 and 0.1, α of 0, hardly any, nearly and exactly 1
EXTREME = {"gauss": [1e-3, 1.0], "poisson": [1e-3, 10.0], "impulse": [0.0, 1e-6, 0.9999, 1.0]}
FACTORS = ["ordinary", "zero", "tiny", "small", "large", "singular"]
LAYOUTS = [(1, False), (2, False), (3, False), (4, False), (2, True), (3, True), (4, True)]
# Those of clipped values and of two parameters have tests of their own: `test_clipped_noise.py`,
# `test_poisson_gauss.py`.
NAMES = [name for name, model in NOISE_MODELS.items() if CLIPPED not in name and not shape_of(model)]


def draw_case(channels, diagonal, kind="ordinary", images=2, seed=0):
    """Network outputs and noisy values (images × 3 × 4 pixels). Means of −0.1 … 1, values partly outside [0, 1]."""
    random = np.random.RandomState(seed)
    mean = random.uniform(-0.1, 1.0, (images, 3, 4, channels))
    entries = random.normal(0, 0.2, (images, 3, 4, component_count(channels, diagonal) - channels))
    if kind in ("zero", "tiny", "small"):
        entries[:] = {"zero": 0.0, "tiny": 1e-6, "small": 1e-2}[kind]
    elif kind == "large":
        entries *= 100
    elif kind == "singular":
        # The last entry of the diagonal is tiny; in one pixel the first and the last are zero.
        entries[..., -1] = 1e-7
        entries[:, 0, 0] = 0.3
        entries[:, 0, 0, [0, -1]] = 0.0
    observed = mean + random.normal(0, 0.3, mean.shape)
    return np.concatenate([mean, entries], -1).astype("float32"), observed.astype("float32")


def per_image(values):
    """One strength for each image."""
    return np.array(values, "float32").reshape(-1, 1, 1, 1)


# --- One channel: numerical integration -------------------------------------------------------------------------------

ONE_CHANNEL = [(0.5, 0.2, 0.7), (0.3, 0.05, 0.1), (0.9, 0.4, 0.2), (0.0, 0.1, 0.15)]


def normal(x, mean, std):
    return np.exp(-(((x - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))


def one_pixel(*values):
    return np.array(values, "float32").reshape(1, 1, 1, -1)


@pytest.mark.parametrize("mean, prior_std, observed", ONE_CHANNEL)
@pytest.mark.parametrize("name, strength", [("gauss", 0.1), ("gauss", 0.5), ("poisson", 0.03), ("poisson", 1.0)])
def test_additive_noise_agrees_with_integration_over_clean_values(name, strength, mean, prior_std, observed):
    noise_std = np.sqrt(max(mean, 1e-3) * strength) if name == "poisson" else strength
    clean, step = np.linspace(-8, 8, 400_001, retstep=True)
    joint = normal(clean, mean, prior_std) * normal(observed, clean, noise_std)
    density = joint.sum() * step
    expected = (clean * joint).sum() * step / density
    variance = ((clean - expected) ** 2 * joint).sum() * step / density

    arguments = name, one_pixel(mean, prior_std), one_pixel(observed), one_pixel(strength), False
    loss = ops.convert_to_numpy(package_loss(*arguments, estimated=False))
    maps = package_posterior(*arguments)
    # One channel: twice the negative logarithm of the density, without its constant.
    np.testing.assert_allclose(loss, -2 * np.log(density) - np.log(2 * np.pi), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(maps["denoised"], expected, rtol=0, atol=2e-6)
    np.testing.assert_allclose(maps["std"], np.sqrt(variance), rtol=1e-5)
    np.testing.assert_allclose(maps["network_std"], prior_std, rtol=1e-6)
    np.testing.assert_allclose(maps["noise_std"], noise_std, rtol=1e-6)


@pytest.mark.parametrize("mean, prior_std, observed", ONE_CHANNEL)
@pytest.mark.parametrize("alpha", [0.0, 0.05, 0.5, 0.95, 1.0])
def test_impulse_loss_has_the_moments_of_the_mixture(alpha, mean, prior_std, observed):
    # Cell centres, so that the jumps of the uniform density at 0 and 1 fall between cells.
    step = 1e-4
    noisy = (np.arange(-60_000, 60_000) + 0.5) * step
    mixture = alpha * ((noisy > 0) & (noisy < 1)) + (1 - alpha) * normal(noisy, mean, np.hypot(prior_std, 1e-3))
    moment = (noisy * mixture).sum() * step
    variance = ((noisy - moment) ** 2 * mixture).sum() * step

    # The loss is (y − m)²/v + log v: three values of y give v from the curvature and m from the slope.
    losses = [
        ops.convert_to_numpy(
            package_loss("impulse", one_pixel(mean, prior_std), one_pixel(y), one_pixel(alpha), False, False)
        ).item()
        for y in (-2.0, 0.0, 2.0)
    ]
    curvature = (losses[0] - 2 * losses[1] + losses[2]) / 8
    np.testing.assert_allclose(1 / curvature, variance, rtol=2e-5)
    np.testing.assert_allclose((losses[0] - losses[2]) / (8 * curvature), moment, rtol=0, atol=2e-5)
    np.testing.assert_allclose(losses[1], moment**2 / variance + np.log(variance), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("mean, prior_std, observed", ONE_CHANNEL)
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.5, 0.95, 1.0])
def test_impulse_posterior_agrees_with_integration_of_the_mixture(alpha, mean, prior_std, observed):
    # Discretised: y = x with probability 1 − α, else any value with density 1. As a density on the cells of x, the
    # first is (1 − α)/step in the cell of y and 0 elsewhere.
    step = 1e-5
    clean = observed + np.arange(-400_000, 400_001) * step
    likelihood = np.full_like(clean, alpha)
    likelihood[400_000] += (1 - alpha) / step
    joint = normal(clean, mean, np.hypot(prior_std, 1e-3)) * likelihood
    joint /= joint.sum()
    expected = (clean * joint).sum()
    variance = ((clean - expected) ** 2 * joint).sum()

    maps = package_posterior("impulse", one_pixel(mean, prior_std), one_pixel(observed), one_pixel(alpha), False)
    np.testing.assert_allclose(maps["denoised"], expected, rtol=0, atol=5e-6)
    # A probability of 0.001 is known in float32 to 2^-24 / 0.001 of itself: it is one minus its complement.
    np.testing.assert_allclose(maps["std"], np.sqrt(variance), rtol=2e-4)
    np.testing.assert_allclose(maps["network_std"], np.hypot(prior_std, 1e-3), rtol=1e-6)


# --- Any number of channels: matrix algebra ---------------------------------------------------------------------------


def check_loss(case, name, strength, diagonal, estimated, rtol=1e-4):
    outputs, observed = case
    actual = ops.convert_to_numpy(package_loss(name, outputs, observed, strength, diagonal, estimated))
    expected = reference_loss(name, outputs, observed, strength, diagonal, estimated)
    assert actual.shape == expected.shape == observed.shape[:-1]
    # Absolute, because the terms cancel: each is of order 10, and a loss may be near zero.
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=2e-5)


def check_posterior(case, name, strength, diagonal, atol=1e-5):
    outputs, observed = case
    actual = package_posterior(name, outputs, observed, strength, diagonal)
    expected = reference_posterior(name, outputs, observed, strength, diagonal)
    assert {key: value.shape for key, value in actual.items()} == {key: value.shape for key, value in expected.items()}
    np.testing.assert_allclose(actual["denoised"], expected["denoised"], rtol=0, atol=atol)
    np.testing.assert_allclose(actual["network_std"], expected["network_std"], rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(actual["noise_std"], expected["noise_std"], rtol=1e-5)
    slack = 1e-12
    if name == "impulse":
        # The variance is a small probability times this; a probability beside 1 is known to 2^-24 in float32.
        channels = observed.shape[-1]
        mean, factor = reference_split(outputs, channels, diagonal)
        slack = 2**-23 * (np.sum(factor**2, -1) + OFFSET + (observed - mean) ** 2)
    error = np.abs(actual["std"].astype("float64") ** 2 - expected["std"] ** 2)
    assert np.all(error <= 2e-4 * expected["std"] ** 2 + slack)


@pytest.mark.parametrize("channels, diagonal", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_matrix_algebra(name, channels, diagonal):
    strength = per_image([ORDINARY[name], ORDINARY[name] / 2])
    for seed in range(3):
        case = draw_case(channels, diagonal, seed=seed)
        check_loss(case, name, strength, diagonal, estimated=False)
        check_loss(case, name, strength, diagonal, estimated=True)
        check_posterior(case, name, strength, diagonal)


@pytest.mark.parametrize("channels, diagonal", LAYOUTS)
@pytest.mark.parametrize("kind", FACTORS)
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_matrix_algebra_at_extremes(name, kind, channels, diagonal):
    case, strength = draw_case(channels, diagonal, kind, images=len(EXTREME[name])), per_image(EXTREME[name])
    check_loss(case, name, strength, diagonal, estimated=False)
    # The package leaves out the original's addition to the sum of inverses. It shifts the result by 1e-6 × the
    # posterior variance × the mean; the variance reaches 10 with λ = 0.1 beside a wide prior.
    check_posterior(case, name, strength, diagonal, atol=2.5e-5 if (name, kind) == ("poisson", "large") else 1e-5)


@pytest.mark.parametrize("channels, diagonal", LAYOUTS)
def test_impulse_probability_above_one_counts_as_one(channels, diagonal):
    case, strength = draw_case(channels, diagonal, images=3), per_image([1.0001, 1.5, 30.0])
    check_loss(case, "impulse", strength, diagonal, estimated=True)
    check_posterior(case, "impulse", strength, diagonal)


@pytest.mark.parametrize("channels", [1, 3])
def test_impulse_posterior_where_the_density_underflows(channels):
    outputs = np.zeros((1, 1, 1, component_count(channels)), "float32")
    observed = np.full((1, 1, 1, channels), 0.9, "float32")
    for alpha, expected in [(0.0, 0.9), (1e-6, 0.0), (0.5, 0.0), (1.0, 0.0)]:
        maps = package_posterior("impulse", outputs, observed, one_pixel(alpha), False)
        np.testing.assert_allclose(maps["denoised"], expected, rtol=0, atol=1e-7)
        assert np.all(np.isfinite(maps["std"]))


def matrix(columns):
    """One pixel's triangular factor, from columns without the zeros below their last row."""
    factor = np.zeros((len(columns), len(columns)))
    for j, column in enumerate(columns):
        factor[: j + 1, j] = ops.convert_to_numpy(column)[:, 0, 0, 0]
    return factor


def test_rgb_components_fill_the_upper_triangle_row_by_row():
    outputs = np.arange(1.0, 10.0, dtype="float32").reshape(1, 1, 1, 9)
    mean, columns = split_components(ops.convert_to_tensor(outputs), 3)
    factor = matrix(columns)
    np.testing.assert_array_equal(ops.convert_to_numpy(mean)[0, 0, 0], [1, 2, 3])
    np.testing.assert_array_equal(factor, [[4, 5, 6], [0, 7, 8], [0, 0, 9]])
    _, columns = split_components(ops.convert_to_tensor(outputs[..., :6]), 3, diagonal=True)
    factor = matrix(columns)
    np.testing.assert_array_equal(factor, np.diag([4, 5, 6]))


@pytest.mark.parametrize(
    "channels, diagonal, count", [(1, False, 2), (1, True, 2), (3, False, 9), (3, True, 6), (4, False, 14)]
)
def test_component_count(channels, diagonal, count):
    assert component_count(channels, diagonal) == count


# --- Gradients --------------------------------------------------------------------------------------------------------


def loss_gradients(name, outputs, observed, strength, diagonal, estimated):
    return gradients(
        lambda values, level: package_loss(name, values, observed, level, diagonal, estimated), outputs, strength
    )


def reference_gradients(name, outputs, observed, strength, diagonal, estimated, step=1e-5):
    """Central differences of the reference: per pixel and component, and per image for the strength."""

    def loss(values, level):
        return reference_loss(name, values, observed, level, diagonal, estimated)

    outputs, strength = np.asarray(outputs, np.float64), np.asarray(strength, np.float64)
    by_output = np.empty_like(outputs)
    for k, change in enumerate(step * np.eye(outputs.shape[-1])):
        by_output[..., k] = (loss(outputs + change, strength) - loss(outputs - change, strength)) / (2 * step)
    by_strength = (loss(outputs, strength + step) - loss(outputs, strength - step)) / (2 * step)
    return by_output, by_strength.sum(axis=(1, 2)).reshape(strength.shape)


@pytest.mark.parametrize("estimated", [False, True])
@pytest.mark.parametrize("channels, diagonal", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_agree_with_finite_differences(name, channels, diagonal, estimated):
    strength = per_image([ORDINARY[name], ORDINARY[name] / 2])
    outputs, observed = draw_case(channels, diagonal)
    # Away from the kink of max(μ, 1e-3), where a difference quotient is no derivative.
    outputs[..., :channels] += 0.05 * (np.abs(outputs[..., :channels] - 1e-3) < 1e-2)
    arguments = name, outputs, observed, strength, diagonal, estimated
    for actual, expected in zip(loss_gradients(*arguments), reference_gradients(*arguments), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("channels, diagonal", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_at_extremes(name, channels, diagonal):
    strengths = EXTREME[name] + ([1.2, 30.0] if name == "impulse" else [])
    cases = [draw_case(channels, diagonal, kind, len(strengths)) for kind in FACTORS]
    # and where the network predicts the pixel exactly, with no variance of its own
    cases.append([np.zeros_like(part) for part in cases[0]])
    outputs, observed = (np.concatenate(parts, axis=1) for parts in zip(*cases, strict=True))
    by_output, by_strength = loss_gradients(name, outputs, observed, per_image(strengths), diagonal, True)
    assert np.all(np.isfinite(by_output)), np.argwhere(~np.isfinite(by_output))
    assert np.all(np.isfinite(by_strength)), by_strength.ravel()


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_gradient_brings_an_estimated_probability_above_one_back(alpha):
    random = np.random.RandomState(4)
    mean = random.uniform(0, 1, (4, 30, 30, 3)).astype("float32")
    entries = np.broadcast_to(np.float32([0.05, 0, 0, 0.05, 0, 0.05]), (4, 30, 30, 6))
    clean = (mean + random.normal(0, 0.05, mean.shape)).astype("float32")
    noisy = NOISE_MODELS["impulse"].corrupt(clean, np.float32(alpha), NumpyRandom(4))
    outputs, estimates = np.concatenate([mean, entries], -1), per_image([1.0, 1.001, 1.5, 30.0])
    _, by_strength = loss_gradients("impulse", outputs, noisy, estimates, False, True)
    assert np.all(by_strength > 0.1 * 30 * 30)


# --- What is known of the noise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, parameter, strength",
    [("gauss", 0.1, 0.1), ("gauss", 0.0, 1e-3), ("poisson", 20.0, 0.05), ("impulse", 0.3, 0.3)],
)
def test_known_strength(name, parameter, strength):
    known = NOISE_MODELS[name].known(ops.convert_to_tensor(np.float32(parameter)))
    np.testing.assert_allclose(ops.convert_to_numpy(known), strength, rtol=1e-6)


@pytest.mark.parametrize("text, level", [("gauss25", 25), ("poisson30", 30), ("impulse50", 50)])
def test_level_of_a_known_strength_is_the_level_of_the_name(text, level):
    spec = parse_noise(text)
    strength = spec.model.known(ops.convert_to_tensor(np.float32(spec.parameters[0])))
    np.testing.assert_allclose(ops.convert_to_numpy(spec.model.level_from_estimate(strength)), level, rtol=1e-6)


# --- Corruption -------------------------------------------------------------------------------------------------------

SHAPE = (200, 200, 3)
COUNT = 200 * 200 * 3


def numpy_corrupt(name, brightness, parameter, *seed):
    clean = np.full(SHAPE, brightness, "float32")
    return NOISE_MODELS[name].corrupt(clean, np.float32(parameter), NumpyRandom(*seed))


def stateless_corrupt(name, brightness, parameter, *seed):
    tf = pytest.importorskip("tensorflow")
    clean = tf.fill(SHAPE, np.float32(brightness))
    random = StatelessRandom(tf.constant((seed + (0,))[:2], tf.int64))
    return NOISE_MODELS[name].corrupt(clean, tf.constant(parameter, tf.float32), random).numpy()


CORRUPT = pytest.mark.parametrize("corrupt", [numpy_corrupt, stateless_corrupt], ids=["numpy", "stateless"])


def check_mean_and_variance(values, mean, variance, fourth):
    """Within five standard errors; `fourth` is the fourth central moment."""
    values = values.astype("float64")
    assert abs(values.mean() - mean) < 5 * np.sqrt(variance / values.size)
    assert abs(values.var() - variance) < 5 * np.sqrt((fourth - variance**2) / values.size)


@CORRUPT
@pytest.mark.parametrize("brightness, sigma", [(0.5, 25 / 255), (0.0, 0.2), (1.0, 0.2)])
def test_gaussian_noise_statistics_without_clipping(corrupt, brightness, sigma):
    noisy = corrupt("gauss", brightness, sigma, 11)
    assert noisy.dtype == np.float32 and noisy.shape == SHAPE
    check_mean_and_variance(noisy, brightness, sigma**2, 3 * sigma**4)
    within = np.mean(np.abs(noisy - brightness) < sigma)
    assert abs(within - 0.6827) < 5 * np.sqrt(0.6827 * 0.3173 / COUNT)
    if brightness in (0.0, 1.0):
        outside = np.mean((noisy < 0) | (noisy > 1))
        assert abs(outside - 0.5) < 5 * np.sqrt(0.25 / COUNT)


@CORRUPT
@pytest.mark.parametrize("brightness, peak", [(0.5, 30.0), (0.1, 5.0), (0.9, 1000.0)])
def test_poisson_noise_statistics(corrupt, brightness, peak):
    noisy = corrupt("poisson", brightness, peak, 12)
    assert noisy.dtype == np.float32 and noisy.shape == SHAPE
    rate = brightness * peak
    check_mean_and_variance(noisy, brightness, rate / peak**2, (rate + 3 * rate**2) / peak**4)
    counts = noisy * np.float32(peak)
    np.testing.assert_allclose(counts, np.round(counts), rtol=0, atol=1e-3)
    if rate < 1:
        assert abs(np.mean(noisy == 0) - np.exp(-rate)) < 5 * np.sqrt(0.25 / COUNT)


@CORRUPT
def test_poisson_noise_of_a_black_pixel_is_zero_and_of_a_white_one_exceeds_one(corrupt):
    assert not np.any(corrupt("poisson", 0.0, 30.0, 13))
    assert corrupt("poisson", 1.0, 30.0, 13).max() > 1.3


@CORRUPT
@pytest.mark.parametrize("name, parameter", [("gauss", 0.1), ("poisson", 30.0)])
def test_posterior_uses_the_standard_deviation_of_the_corruption(corrupt, name, parameter):
    noisy = corrupt(name, 0.6, parameter, 14)
    strength = NOISE_MODELS[name].known(ops.convert_to_tensor(np.float32(parameter)))
    maps = package_posterior(name, one_pixel(0.6, 0.1), one_pixel(0.6), strength, False)
    np.testing.assert_allclose(maps["noise_std"], noisy.std(), rtol=0.02)


@CORRUPT
@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_impulse_noise_replaces_whole_pixels_by_uniform_colours(corrupt, alpha):
    noisy = corrupt("impulse", 0.25, alpha, 15)
    assert noisy.dtype == np.float32 and noisy.shape == SHAPE
    changed = noisy != np.float32(0.25)
    replaced = changed.any(axis=-1)
    assert np.array_equal(replaced, changed.all(axis=-1))
    assert abs(replaced.mean() - alpha) < 5 * np.sqrt(alpha * (1 - alpha) / replaced.size)
    colours = noisy[replaced]
    assert colours.min() >= 0 and colours.max() <= 1
    check_mean_and_variance(colours, 0.5, 1 / 12, 1 / 80)
    correlation = np.corrcoef(colours, rowvar=False) - np.eye(3)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(colours))
    # whether a pixel is replaced does not depend on its neighbours
    together = np.mean(replaced[:, 1:] & replaced[:, :-1])
    assert abs(together - alpha**2) < 0.02


@CORRUPT
@pytest.mark.parametrize("alpha, fraction", [(0.0, 0.0), (1.0, 1.0)])
def test_impulse_noise_of_none_and_all_pixels(corrupt, alpha, fraction):
    noisy = corrupt("impulse", 0.25, alpha, 16)
    assert np.mean((noisy != np.float32(0.25)).any(axis=-1)) == fraction


@CORRUPT
def test_gaussian_noise_does_not_depend_on_the_image(corrupt):
    bright, dark = corrupt("gauss", 1.0, 0.1, 17), corrupt("gauss", 0.0, 0.1, 17)
    np.testing.assert_allclose(bright - 1, dark, rtol=0, atol=1e-6)


@CORRUPT
@pytest.mark.parametrize("name, parameter", [("gauss", 0.1), ("poisson", 30.0), ("impulse", 0.5)])
def test_noise_is_determined_by_its_seed(corrupt, name, parameter):
    first = corrupt(name, 0.5, parameter, 1, 2)
    np.testing.assert_array_equal(first, corrupt(name, 0.5, parameter, 1, 2))
    for other in [(1, 3), (2, 2), (2, 1)]:
        second = corrupt(name, 0.5, parameter, *other)
        correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
        assert abs(correlation) < 0.02


@CORRUPT
def test_draws_of_one_source_are_independent(corrupt):
    if corrupt is numpy_corrupt:
        random = NumpyRandom(5)
    else:
        tf = pytest.importorskip("tensorflow")
        random = StatelessRandom(tf.constant([5, 0], tf.int64))
    first, second = (np.asarray(random.normal((10_000,))) for _ in range(2))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_stateless_noise_is_the_same_inside_a_graph():
    tf = pytest.importorskip("tensorflow")

    @tf.function
    def traced(seed):
        clean = tf.fill(SHAPE, 0.5)
        return NOISE_MODELS["impulse"].corrupt(clean, tf.constant(0.5), StatelessRandom(seed))

    for seed in [(3, 4), (3, 5)]:
        expected = stateless_corrupt("impulse", 0.5, 0.5, *seed)
        np.testing.assert_array_equal(traced(tf.constant(seed, tf.int64)).numpy(), expected)


def test_numpy_draws_are_the_same_on_every_machine():
    random = NumpyRandom(1, 2, 3)
    np.testing.assert_allclose(random.normal((3,)), [0.89858246, 0.25528878, 0.95172626], rtol=1e-6)
    np.testing.assert_allclose(random.uniform((3,)), [0.02946595, 0.91317278, 0.59519666], rtol=1e-6)
    np.testing.assert_array_equal(random.below((8,), 0.5), [0, 0, 0, 0, 0, 1, 1, 0])
    np.testing.assert_array_equal(random.poisson(np.array([0.5, 5, 50, 500])), [0, 3, 32, 506])


@pytest.mark.parametrize(
    "name, parameter, expected",
    [
        ("gauss", 0.1, [0.16149116, 0.20534205, 0.19102591, 0.27081847, 0.03139441, 0.30840179]),
        ("poisson", 20.0, [0.15, 0.15, 0.10, 0.15, 0.30, 0.15]),
        ("impulse", 0.5, [0.65093446, 0.07243629, 0.53588200, 0.36568892, 0.05799893, 0.50743574]),
    ],
)
def test_numpy_noise_is_the_same_on_every_machine(name, parameter, expected):
    clean = np.full((2, 1, 3), 0.25, "float32")
    noisy = NOISE_MODELS[name].corrupt(clean, np.float32(parameter), NumpyRandom(7))
    assert noisy.dtype == np.float32
    np.testing.assert_allclose(noisy.ravel(), expected, rtol=0, atol=1e-7)


def test_parameter_is_drawn_uniformly_from_the_range_in_network_units():
    random = NumpyRandom(8)
    values = np.array([draw_parameter(parse_noise("gauss5_50"), random) for _ in range(20_000)]) * 255
    assert values.min() >= 5 and values.max() <= 50
    check_mean_and_variance(values, 27.5, 45**2 / 12, 45**4 / 80)
    np.testing.assert_allclose(draw_parameter(parse_noise("impulse50"), random), 0.5)
    np.testing.assert_allclose(draw_parameter(parse_noise("poisson30"), random), 30)


def test_stateless_parameter_is_determined_by_its_seed():
    tf = pytest.importorskip("tensorflow")
    spec = parse_noise("impulse20_60")
    draws = [draw_parameter(spec, StatelessRandom(tf.constant([1, index], tf.int64))).numpy() for index in range(200)]
    again = draw_parameter(spec, StatelessRandom(tf.constant([1, 7], tf.int64))).numpy()
    assert again == draws[7]
    assert 0.2 <= min(draws) < 0.23 and 0.57 < max(draws) <= 0.6
