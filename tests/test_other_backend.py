"""The same model on JAX and PyTorch: parity, gradients, the training step, and files that go between the backends."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import ssdn_keras

HERE = Path(__file__).parent
FILES = {"jax": ["test_parity.py", "test_training_step.py", "test_noise_mathematics.py", "test_blindness.py",
                 "test_annealed_loss.py", "test_masking.py", "test_mean_start.py", "test_optimizers.py",
                 "test_speed.py", "test_likelihood.py"]}  # fmt: skip
FILES["torch"] = [*FILES["jax"], "test_layers.py", "test_denoiser.py", "test_clipped_noise.py"]
SELECTIONS = {
    "jax": "test_parity or lowers_the_loss and known or skipped_whole or published_one or "
    "test_noise_mathematics and gradient or one_pixel_is_invisible and 33-47 or "
    "test_annealed_loss and (anneal or finite) or depends_on_masked_pixels or test_mean_start and not training or "
    "one_update or nesterov or orthogonal or leaky or test_optimizers and (finite or learns or by_adam) or "
    "test_likelihood and (true_one or spread_over or unless_it_is_given or leave_out)"
}
SELECTIONS["torch"] = (
    f"{SELECTIONS['jax']} or moving_average or mixed_precision and global or no_gradient or test_layers or goes_on "
    "or eight_bit_files_turn"  # the command `train`
)
ENVIRONMENTS = {
    "jax": {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
    # PyTorch's threads wait for each other actively: on processors that have other work they are slower than one.
    "torch": {"KERAS_BACKEND": "torch", "KERAS_TORCH_DEVICE": "cpu", "OMP_NUM_THREADS": "1"},
}
# Loads a model and writes what it makes of an image, then trains it and writes the file and the result again.
PROGRAM = """
import sys
import keras, numpy as np
import ssdn_keras

given, noisy, before, trained, after = sys.argv[1:]
model, noisy = ssdn_keras.load(given), np.load(noisy)
np.save(before, model.predict_images(noisy)["denoised"])
model.compile(keras.optimizers.Adam(1e-3))
losses = model.fit({"noisy": noisy}, epochs=4, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses
model.save(trained)
np.save(after, model.predict_images(noisy)["denoised"])
"""


def on(backend, arguments, **kwargs):
    """Run Python on another backend; the finished process."""
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, **ENVIRONMENTS[backend]}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=HERE.parent, **kwargs)


@pytest.fixture(params=["jax", "torch"])
def other(request):
    """Name of a backend that is installed and is not the one that runs."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed: pip install {request.param}")
    if keras.backend.backend() == request.param:
        pytest.skip(f"this is {request.param} already")
    return request.param


@pytest.mark.slow
def test_selected_tests(other):
    files = [str(HERE / name) for name in FILES[other]]
    done = on(other, ["-m", "pytest", "-q", "-k", SELECTIONS[other], *files])
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout


@pytest.mark.slow
def test_model_files_go_there_and_back(other, tmp_path):
    paths = [str(tmp_path / name) for name in ("given.keras", "noisy.npy", "before.npy", "trained.keras", "after.npy")]
    given, noisy_file, before, trained, after = paths
    keras.utils.set_random_seed(0)
    model = ssdn_keras.Denoiser("gauss25", "per_image")
    noisy = np.random.RandomState(0).rand(2, 37, 50, 3).astype("float32")
    model.save(given)
    np.save(noisy_file, noisy)
    done = on(other, ["-c", PROGRAM, *paths])
    assert done.returncode == 0, done.stderr[-3000:]
    # The posterior of a network that has learnt nothing is ill-conditioned: 5e-5 was seen (JAX), 1.5e-5 (PyTorch).
    np.testing.assert_allclose(np.load(before), model.predict_images(noisy)["denoised"], rtol=0, atol=2e-4)
    back = ssdn_keras.load(trained)
    np.testing.assert_allclose(np.load(after), back.predict_images(noisy)["denoised"], rtol=0, atol=2e-4)
