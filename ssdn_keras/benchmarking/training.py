"""Time of a training step, in a training by `fit` on one minibatch that is in memory."""

import keras
import numpy as np

from ssdn_keras.benchmarking import operations
from ssdn_keras.benchmarking.clock import Clock
from ssdn_keras.benchmarking.device import BYTES, device_memory
from ssdn_keras.benchmarking.measurement import Measurement
from ssdn_keras.data import training_crops
from ssdn_keras.interop.measured import Measured


class EpochTimes(keras.callbacks.Callback):
    """Times each epoch. Keras has read the loss when an epoch ends: the device is done by then."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_epoch_begin(self, epoch, logs=None):
        """Start of the clock."""
        self.clock.__enter__()

    def on_epoch_end(self, epoch, logs=None):
        """End of it."""
        self.clock.__exit__()


def repeated_minibatch(model, crop, minibatch, noise):
    """A dataset that gives one minibatch of random images again and again."""
    import tensorflow as tf

    side = crop + 8
    images = np.random.default_rng(0).integers(0, 256, (minibatch, side, side, model.channels), dtype=np.uint8)
    images = [image[..., 0] if model.channels == 1 else image for image in images]
    crops = training_crops(
        images, noise, crop=crop, minibatch=minibatch, channels=model.channels, algorithm=model.algorithm.name,
        count=minibatch,
    )  # fmt: skip
    return tf.data.Dataset.from_tensors(next(iter(crops))).repeat().prefetch(2).with_options(crops.options())


def training_step(model, crop, minibatch, noise, repeats, steps, warm_up):
    """Measure a training step.

    Args:
        model: compiled `Denoiser`.
        crop, minibatch: side and number of the images of a step.
        noise: name of noise and level.
        repeats: figures to take.
        steps: steps of each figure.
        warm_up: figures that are thrown away before.

    Returns:
        `Measurement`.
    """
    clock = Clock(warm_up)
    batches = repeated_minibatch(model, crop, minibatch, noise)
    device_memory(forget=True)
    with Measured() as measured:
        model.fit(batches, epochs=warm_up + repeats, steps_per_epoch=steps, verbose=0, callbacks=[EpochTimes(clock)])
    size = BYTES[model.dtype_policy.compute_dtype]
    passes = minibatch * operations.PASSES_OF_A_STEP
    return Measurement(
        clock=clock,
        units=steps,
        images=minibatch,
        pixels=minibatch * crop**2,
        operations=passes * operations.forward_operations(model, crop, crop),
        traffic=passes * operations.forward_traffic(model, crop, crop, size),
        host_memory=measured.memory,
        device_memory=device_memory(),
    )
