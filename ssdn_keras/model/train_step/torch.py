"""The training step for the PyTorch backend."""

import keras
from keras import ops

from ssdn_keras.model.train_step.common import all_finite


class TorchTrainStep:
    """`train_step` for the PyTorch backend."""

    def train_step(self, data):
        """One step: forward, prior-integrated loss, gradient, update; skipped whole if a gradient is not finite."""
        import torch

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        weights = self.trainable_weights
        with torch.enable_grad():
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            # Not backward(), which would leave the gradients, of a skipped step too, in the `.grad` of the variables.
            gradients = torch.autograd.grad(self.optimizer.scale_loss(loss), [weight.value for weight in weights])
        with torch.no_grad():
            finite = all_finite(gradients)
            if finite:
                self.optimizer.apply(list(gradients), weights)
            self.skipped_steps.update_state(finite)
            self._loss_tracker.update_state(ops.where(finite, loss, 0.0), sample_weight=ops.cast(finite, "float32"))
            return self.compute_metrics(x, y, y_pred, sample_weight)
