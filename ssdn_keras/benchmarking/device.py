"""What the device can do at most: its matrix rate and its copy bandwidth, measured; and its memory."""

import keras
import numpy as np
from keras import ops

from ssdn_keras.benchmarking.clock import Clock

WARM_UP, REPEATS = 2, 7
# (side of a matrix, products) and MiB of an array: enough to keep a GPU, and a processor, busy.
MATRIX = {True: (8192, 16), False: (1024, 8)}
ARRAY = {True: 1024, False: 256}
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


def matrix_rates(dtype):
    """Products of square matrices: (operations of one figure, `Clock` that timed the figures)."""
    side, products = MATRIX[has_gpu()]
    values = np.random.default_rng(0).standard_normal((side, side)) / side**0.5
    matrix = ops.cast(ops.convert_to_tensor(values.astype("float32")), dtype)

    @compiled
    def multiply(matrix):
        product = matrix
        for _ in range(products):
            product = ops.matmul(product, matrix)
        return ops.cast(product[0, 0], "float32")

    clock = Clock(WARM_UP)
    for _ in range(WARM_UP + REPEATS):
        with clock:
            float(ops.convert_to_numpy(multiply(matrix)))  # reading a number is waiting for it
    return products * 2 * side**3, clock


def copy_bandwidths():
    """Copies of a large array: (bytes read and written in one figure, `Clock` that timed the figures)."""
    numbers, copies = ARRAY[has_gpu()] * 2**18, 8
    array = ops.zeros((numbers,), dtype="float32")
    # Not a plain copy, which a compiler may leave out.
    copy = compiled(lambda array: array + 1.0)
    clock = Clock(WARM_UP)
    for _ in range(WARM_UP + REPEATS):
        with clock:
            moved = array
            for _ in range(copies):
                moved = copy(moved)
            float(ops.convert_to_numpy(moved[0]))
    return copies * 2 * 4 * numbers, clock


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
