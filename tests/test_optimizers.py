"""The published Adam, and Muon, which gives all directions of a kernel's update the same length."""

from functools import partial

import keras
import numpy as np
import pytest
from command_line import fails, run

import ssdn_keras
from ssdn_keras.model.muon import UPDATE_SIZE, Muon, orthogonalise
from ssdn_keras.model.optimizers import make_optimizer
from ssdn_keras.reproduction.settings import Reproduction
from ssdn_keras.training.settings import TrainSettings


@pytest.mark.parametrize("shape", [(27, 8), (8, 27), (16, 16), (5, 1)])
@pytest.mark.parametrize("size", [1e-8, 1.0, 1e6])
def test_a_matrix_is_made_nearly_orthogonal(shape, size):
    random = np.random.RandomState(0)
    u, _, v = np.linalg.svd(random.randn(*shape), full_matrices=False)
    values = np.linspace(1.0, 0.05, min(shape))  # directions of very different length
    result = np.array(orthogonalise((size * (u * values) @ v).astype("float32")))
    lengths = u.T @ result @ v.T
    found = np.diag(lengths)
    assert found.min() > 0.5 and found.max() < 1.3
    np.testing.assert_allclose(lengths, np.diag(found), atol=0.02)  # the directions themselves stay


def test_no_gradient_gives_no_update():
    np.testing.assert_array_equal(orthogonalise(np.zeros((9, 4), "float32")), np.zeros((9, 4)))


def test_one_update_of_a_kernel():
    gradient = np.random.RandomState(1).randn(3, 3, 4, 8).astype("float32")
    kernel = keras.Variable(np.zeros((3, 3, 4, 8), "float32"))
    optimizer = Muon(0.01)
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [kernel])
    update = -keras.ops.convert_to_numpy(kernel).reshape(36, 8)
    expected = 0.01 * UPDATE_SIZE * 36**0.5 * np.array(orthogonalise(gradient.reshape(36, 8)))
    np.testing.assert_allclose(update, expected, atol=1e-6)
    assert np.sqrt(np.mean(update**2)) == pytest.approx(0.01 * UPDATE_SIZE, rel=0.3)


def test_momentum_is_that_of_nesterov():
    random = np.random.RandomState(2)
    first, second = random.randn(2, 3, 3, 4, 8).astype("float32")
    kernel = keras.Variable(np.zeros((3, 3, 4, 8), "float32"))
    optimizer = Muon(1.0, momentum=0.9)
    optimizer.apply([keras.ops.convert_to_tensor(first)], [kernel])
    before = keras.ops.convert_to_numpy(kernel).copy()
    optimizer.apply([keras.ops.convert_to_tensor(second)], [kernel])
    direction = second + 0.9 * (0.9 * first + second)
    expected = UPDATE_SIZE * 6 * np.array(orthogonalise(direction.reshape(36, 8))).reshape(3, 3, 4, 8)
    np.testing.assert_allclose(before - keras.ops.convert_to_numpy(kernel), expected, atol=1e-5)


def trained_once(optimizer, noisy):
    keras.utils.set_random_seed(3)
    model = ssdn_keras.Denoiser("gauss25", channels=1, filters=4)
    model.compile(optimizer)
    model.fit({"noisy": noisy}, batch_size=2, verbose=0)
    return {variable.path.split("/", 1)[1]: np.array(variable) for variable in model.trainable_variables}


def test_biases_and_the_last_layer_are_updated_by_adam():
    noisy = np.random.RandomState(0).rand(2, 32, 32, 1).astype("float32")
    constant = {"rate": 1e-3, "ramp_up": 0, "ramp_down": 0}
    adam, muon = (trained_once(make_optimizer(name, **constant), noisy) for name in ("adam", "muon"))
    for path, value in adam.items():
        by_adam = path.endswith("bias") or "nin_c" in path
        assert np.array_equal(value, muon[path]) == by_adam, path


def test_it_learns():
    model = ssdn_keras.Denoiser("gauss25", "per_image", channels=1, filters=4)
    model.compile(make_optimizer("muon", ramp_up=0, ramp_down=0))
    noisy = np.random.RandomState(0).rand(2, 32, 32, 1).astype("float32")
    losses = model.fit({"noisy": noisy}, batch_size=2, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_compile_takes_its_name_and_stretches_the_published_ramps_over_the_fit():
    model = ssdn_keras.Denoiser("gauss25", channels=1, filters=4)
    model.compile("Muon")
    assert isinstance(model.optimizer, Muon)
    model.fit(np.random.RandomState(0).rand(10, 32, 32, 1).astype("float32"), batch_size=1, verbose=0)
    rates = [float(model.optimizer._learning_rate(step)) for step in (0, 1, 6, 10)]
    assert rates == pytest.approx([0, 1e-3, 1e-3, 0], abs=1e-9)


def test_a_step_that_is_not_finite_leaves_it_as_it_was():
    model = ssdn_keras.Denoiser("gauss25", channels=1, filters=4)
    model.compile(make_optimizer("muon", ramp_up=0))
    good = np.random.RandomState(0).rand(2, 32, 32, 1).astype("float32")
    model.fit({"noisy": good}, batch_size=2, verbose=0)
    before = [np.array(v) for v in [*model.weights, *model.optimizer.variables]]
    history = model.fit({"noisy": np.full_like(good, np.nan)}, batch_size=2, verbose=0).history
    assert history["skipped_steps"] == [1.0]
    for old, new in zip(before, [*model.weights, *model.optimizer.variables], strict=True):
        np.testing.assert_array_equal(old, new)


def test_it_is_the_same_again_from_its_configuration():
    optimizer = make_optimizer("muon", ema=0.9, rate=0.002, images=100, minibatch=1)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is Muon and again.get_config() == optimizer.get_config()
    assert again.adam_layers == ("nin_c",) and (again.beta_1, again.beta_2, again.epsilon) == (0.9, 0.99, 1e-8)


@pytest.mark.parametrize("make", [TrainSettings, partial(Reproduction, train_clean="x", evaluate=())])
def test_settings_have_the_rate_of_their_optimiser(make):
    assert [make(optimizer=name).learning_rate for name in ("adam", "muon")] == [3e-4, 1e-3]
    assert make(optimizer="muon", learning_rate=2e-3).learning_rate == 2e-3


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="did you mean muon"):
        make_optimizer("moun")


@pytest.mark.parametrize("arguments,optimizer,rate", [
    ([], "adam", "0.0003"), (["--optimizer=muon"], "muon", "0.001"),
    (["--optimizer=muon", "--learning_rate=0.002"], "muon", "0.002"),
])  # fmt: skip
def test_the_command_has_a_rate_for_each(capfd, photographs, tmp_path, arguments, optimizer, rate):
    common = [f"--train_clean={photographs}", "--channels=1", "--filters=4", "--crop=32", "--images=8"]
    code, _, err = run(capfd, "train", *common, *arguments, f"--run_dir={tmp_path / 'run'}")
    assert code == 0, err
    lines = (tmp_path / "run" / "flags.cfg").read_text().splitlines()
    assert {f"--optimizer={optimizer}", f"--learning_rate={rate}"} <= set(lines)


def test_the_command_refuses_another_name(capfd, photographs):
    fails(capfd, 2, "optimizer", "train", f"--train_clean={photographs}", "--optimizer=sgd")
