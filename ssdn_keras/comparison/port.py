"""This package's denoiser under the requests that `OriginalProgram` answers."""

import keras
import numpy as np

from ssdn_keras.interop import original
from ssdn_keras.interop.measured import Measured


class Port:
    """A `Denoiser` as the counterpart of the authors' program.

    Args:
        model: `Denoiser`.
    """

    sees_padding = "square"

    def __init__(self, model):
        self.model, self.noise, self.estimated = model, model.noise, model.estimated
        model.compile(keras.optimizers.Adam(0.0, beta_1=0.9, beta_2=0.99, epsilon=1e-8))

    def restore(self, noisy, parameter=None):
        """Outputs for one image H×W×C."""
        return self.model.restore(noisy, parameter)

    def measured_restore(self, noisy, parameter=None):
        """(what `restore` returns, seconds, peak of this process's memory in bytes)."""
        with Measured() as measured:
            outputs = self.restore(noisy, parameter)
        return outputs, measured.seconds, measured.memory

    def _batch(self, noisy, level, reference=None, exponent=0.5):
        """(inputs, targets) of the model."""
        x = {"noisy": np.asarray(noisy, "float32"), "noise_level": np.asarray(level, "float32")}
        reference = x["noisy"] if reference is None else np.asarray(reference, "float32")
        progress = np.full(len(reference), 1.0 - exponent / 2.0, "float32")
        return x, {"clean": reference, "second": reference, "progress": progress}

    def loss_map(self, noisy, level, reference=None, exponent=0.5):
        """Loss N×H×W×C or N×H×W; arguments as for `OriginalProgram.loss_map`."""
        return np.array(self.model.loss_per_pixel(*self._batch(noisy, level, reference, exponent)))

    def gradients(self, noisy, level, reference=None, exponent=0.5):
        """(loss, dict of variable name to gradient) of a minibatch."""
        import tensorflow as tf

        x, y = self._batch(noisy, level, reference, exponent)
        named = original.variable_objects(self.model)
        values = [variable.value for variable in named.values()]
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(x=x, y=y, y_pred=self.model(x, training=True))
        gradients = tape.gradient(loss, values)
        return float(loss), {name: np.array(gradient) for name, gradient in zip(named, gradients, strict=True)}

    def train_on(self, noisy, level, rate, **beside):
        """One step on a minibatch; the loss before it."""
        self.model.optimizer.learning_rate.assign(rate)
        logs = self.model.train_on_batch(*self._batch(noisy, level, **beside), return_dict=True)
        self.model.reset_metrics()
        return float(logs["loss"]), None

    def variables(self):
        """Its weights by the authors' names."""
        return original.variables(self.model)

    def load_variables(self, arrays):
        """Set its weights from arrays by the authors' names."""
        original.load_variables(self.model, arrays)
