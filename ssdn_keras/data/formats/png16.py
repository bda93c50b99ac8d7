"""PNG files of 16-bit colour, which Pillow neither reads nor writes: TensorFlow does both."""

import numpy as np

from ssdn_keras.data.images import ImageError

# Colour types of the format to channels beside alpha.
_CHANNELS = {2: 3, 4: 1, 6: 3}


def channels(colour_type):
    """Channels beside alpha."""
    return _CHANNELS[colour_type]


def decode(data):
    """Bytes of a file to uint16 H×W×C, alpha last; raises ImageError."""
    import tensorflow as tf

    try:
        with tf.device("CPU"):
            return tf.io.decode_png(data, dtype=tf.uint16).numpy()
    except tf.errors.OpError:
        raise ImageError("damaged PNG file") from None


def encode(values):
    """uint16 H×W×C, of 1 to 4 channels, to the bytes of a file."""
    import tensorflow as tf

    with tf.device("CPU"):
        return tf.io.encode_png(np.ascontiguousarray(values)).numpy()
