"""Minibatches for both programs: the same crops, noise and targets."""

import numpy as np

from ssdn_keras.algorithms.regression import annealed_exponent
from ssdn_keras.data.pipeline import training_crops


def batches(source, experiment, *, crop, minibatch, steps, seed, first_step=0):
    """Yield `steps` − `first_step` minibatches as arguments of `train_on`, without the rate.

    The exponent of an annealed loss falls over `steps`, as in the authors' program the same for a whole minibatch.
    """
    crops = training_crops(
        source, experiment.noise, crop=crop, minibatch=minibatch, channels=experiment.channels, seed=seed,
        algorithm=experiment.algorithm, start=first_step * minibatch, count=(steps - first_step) * minibatch,
        length=steps * minibatch,
    )  # fmt: skip
    for number, (x, y) in enumerate(crops.as_numpy_iterator(), first_step):
        reference = {"n2c": y.get("clean"), "n2n": y.get("second")}.get(experiment.algorithm)
        exponent = float(np.array(annealed_exponent(np.float32(number / steps))))
        yield {"noisy": x["noisy"], "level": x["noise_level"], "reference": reference, "exponent": exponent}
