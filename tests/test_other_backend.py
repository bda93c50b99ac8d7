"""The same model on JAX: parity, gradients of the noise models, and the training step, in a process of their own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
SELECTION = (
    "test_parity or lowers_the_loss and known or skipped_whole or published_one or "
    "test_noise_mathematics and gradient or one_pixel_is_invisible and 33-47 or "
    "test_annealed_loss and (anneal or finite) or depends_on_masked_pixels"
)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed: pip install jax")
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="this is JAX already")
def test_on_jax():
    files = ["test_parity.py", "test_training_step.py", "test_noise_mathematics.py", "test_blindness.py",
             "test_annealed_loss.py", "test_masking.py"]  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "-k", SELECTION, *(str(HERE / name) for name in files)]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=HERE.parent)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
