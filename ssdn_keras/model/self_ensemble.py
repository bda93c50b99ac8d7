"""Averaging over rotations and reflections of an image (Lim et al., CVPR Workshops 2017, section 3.4).

The network's four views are rotations of one another, but what joins them is not the same for all: turned images give
slightly other results, whose mean is better than each.
"""

import numpy as np

from ssdn_keras.symmetries import TURNS, back, turn


def average(outputs_of, image):
    """Mean outputs over all eight turns of an image; of standard deviations the root of the mean square.

    Args:
        outputs_of: function of an image H×W×C to a dict of arrays H×W×C or H×W.
        image: H×W×C.
    """
    sums = {}
    for each in TURNS:
        for name, value in outputs_of(np.ascontiguousarray(turn(image, *each))).items():
            value = back(np.asarray(value, "float32"), *each)
            sums[name] = sums.get(name, 0.0) + (value**2 if _is_std(name) else value)
    return {name: np.sqrt(total / len(TURNS)) if _is_std(name) else total / len(TURNS) for name, total in sums.items()}


def _is_std(name):
    return name.endswith("std")
