"""LeakyReLU as the networks use it."""

import keras
from keras import ops

SLOPE = 0.1


def _leaky_relu_from_output(x):
    import tensorflow as tf

    def gradient(upstream):
        return tf.raw_ops.LeakyReluGrad(gradients=upstream, features=output, alpha=SLOPE)

    output = tf.nn.leaky_relu(x, SLOPE)
    return output, gradient


def leaky_relu(x):
    """LeakyReLU(0.1).

    In TensorFlow its gradient is taken from its output, which has the sign of its input. Then nothing needs the input
    later: its memory is free, and convolution, bias and activation become one operation.
    """
    if keras.backend.backend() == "tensorflow":
        return ops.custom_gradient(_leaky_relu_from_output)(x)
    return ops.leaky_relu(x, SLOPE)
