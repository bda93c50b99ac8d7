"""What the training steps of all backends share."""

import keras
from keras import ops


class SkippedSteps(keras.metrics.Metric):
    """Number of skipped steps since the model was compiled; never reset."""

    def __init__(self, name="skipped_steps", **kwargs):
        super().__init__(name=name, **kwargs)
        # Every replica counts the same steps: their number is the mean, not the sum.
        self.count = self.add_variable((), initializer="zeros", dtype="float32", name="count", aggregation="mean")

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
