"""The training step for the JAX backend."""

import keras
from keras import ops

from ssdn_keras.model.train_step.common import all_finite


class JaxTrainStep:
    """`train_step` for the JAX backend: the same step as a function of the state."""

    def train_step(self, state, data):
        """One step: forward, prior-integrated loss, gradient, update; skipped whole if a gradient is not finite."""
        import jax

        trainable, non_trainable, optimizer_variables, metrics_variables = state
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        gradient_function = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
        (_, (loss, y_pred, non_trainable, metrics_variables)), gradients = gradient_function(
            trainable,
            non_trainable,
            metrics_variables,
            x,
            y,
            sample_weight,
            training=True,
            optimizer_variables=optimizer_variables,
        )
        finite = all_finite(gradients)
        updated = self.optimizer.stateless_apply(optimizer_variables, gradients, trainable)
        trainable, optimizer_variables = jax.tree_util.tree_map(
            lambda new, old: ops.where(finite, new, old), tuple(updated), (trainable, optimizer_variables)
        )
        mapping = list(zip(self.metrics_variables, metrics_variables, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            self.skipped_steps.update_state(finite)
            self._loss_tracker.update_state(ops.where(finite, loss, 0.0), sample_weight=ops.cast(finite, "float32"))
            logs = self.compute_metrics(x, y, y_pred, sample_weight)
        metrics_variables = [
            value if scope.get_current_value(variable) is None else scope.get_current_value(variable)
            for variable, value in mapping
        ]
        return logs, (trainable, non_trainable, optimizer_variables, metrics_variables)
