"""Where random numbers come from: one interface for the input pipeline (TensorFlow) and for fixed protocols (NumPy)."""

import numpy as np


class NumpyRandom:
    """Draws from `numpy.random.RandomState`, whose streams NumPy keeps the same on every machine and in every version.

    Args:
        seed: integers of 0 … 2³² − 1, such as (seed, image, repeat).
    """

    def __init__(self, *seed):
        self._state = np.random.RandomState([int(part) % 2**32 for part in seed])

    def normal(self, shape):
        """Standard normal values."""
        return self._state.standard_normal(tuple(shape)).astype("float32")

    def uniform(self, shape):
        """Uniform values in [0, 1)."""
        return self._state.random_sample(tuple(shape)).astype("float32")

    def below(self, shape, probability):
        """1 with the given probability, else 0."""
        return (self._state.random_sample(tuple(shape)) < probability).astype("float32")

    def poisson(self, rate):
        """Poisson counts of the given rates."""
        return self._state.poisson(rate).astype("float32")

    def quantise(self, values, low, high, step):
        """Values clipped to low … high and rounded to steps from `low`; not rounded if `step` is 0."""
        values = np.clip(values, low, high)
        return np.float32(low + np.rint((values - low) / step) * step if step else values)


class StatelessRandom:
    """Stateless TensorFlow draws: the same seed gives the same values at any time, in any order, on any device.

    Args:
        seed: integer tensor of shape (2,), such as (run seed, example index).
    """

    def __init__(self, seed):
        self._seed = seed
        self._draws = 0

    def _next(self):
        import tensorflow as tf

        self._draws += 1
        return tf.random.experimental.stateless_fold_in(self._seed, self._draws)

    def normal(self, shape):
        """Standard normal values."""
        import tensorflow as tf

        return tf.random.stateless_normal(shape, self._next())

    def uniform(self, shape):
        """Uniform values in [0, 1)."""
        import tensorflow as tf

        return tf.random.stateless_uniform(shape, self._next())

    def below(self, shape, probability):
        """1 with the given probability, else 0."""
        import tensorflow as tf

        return tf.cast(tf.random.stateless_uniform(shape, self._next()) < probability, tf.float32)

    def poisson(self, rate):
        """Poisson counts of the given rates."""
        import tensorflow as tf

        return tf.random.stateless_poisson(tf.shape(rate), self._next(), rate, dtype=tf.float32)

    def quantise(self, values, low, high, step):
        """Values clipped to low … high and rounded to steps from `low`; not rounded if `step` is 0."""
        import tensorflow as tf

        values = tf.clip_by_value(values, low, high)
        return low + tf.round((values - low) / step) * step if step else values


def draw_parameter(spec, random):
    """A noise parameter of `spec` in the network's units, uniform over its range; of shape `spec.parameter_shape`."""
    low, high = spec.parameters
    return low + (high - low) * random.uniform(spec.parameter_shape)
