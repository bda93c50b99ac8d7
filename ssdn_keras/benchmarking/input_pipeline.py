"""Minibatches per second of the input pipeline alone: reading, cropping, noise."""

import time

from ssdn_keras.data import training_crops

PARTS, WARM_UP = 5, 10


def minibatch_rates(images, seconds, **settings):
    """Minibatches per second in each of five parts of the time; `settings` are those of `training_crops`."""
    batches, rates = iter(training_crops(images, **settings)), []
    for _ in range(WARM_UP):
        next(batches)
    for _ in range(PARTS):
        count, began = 0, time.monotonic()
        while time.monotonic() - began < seconds / PARTS:
            next(batches)
            count += 1
        rates.append(count / (time.monotonic() - began))
    return rates
