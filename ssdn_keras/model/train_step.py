"""One training step that leaves everything as it was when a gradient is not finite. One class per Keras backend."""

import keras
from keras import ops


class SkippedSteps(keras.metrics.Metric):
    """Number of skipped steps since the model was compiled; never reset."""

    def __init__(self, name="skipped_steps", **kwargs):
        super().__init__(name=name, **kwargs)
        self.count = self.add_variable((), initializer="zeros", dtype="float32", name="count")

    def update_state(self, finite):
        """Count a step whose gradient was not finite."""
        self.count.assign_add(1.0 - ops.cast(finite, "float32"))

    def reset_state(self):
        """Keep the count: a skipped step must not vanish at the end of an epoch."""

    def result(self):
        """The count."""
        return ops.convert_to_tensor(self.count)


def all_finite(gradients):
    """Whether every entry of every gradient is finite: a boolean scalar."""
    return ops.all(ops.stack([ops.all(ops.isfinite(gradient)) for gradient in gradients]))


class TensorFlowTrainStep:
    """`train_step` for the TensorFlow backend."""

    def train_step(self, data):
        """One step: forward, prior-integrated loss, gradient, update; skipped whole if a gradient is not finite."""
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, self.trainable_weights)
        finite = all_finite(gradients)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            # A branch cannot hold the exchange between replicas: all of them agree first, then a bad step's gradients
            # are replaced by zeros.
            finite = tf.distribute.get_replica_context().all_reduce("MEAN", tf.cast(finite, tf.float32)) > 0.999
            gradients = [tf.where(finite, gradient, tf.zeros_like(gradient)) for gradient in gradients]
            self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        else:
            tf.cond(
                finite,
                lambda: self._apply(gradients),
                lambda: tf.constant(False),
            )
        self.skipped_steps.update_state(finite)
        # Each replica's loss was divided by their number; what is shown is the loss of the whole minibatch.
        shown = ops.where(finite, loss * replicas, 0.0)
        self._loss_tracker.update_state(shown, sample_weight=ops.cast(finite, "float32"))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def _apply(self, gradients):
        import tensorflow as tf

        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return tf.constant(True)


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


TrainStep = JaxTrainStep if keras.backend.backend() == "jax" else TensorFlowTrainStep
