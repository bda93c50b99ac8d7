"""The ramps of the learning rate."""

import math

import keras
from keras import ops

from ssdn_keras.model.layers import PACKAGE

PUBLISHED_IMAGES = 2_000_000
PUBLISHED_RATE = 3e-4


@keras.saving.register_keras_serializable(package=PACKAGE)
class RampedLearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Rising as ½ − ½ cos over the first part of a training, falling as (½ + ½ cos)² over the last (paper, section 4).

    Args:
        rate: the constant rate in between.
        images: length N of the training, in images.
        minibatch: images per step; the rate of a step follows from the number n of images seen before it.
        ramp_up, ramp_down: fractions of N, 0 for no ramp.
        first_step: step at which n = 0.
    """

    def __init__(
        self,
        rate=PUBLISHED_RATE,
        images=PUBLISHED_IMAGES,
        minibatch=4,
        ramp_up=0.1,
        ramp_down=0.3,
        first_step=0,
    ):
        self.rate, self.images, self.minibatch = rate, images, minibatch
        self.ramp_up, self.ramp_down, self.first_step = ramp_up, ramp_down, first_step

    def __call__(self, step):
        done = ops.cast(step - self.first_step, "float32") * (self.minibatch / self.images)
        done = ops.clip(done, 0.0, 1.0)
        rate = ops.full_like(done, self.rate)
        if self.ramp_up > 0:
            rising = ops.minimum(done / self.ramp_up, 1.0)
            rate = rate * (0.5 - 0.5 * ops.cos(math.pi * rising))
        if self.ramp_down > 0:
            falling = ops.maximum((done - (1.0 - self.ramp_down)) / self.ramp_down, 0.0)
            rate = rate * ops.square(0.5 + 0.5 * ops.cos(math.pi * falling))
        return rate

    def get_config(self):
        names = ("rate", "images", "minibatch", "ramp_up", "ramp_down", "first_step")
        return {name: getattr(self, name) for name in names}
