"""Time to denoise one image, array in and array out, as `denoise` does it."""

import numpy as np

from ssdn_keras.benchmarking import operations
from ssdn_keras.benchmarking.clock import Clock
from ssdn_keras.benchmarking.device import BYTES, device_memory
from ssdn_keras.benchmarking.measurement import Measurement
from ssdn_keras.interop.measured import Measured


def denoising(model, height, width, level, repeats, warm_up):
    """Measure the denoising of one image of random pixels; `level` is the noise's, if the model wants to know it."""
    image = np.random.default_rng(0).random((height, width, model.channels), dtype=np.float32)
    clock = Clock(warm_up)
    device_memory(forget=True)
    with Measured() as measured:
        for _ in range(warm_up + repeats):
            with clock:
                model.denoise(image, noise_level=level)
    size = BYTES[model.dtype_policy.compute_dtype]
    return Measurement(
        clock=clock,
        units=1,
        images=1,
        pixels=height * width,
        operations=operations.forward_operations(model, height, width),
        traffic=operations.forward_traffic(model, height, width, size),
        host_memory=measured.memory,
        device_memory=device_memory(),
    )
