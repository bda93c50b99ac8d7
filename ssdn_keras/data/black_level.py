"""A word of warning where photon counts seem to start above black."""

import numpy as np

from ssdn_keras.data.common import tell
from ssdn_keras.data.sampled import sample
from ssdn_keras.noise.levels import NOISE_OF_LIGHT

_DARK, _BRIGHT = 1.0, 99.0
# Where the darkest values are this share of the brightest, a photograph is hardly the reason.
_NOTICEABLE = 0.05


def check(source, value_range, noise):
    """Tell where the noise grows from black, black is taken to be 0, and no image comes near it.

    Args:
        source: noisy training images, see `ssdn_keras.data.sources`.
        value_range: the pair (low, high) of the model, or None for 0..255.
        noise: `NoiseSpec` of the training.
    """
    if noise.kind not in NOISE_OF_LIGHT or (value_range is not None and value_range[0] != 0):
        return
    dark, bright = np.percentile(sample(source), [_DARK, _BRIGHT])
    if dark > _NOTICEABLE * bright:
        tell(
            f"the darkest values of the images are about {dark:.4g}, and {noise.kind} noise is taken to start at 0: if "
            f"the camera's black level is above 0, give it as LOW of --value_range=LOW,HIGH"
        )
