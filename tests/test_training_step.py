"""The custom training step, on whichever backend runs."""

import keras
import numpy as np
import pytest

import ssdn_keras


def batch(size=32, count=2, channels=3, seed=0):
    random = np.random.RandomState(seed)
    clean = random.rand(count, size, size, channels).astype("float32")
    return {"noisy": clean + 0.1 * random.randn(*clean.shape).astype("float32")}, {"clean": clean}


def fit_once(model, x, y=None, **kwargs):
    return model.fit(x, y, batch_size=len(x["noisy"]), verbose=0, **kwargs).history


@pytest.mark.parametrize("parameter", ["known", "global", "per_image"])
def test_training_lowers_the_loss_and_reports_psnr(parameter):
    keras.utils.set_random_seed(1)
    model = ssdn_keras.Denoiser("gauss25", parameter)
    model.compile(keras.optimizers.Adam(1e-3))
    x, y = batch()
    history = fit_once(model, x, y, epochs=12)
    assert history["loss"][-1] < history["loss"][0]
    assert {"psnr", "psnr_mean", "skipped_steps"} <= set(history)
    assert ("noise_level" in history) == (parameter != "known")
    clipped = np.clip(np.array(model(x)["denoised"]), 0, 1)
    expected = -10 * np.log10(np.mean((clipped - y["clean"]) ** 2, axis=(1, 2, 3))).mean()
    found = model.evaluate(x, y, verbose=0, return_dict=True)["psnr"]
    assert float(found) == pytest.approx(expected, abs=1e-3)  # Keras 3.12 gives a tensor


def test_without_clean_images_there_is_no_psnr():
    model = ssdn_keras.Denoiser("gauss25", channels=1)
    model.compile()
    history = fit_once(model, batch(channels=1)[0])
    assert "psnr" not in history and np.isfinite(history["loss"]).all()


def test_a_step_with_a_gradient_that_is_not_finite_is_skipped_whole_and_counted():
    keras.utils.set_random_seed(2)
    model = ssdn_keras.Denoiser("gauss25", channels=1)
    model.compile(keras.optimizers.Adam(1e-3))
    good, _ = batch(channels=1)
    bad = {"noisy": np.where(good["noisy"] > 0.99, np.nan, good["noisy"]).astype("float32")}
    fit_once(model, good)
    weights = [np.array(v) for v in model.weights]
    state = [np.array(v) for v in model.optimizer.variables]
    history = fit_once(model, bad)
    assert history["skipped_steps"] == [1.0]
    for old, new in zip(weights + state, [*model.weights, *model.optimizer.variables], strict=True):
        np.testing.assert_array_equal(old, new)
    mixed = {name: np.concatenate([bad[name], good[name]]) for name in good}
    clean = {"clean": np.concatenate([good["noisy"]] * 2)}
    history = model.fit(mixed, clean, batch_size=2, verbose=0, shuffle=False).history
    assert history["skipped_steps"] == [2.0]
    assert np.isfinite([history[name] for name in ("loss", "psnr", "psnr_mean")]).all()
    history = fit_once(model, good)
    assert history["skipped_steps"] == [2.0] and np.isfinite(history["loss"]).all()
    assert any((np.array(new) != old).any() for old, new in zip(weights, model.weights, strict=True))


LIMITS = {
    "constant image": ("gauss", "known", np.full((1, 32, 32, 3), 0.5, "float32"), 0.1),
    "black image": ("poisson", "known", np.zeros((1, 32, 32, 3), "float32"), 30.0),
    "floor of sigma": ("gauss", "known", np.random.RandomState(0).rand(1, 32, 32, 3).astype("float32"), 0.0),
    "no impulses": ("impulse", "known", np.random.RandomState(0).rand(1, 32, 32, 3).astype("float32"), 0.0),
    "impulses only": ("impulse", "known", np.random.RandomState(0).rand(1, 32, 32, 3).astype("float32"), 1.0),
    "estimate above 1": ("impulse", "global", np.random.RandomState(0).rand(1, 32, 32, 3).astype("float32"), None),
}


@pytest.mark.parametrize("case", LIMITS)
def test_limits_stay_finite(case):
    noise, parameter, noisy, level = LIMITS[case]
    keras.utils.set_random_seed(3)
    model = ssdn_keras.Denoiser(noise, parameter)
    if model.global_parameter is not None:
        model.global_parameter.assign(9.0)
    model.compile(keras.optimizers.Adam(1e-3))
    x = {"noisy": noisy}
    if level is not None:
        x["noise_level"] = np.array([level], "float32")
    history = fit_once(model, x, epochs=4)
    assert np.isfinite(history["loss"]).all() and history["skipped_steps"][-1] == 0
    assert all(np.isfinite(value).all() for value in model(x).values())
    if model.global_parameter is not None:
        assert np.array(model.global_parameter) != 9.0
    if case == "no impulses":
        np.testing.assert_array_equal(model(x)["denoised"], noisy)


@pytest.mark.parametrize("algorithm", ["ssdn_mean", "n2c", "n2n"])
def test_regression_learns_its_target(algorithm):
    keras.utils.set_random_seed(4)
    model = ssdn_keras.Denoiser(algorithm=algorithm, channels=1)
    model.compile(keras.optimizers.Adam(1e-3))
    x, y = batch(channels=1)
    y["second"] = y["clean"] + 0.1
    target = {"ssdn_mean": x["noisy"], "n2c": y["clean"], "n2n": y["second"]}[algorithm]
    expected = np.mean((np.array(model(x)["mean"]) - target) ** 2)
    history = fit_once(model, x, y, epochs=6)
    assert history["loss"][0] == pytest.approx(expected, rel=1e-4)
    assert history["loss"][-1] < history["loss"][0]


def test_an_algorithm_without_its_target_says_so():
    model = ssdn_keras.Denoiser(algorithm="n2n", channels=1)
    with pytest.raises(ValueError, match="n2n on gauss noise learns from 'second'"):
        model.loss_per_pixel(batch(channels=1)[0])


def test_default_optimiser_is_the_published_one_stretched_over_the_fit():
    model = ssdn_keras.Denoiser("gauss25", channels=1)
    model.compile()
    optimizer = model.optimizer
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.99, 1e-8)
    x, _ = batch(count=10, channels=1)
    model.fit(x, batch_size=1, steps_per_epoch=5, epochs=2, verbose=0)
    rates = [float(optimizer._learning_rate(step)) for step in range(11)]
    assert rates[0] == 0.0 and rates[1] == pytest.approx(3e-4) and rates[6] == pytest.approx(3e-4)
    assert rates[10] == pytest.approx(0.0, abs=1e-12) and rates == sorted(rates[:2]) + sorted(rates[2:], reverse=True)


@pytest.mark.parametrize("data,options,steps", [
    ({"noisy": np.zeros((10, 32, 32, 1), "float32")}, {"batch_size": 2}, 5),
    (np.zeros((7, 32, 32, 1), "float32"), {"batch_size": 2, "epochs": 2}, 8),
    (np.zeros((3, 32, 32, 1), "float32"), {}, 1),
])  # fmt: skip
def test_schedule_knows_the_length_of_a_fit_on_arrays(data, options, steps, monkeypatch):
    model = ssdn_keras.Denoiser("gauss25", channels=1)
    model.compile()
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **kwargs: None)
    model.fit(data, **options)
    schedule = model.optimizer._learning_rate
    assert schedule.images / schedule.minibatch == steps


def test_ramps_of_the_learning_rate():
    rate = ssdn_keras.RampedLearningRate(images=1000, minibatch=1)
    expected = {0: 0.0, 50: 1.5e-4, 100: 3e-4, 700: 3e-4, 850: 3e-4 * 0.25, 1000: 0.0}
    for step, value in expected.items():
        assert float(rate(step)) == pytest.approx(value, abs=1e-9)
    constant = ssdn_keras.RampedLearningRate(images=10, minibatch=1, ramp_up=0, ramp_down=0)
    assert [float(constant(step)) for step in (0, 5, 10)] == pytest.approx([3e-4] * 3)


@pytest.mark.parametrize("options", [{"loss": "mse"}, {"metrics": ["mse"]}])
def test_a_loss_or_metrics_in_compile_are_refused(options):
    with pytest.raises(ValueError, match="own (loss|metrics)"):
        ssdn_keras.Denoiser("gauss25").compile(**options)


@pytest.mark.parametrize("parameter", ["known", "global", "per_image"])
def test_mixed_precision_keeps_the_likelihood_in_float32(parameter):
    model = ssdn_keras.Denoiser("gauss25", parameter, dtype="mixed_bfloat16")
    model.compile()
    x, y = batch()
    history = fit_once(model, x, y, epochs=2)
    assert np.isfinite(history["loss"]).all()
    assert all(keras.backend.standardize_dtype(value.dtype) == "float32" for value in model(x).values())
    assert {variable.dtype for variable in model.weights} == {"float32"}
    computes_in = {name: layer.compute_dtype for name, layer in model.network.convolutions().items()}
    assert computes_in.pop("nin_c") == "float32" and set(computes_in.values()) == {"bfloat16"}


def test_moving_average_of_weights_replaces_them_at_the_end():
    model = ssdn_keras.Denoiser("gauss25", channels=1)
    model.compile(ssdn_keras.published_optimizer(ema=0.5, images=8, minibatch=2))
    x, _ = batch(count=8, channels=1)
    model.fit(x, batch_size=2, verbose=0)
    averages = [v for v in model.optimizer.variables if "average" in v.path]
    for average, variable in zip(averages, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(average, variable)
