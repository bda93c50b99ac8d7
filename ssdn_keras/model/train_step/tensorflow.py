"""The training step for the TensorFlow backend."""

import keras
from keras import ops

from ssdn_keras.model.train_step.common import all_finite


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
            finite = tf.distribute.get_replica_context().all_reduce("MEAN", tf.cast(finite, tf.float32)) > 0.999
            self._apply_on_replicas(gradients, finite)
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
        logs = self.compute_metrics(x, y, y_pred, sample_weight)
        if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
            logs = {name: ops.reshape(value, (1,)) for name, value in logs.items()}  # Keras averages them over axis 0
        return logs

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: all is built. (Under tf.distribute Keras would trace the model on one minibatch, averaged over the
        replicas, and cannot do that between workers.)"""

    def _apply_on_replicas(self, gradients, finite):
        """Apply the gradients on all replicas; a step that is not finite is taken back.

        A branch cannot hold the exchange between replicas. So the step is always made, and its variables, which are
        small beside the activations, get their former values again.
        """
        import tensorflow as tf

        variables = [v.value for v in [*self.trainable_weights, *self.optimizer.variables]]
        former = [tf.identity(variable) for variable in variables]
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))

        def take_back(strategy, finite, former):
            for variable, old in zip(variables, former, strict=True):
                strategy.extended.update(
                    variable,
                    lambda new, old, keep: new.assign(tf.where(keep, new, old)),
                    args=(old, finite),
                    group=False,
                )

        tf.distribute.get_replica_context().merge_call(take_back, args=(finite, former))

    def _apply(self, gradients):
        import tensorflow as tf

        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return tf.constant(True)
