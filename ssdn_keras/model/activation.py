"""LeakyReLU as the networks use it."""

import keras
from keras import ops

SLOPE = 0.1


def leaky_relu(x, padding=None):
    """LeakyReLU(0.1), with zeros around it where what comes next wants them.

    In TensorFlow its gradient is taken from its output, which has the sign of its input. Then nothing needs the input
    later: its memory is free, and convolution, bias and activation become one operation. And it is taken from the
    padded output, which the next convolution keeps for its own gradient: the same map is not kept twice.

    Args:
        x: N×H×W×C.
        padding: as for `keras.ops.pad`, or None.
    """
    if keras.backend.backend() == "tensorflow":
        return ops.custom_gradient(lambda x: _leaky_relu_from_output(x, padding))(x)
    return plain_leaky_relu(x, padding)


def plain_leaky_relu(x, padding=None):
    """The same with the backend's own gradient."""
    x = ops.leaky_relu(x, SLOPE)
    return x if padding is None else ops.pad(x, padding)


def _leaky_relu_from_output(x, padding):
    import tensorflow as tf

    output = tf.nn.leaky_relu(x, SLOPE)
    if padding is not None:
        output, shape = tf.pad(output, padding), tf.shape(x)

    def gradient(upstream):
        whole = tf.raw_ops.LeakyReluGrad(gradients=upstream, features=output, alpha=SLOPE)
        return whole if padding is None else tf.slice(whole, [before for before, _ in padding], shape)

    return output, gradient
