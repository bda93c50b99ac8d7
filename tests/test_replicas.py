"""Two replicas of tf.distribute.MirroredStrategy train as one does, on two logical processors."""

import subprocess
import sys

import keras
import pytest

PROGRAM = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, ssdn_keras

def train(strategy):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = ssdn_keras.Denoiser("gauss25", channels=1)
        model.compile(keras.optimizers.SGD(1e-3))
    x = {"noisy": np.random.RandomState(0).rand(4, 32, 32, 1).astype("float32")}
    history = model.fit(tf.data.Dataset.from_tensors(x).repeat(2), verbose=0).history
    return history["loss"][0], model.get_weights()

one, two = train(tf.distribute.get_strategy()), train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
np.testing.assert_allclose(one[0], two[0], rtol=1e-5)
for a, b in zip(one[1], two[1]):
    np.testing.assert_allclose(a, b, atol=1e-6)
print("replicas agree")
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute needs the TensorFlow backend")
def test_two_replicas_train_as_one():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0 and "replicas agree" in done.stdout, done.stderr[-2000:]
