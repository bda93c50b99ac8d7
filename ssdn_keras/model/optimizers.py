"""The published optimiser, and a faster one."""

import keras

from ssdn_keras.choices import OPTIMIZERS, check_choice
from ssdn_keras.model.muon import Muon
from ssdn_keras.model.schedule import RampedLearningRate


def published_optimizer(ema=None, **schedule):
    """Adam with β1 = 0.9, β2 = 0.99, ε = 1e-8 and the ramped learning rate (paper, section 4).

    Args:
        ema: momentum of an exponential moving average of the weights that replaces them at the end, or None.
        schedule: arguments of `RampedLearningRate`.
    """
    return make_optimizer("adam", ema, **schedule)


def make_optimizer(name, ema=None, **schedule):
    """The published Adam ("adam"), or Muon ("muon") for kernels and the published Adam for the rest.

    Args:
        name: one of `ssdn_keras.choices.OPTIMIZERS`, which has the rate that each has unless `schedule` gives one.
        ema, schedule: see `published_optimizer`.

    Raises:
        ValueError: there is no such optimiser.
    """
    check_choice("optimizer", name, OPTIMIZERS)
    schedule.setdefault("rate", OPTIMIZERS[name])
    common = {
        "learning_rate": RampedLearningRate(**schedule),
        "beta_1": 0.9,
        "beta_2": 0.99,
        "epsilon": 1e-8,
        "use_ema": ema is not None,
        "ema_momentum": ema if ema is not None else 0.99,
    }
    if name == "muon":
        # The last layer's outputs are means and entries of a covariance: no directions that could be mixed.
        return Muon(adam_layers=["nin_c"], **common)
    return keras.optimizers.Adam(**common)
