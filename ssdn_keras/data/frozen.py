"""Noise that is drawn once per image, as in a user's own noisy images."""

import numpy as np

from ssdn_keras.data.memory import Cache
from ssdn_keras.noise.sampling import NumpyRandom, draw_parameter
from ssdn_keras.value_range import to_network

# A stream of random numbers apart from others that share the seed.
_STREAM = 2
_CACHE_BYTES = 2 * 2**30


class FrozenNoise:
    """One noise draw per image for ever: every crop of an image shows the same noisy version of it.

    Args:
        spec: `NoiseSpec` with levels.
        versions: how many noisy versions each image has.
        clip: whether to clip them to [0, 1] and round them to 8 bits.
        seed: the noise of image i follows from (seed, i, version).
        value_range: of the images.
    """

    def __init__(self, spec, versions, clip, seed, value_range=None):
        self._spec, self._versions, self._clip, self._seed = spec, versions, clip, seed
        self._value_range = value_range
        self._cache = Cache(_CACHE_BYTES, lambda drawn: sum(noisy.nbytes for noisy, _ in drawn))

    def _draw(self, index, clean, version):
        random = NumpyRandom(self._seed, _STREAM, index, version)
        parameter = draw_parameter(self._spec, random)
        noisy = self._spec.model.corrupt(clean, parameter, random).astype("float32")
        if self._clip:
            noisy = np.round(np.clip(noisy, 0.0, 1.0) * 255.0) / 255.0
        return noisy, np.float32(parameter)

    def versions(self, index, image):
        """List of (noisy image, parameter), one for each version, of a source's clean image `index`."""
        return self._cache.get(
            index,
            lambda: [
                self._draw(index, to_network(image, self._value_range), version) for version in range(self._versions)
            ],
        )
