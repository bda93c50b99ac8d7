"""Every fast path computes what the plain one computes; the benchmark command works. Nothing here is timed."""

import json

import keras
import numpy as np
import pytest
from command_line import fails, run
from gradients import input_gradient, weight_gradients
from keras import ops

import ssdn_keras
from ssdn_keras.benchmarking import device, operations
from ssdn_keras.benchmarking.clock import Clock
from ssdn_keras.benchmarking.measurement import Measurement, rates
from ssdn_keras.model import activation, networks, upsampled
from ssdn_keras.model.layers import pad_above
from ssdn_keras.model.networks import DenoisingNetwork

TINY = ["--crop=32", "--minibatch=1", "--image=40x32", "--repeats=1", "--steps=1", "--warm_up=0"]


def random(*shape):
    return ops.convert_to_tensor(np.random.RandomState(0).standard_normal(shape).astype("float32"))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shifted", [True, False])
@pytest.mark.parametrize("height, width", [(1, 1), (2, 5), (6, 3)])
def test_convolution_on_the_small_map_is_that_of_the_upsampled_map(shifted, training, height, width):
    x, kernel = random(2, height, width, 4), random(3, 3, 4, 5) / 6

    def plain(x):
        large = upsampled.upsample(x)
        return ops.conv(pad_above(large, (3, 3)), kernel) if shifted else ops.conv(large, kernel, padding="same")

    def fast(x):
        return upsampled.convolve_upsampled(x, kernel, shifted, training)

    np.testing.assert_allclose(fast(x), plain(x), rtol=0, atol=1e-5)
    weights = random(2, 2 * height, 2 * width, 5)
    found, expected = (input_gradient(lambda x, f=f: ops.sum(f(x) * weights), np.array(x)) for f in (fast, plain))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def both_ways(monkeypatch, blindspot_size, image, dtype, training=True):
    """Output, and its gradients by the image and by each weight, with all fast paths and with none."""
    network = DenoisingNetwork(9, blindspot_size=blindspot_size, dtype=dtype)
    network.build((None, None, None, 3))
    weights = random(*image.shape[:3], 9)
    results = []
    for fast in (True, False):
        monkeypatch.setattr(upsampled, "pays", lambda *size, fast=fast: fast)
        if not fast:
            monkeypatch.setattr(networks, "inputs_are_square", lambda x: False)
            monkeypatch.setattr(networks, "leaky_relu", activation.plain_leaky_relu)

        def total(x):
            return ops.sum(network(x, training=training) * weights)

        gradients = [input_gradient(total, image), *weight_gradients(total, network, image)]
        results.append((np.array(network(image, training=training)), gradients))
    return results


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("blindspot_size", [0, 1, 3])
@pytest.mark.parametrize("height, width", [(64, 64), (37, 50)])
def test_fast_paths_change_nothing(monkeypatch, blindspot_size, height, width, training):
    image = np.random.RandomState(1).rand(2, height, width, 3).astype("float32")
    (fast, _), (plain, _) = both_ways(monkeypatch, blindspot_size, image, "float32", training)
    np.testing.assert_allclose(fast, plain, rtol=1e-5, atol=1e-5)  # values up to 3


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="not with JAX on a CPU")
def test_images_are_denoised_in_the_published_order_of_sums_unless_in_lower_precision():
    assert upsampled.pays(64, 64, True, "float32") and upsampled.pays(64, 64, False, "bfloat16")
    assert not upsampled.pays(64, 64, False, "float32") and not upsampled.pays(48, 48, True, "bfloat16")
    with upsampled.published_order():
        assert not upsampled.pays(64, 64, True, "float32")


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="not with JAX on a CPU")
def test_the_fast_order_is_no_less_precise_in_bfloat16(monkeypatch):
    image = np.random.RandomState(1).rand(1, 64, 96, 3).astype("float32")
    exact, half = DenoisingNetwork(9), DenoisingNetwork(9, dtype="mixed_bfloat16")
    for network in (exact, half):
        network.build((None, None, None, 3))
    half.set_weights(exact.get_weights())
    expected = np.array(exact(image))

    def error():
        return np.sqrt(np.mean((np.array(half(image)) - expected) ** 2)) / expected.std()

    fast = error()
    monkeypatch.setattr(upsampled, "pays", lambda *size: False)
    plain = error()
    assert fast != plain and fast < 1.3 * plain and fast < 0.02


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 here")
@pytest.mark.parametrize("blindspot_size", [0, 1])
def test_fast_paths_have_the_same_gradient(monkeypatch, blindspot_size):
    # In float64: rounding in float32 puts single values on the other side of a LeakyReLU's kink or of a maximum, where
    # the gradient jumps, whichever way it is computed.
    image = np.random.RandomState(1).rand(2, 64, 64, 3).astype("float32")
    (_, fast), (_, plain) = both_ways(monkeypatch, blindspot_size, image, "float64")
    assert len(fast) == 1 + 2 * (17 + 3)  # the image, kernels and biases of trunk and output layers
    for found, expected in zip(fast, plain, strict=True):
        assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mean_start", ["none", "neighbours"])
@pytest.mark.parametrize("dtype, within", [("float32", 1e-4), ("mixed_bfloat16", 5e-2)])
def test_a_compiled_training_is_that_of_the_plain_network(monkeypatch, channels, mean_start, dtype, within):
    # Compiled, since TensorFlow makes one operation of several only then: of a convolution, its bias and a sum it made
    # one whose result was wrong.
    random = np.random.RandomState(0)
    noisy = random.rand(2, 64, 64, channels).astype("float32")
    biases, losses = {}, []
    for fast in (True, False):
        monkeypatch.setattr(upsampled, "pays", lambda *size, fast=fast: fast)
        if not fast:
            monkeypatch.setattr(networks, "inputs_are_square", lambda x: False)
            monkeypatch.setattr(networks, "leaky_relu", activation.plain_leaky_relu)
        keras.utils.set_random_seed(0)
        model = ssdn_keras.Denoiser("gauss25", channels=channels, filters=8, mean_start=mean_start, dtype=dtype)
        model.compile(keras.optimizers.SGD(1e-4))
        for variable in model.trainable_variables:
            if variable.path.endswith("bias"):
                name = variable.path.split("/", 1)[1]
                variable.assign(biases.setdefault(name, random.normal(0, 0.1, variable.shape)))
        losses.append(model.fit({"noisy": noisy}, batch_size=2, epochs=3, verbose=0).history["loss"])
    assert len(biases) == 20 and losses[0][2] != losses[0][0]
    np.testing.assert_allclose(losses[0], losses[1], rtol=within)


def test_leaky_relu_and_its_gradient():
    x = np.array([-3.0, -1e-30, 0.0, 1e-30, 2.0], "float32")
    np.testing.assert_array_equal(activation.leaky_relu(ops.convert_to_tensor(x)), np.array(ops.leaky_relu(x, 0.1)))
    gradient = input_gradient(lambda x: ops.sum(activation.leaky_relu(x)), x)
    np.testing.assert_allclose(gradient[[0, 1, 3, 4]], [0.1, 0.1, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("padding", [None, [[0, 0], [2, 0], [1, 1], [0, 0]]])
def test_padded_leaky_relu_and_its_gradient(padding):
    x, weights = random(2, 5, 4, 3), random(2, 5 + 2 * bool(padding), 4 + 2 * bool(padding), 3)
    both = activation.leaky_relu, activation.plain_leaky_relu
    results = [np.array(f(x, padding)) for f in both]
    np.testing.assert_array_equal(*results)
    assert results[0].shape == weights.shape
    gradients = [input_gradient(lambda x, f=f: ops.sum(f(x, padding) * weights), np.array(x)) for f in both]
    np.testing.assert_array_equal(*gradients)


def test_operations_are_those_of_the_published_network():
    model = ssdn_keras.Denoiser(noise="gauss25")
    per_pixel = {  # multiplications and additions, of each of the four views but for the last
        1: 3 * 48 * 9 + 48 * 48 * 9 + 99 * 96 * 9 + 96 * 96 * 9,
        4: 48 * 48 * 9 + 144 * 96 * 9 + 96 * 96 * 9,
        16: 48 * 48 * 9 + 144 * 96 * 9 + 96 * 96 * 9,
        64: 48 * 48 * 9 + 144 * 96 * 9 + 96 * 96 * 9,
        256: 48 * 48 * 9 + 96 * 96 * 9 + 96 * 96 * 9,
        1024: 48 * 48 * 9,
    }
    trunk = sum(64 * 96 * count / shrunk for shrunk, count in per_pixel.items())
    output = 64 * 96 * (384 * 384 + 384 * 96 + 96 * 9)
    assert operations.forward_operations(model, 64, 96) == 2 * (4 * trunk + output)
    assert operations.forward_operations(model, 33, 65) == operations.forward_operations(model, 64, 96)
    plain = ssdn_keras.Denoiser(noise="gauss25", algorithm="n2c")
    assert operations.forward_operations(plain, 64, 96) < operations.forward_operations(model, 64, 96) / 3
    estimating = ssdn_keras.Denoiser(noise="gauss25", noise_parameter="per_image")
    assert operations.forward_operations(estimating, 64, 96) > operations.forward_operations(model, 64, 96)


def test_figures_follow_from_the_clock():
    clock = Clock(warm_up=1)
    for _ in range(3):
        with clock:
            pass
    assert len(clock.seconds) == len(clock.processor_seconds) == 2
    clock.seconds, clock.processor_seconds = [2.0, 4.0, 3.0], [1.0, 2.0, 8.0]
    limits = {"matrix": rates(30.0, clock, True), "copy": rates(60.0, clock, True)}
    assert limits["matrix"]["per_second"]["median"] == 10 and limits["copy"]["per_processor_second"]["median"] == 30
    summary = Measurement(clock, units=2, images=3, pixels=6, operations=15, traffic=3).summary(True, limits)
    assert summary["seconds"]["median"] == 1.5 and summary["seconds"]["highest"] == 2
    assert summary["images_per_second"] == 2 and summary["fraction_of_matrix_rate"] == 1
    assert summary["fraction_of_copy_rate"] == pytest.approx(0.1)
    on_gpu = Measurement(clock, units=2, images=3, pixels=6, operations=15, traffic=3).summary(False, limits)
    assert on_gpu["fraction_of_matrix_rate"] == 1 and "processor_seconds" not in on_gpu


def test_benchmark_writes_a_page_and_its_figures(capfd, tmp_path):
    code, out, _ = run(
        capfd, "benchmark", "--parts=training,inference", f"--output={tmp_path}", "--noise=gauss5_50", *TINY
    )
    assert code == 0 and "| images/s |" in out and "denoising one image, 40×32" in out
    record = json.loads((tmp_path / "benchmark.json").read_text())
    assert (tmp_path / "benchmark.md").read_text().strip() == out.strip()
    assert record["training"]["size"] == "1×32×32" and record["training"]["published_operations"] > 0
    assert record["inference"]["peak_host_memory_bytes"] > 0


def test_benchmark_of_another_network_beside_what_the_device_can_do(capfd, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "MATRIX", {False: (32, 2), True: (32, 2)})
    monkeypatch.setattr(device, "ARRAY", {False: 1, True: 1})
    flags = ["--filters=4", "--estimator_filters=2", "--noise_parameter=per_image", "--mean_start=neighbours"]
    flags += ["--optimizer=muon", "--channels=2", "--parts=device,training", f"--output={tmp_path}", *TINY]
    code, out, err = run(capfd, "benchmark", *flags)
    assert code == 0 and out.count("of the measured") == 2, err
    record = json.loads((tmp_path / "benchmark.json").read_text())
    assert record["settings"]["optimizer"] == "muon" and record["training"]["fraction_of_matrix_rate"] > 0
    narrow = ssdn_keras.Denoiser("gauss25", "per_image", channels=2, filters=4, estimator_filters=2)
    assert record["training"]["published_operations"] == 3 * operations.forward_operations(narrow, 32, 32)


@pytest.mark.parametrize("arguments, words", [
    (["--parts=trainin"], "--parts"), (["--parts=,"], "--parts"), (["--image=768"], "--image"),
    (["--image=0x5"], "--image"), (["--filters=0"], "--filters"), (["--algorithm=n2vv"], "did you mean n2v"),
    (["--blindspot_size=2"], "blindspot_size"), (["--noise=gaus25"], "noise"), (["--precision=float64"], "precision"),
    (["--steps=3", "--steps_per_execution=2"], "multiple"), (["--parts=input"], "--train_clean"),
])  # fmt: skip
def test_benchmark_refuses_in_one_line(capfd, arguments, words):
    fails(capfd, 2, words, "benchmark", *arguments)
