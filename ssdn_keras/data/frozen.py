"""Noise that is drawn once per image, as in a user's own noisy images."""

import threading
from collections import OrderedDict

import numpy as np

from ssdn_keras.noise.sampling import NumpyRandom, draw_parameter

# A stream of random numbers apart from others that share the seed.
_STREAM = 2
_CACHE_BYTES = 2 * 2**30


def as_float(image):
    """uint8 0..255 or float to float32 0..1."""
    return image.astype("float32") / np.float32(255) if image.dtype == np.uint8 else image


class FrozenNoise:
    """One noise draw per image for ever: every crop of an image shows the same noisy version of it.

    Args:
        source: clean images, see `ssdn_keras.data.sources`.
        spec: `NoiseSpec` with levels.
        versions: how many noisy versions each image has.
        clip: whether to clip them to [0, 1] and round them to 8 bits.
        seed: the noise of image i follows from (seed, i, version).
    """

    def __init__(self, source, spec, versions, clip, seed):
        self._source, self._spec, self._versions, self._clip, self._seed = source, spec, versions, clip, seed
        self._cache, self._bytes, self._lock = OrderedDict(), 0, threading.Lock()

    def _draw(self, index, clean, version):
        random = NumpyRandom(self._seed, _STREAM, index, version)
        parameter = draw_parameter(self._spec, random)
        noisy = self._spec.model.corrupt(clean, parameter, random).astype("float32")
        if self._clip:
            noisy = np.round(np.clip(noisy, 0.0, 1.0) * 255.0) / 255.0
        return noisy, np.float32(parameter)

    def versions(self, index):
        """List of (noisy image, parameter), one for each version."""
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        clean = as_float(self._source.image(index))
        drawn = [self._draw(index, clean, version) for version in range(self._versions)]
        with self._lock:
            if index not in self._cache:
                self._cache[index] = drawn
                self._bytes += sum(noisy.nbytes for noisy, _ in drawn)
            while self._bytes > _CACHE_BYTES and len(self._cache) > 1:
                _, old = self._cache.popitem(last=False)
                self._bytes -= sum(noisy.nbytes for noisy, _ in old)
        return drawn
