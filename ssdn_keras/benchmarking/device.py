"""What the device can do at most: its matrix rate and its copy bandwidth, measured; and its memory."""

import time

import keras
import numpy as np
from keras import ops

REPEATS = 7
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def compiled(function):
    """The function as the backend runs it fastest."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    if backend == "jax":
        import jax

        return jax.jit(function)
    return function


def has_gpu():
    """Whether the backend computes on an accelerator."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import torch

    return torch.cuda.is_available()


def seconds_of(function, *arguments):
    """Seconds of each call, after two that warm up. The function returns one number; reading it is waiting for it."""
    function = compiled(function)
    times = []
    for _ in range(REPEATS + 2):
        began = time.perf_counter()
        float(ops.convert_to_numpy(function(*arguments)))
        times.append(time.perf_counter() - began)
    return times[2:]


def matrix_rates(dtype):
    """Operations per second of products of square matrices, one figure per repeat.

    A product is asked for in two ways, and the one that is faster here counts: as such, and as a 1×1 convolution. (On a
    CPU TensorFlow uses another library for each, one of which is several times slower in float32.)
    """
    side, products = (8192, 16) if has_gpu() else (1024, 8)
    values = np.random.default_rng(0).standard_normal((side, side)) / side**0.5
    matrix = ops.cast(ops.convert_to_tensor(values.astype("float32")), dtype)
    height = 2 ** (side.bit_length() // 2)

    def multiply(matrix):
        product = matrix
        for _ in range(products):
            product = ops.matmul(product, matrix)
        return ops.cast(product[0, 0], "float32")

    def convolve(matrix):
        product = ops.reshape(matrix, (1, height, side // height, side))
        for _ in range(products):
            product = ops.conv(product, ops.reshape(matrix, (1, 1, side, side)), padding="valid")
        return ops.cast(product[0, 0, 0, 0], "float32")

    work = products * 2 * side**3
    return max(([work / seconds for seconds in seconds_of(way, matrix)] for way in (multiply, convolve)), key=np.median)


def copy_bandwidths(megabytes=None, copies=8):
    """Bytes per second, read and written, of copying a large array, one figure per repeat."""
    megabytes = megabytes or (1024 if has_gpu() else 256)
    array = ops.zeros((megabytes * 2**20 // 4,), dtype="float32")
    # Not a plain copy, which a compiler may leave out.
    copy = compiled(lambda array: array + 1.0)
    bandwidths = []
    for _ in range(REPEATS + 2):
        began, moved = time.perf_counter(), array
        for _ in range(copies):
            moved = copy(moved)
        float(ops.convert_to_numpy(moved[0]))
        bandwidths.append(copies * 2 * 4 * array.shape[0] / (time.perf_counter() - began))
    return bandwidths[2:]


def device_memory(forget=False):
    """Peak bytes of the accelerator, or None where there is none or the backend does not count them.

    With `forget`, TensorFlow and PyTorch count anew from here; JAX counts from the start of the process.
    """
    if not has_gpu():
        return None
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
        if forget:
            tf.config.experimental.reset_memory_stats("GPU:0")
        return peak
    if backend == "jax":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    import torch

    peak = torch.cuda.max_memory_allocated()
    if forget:
        torch.cuda.reset_peak_memory_stats()
    return peak
