"""The input pipeline: random crops and their noise, as a tf.data dataset.

Every example follows from (seed, example index) alone: which image, which crop, which noise. A training can therefore
go on at any example as if it had never stopped.
"""

import functools
import threading
from collections import OrderedDict

import numpy as np
import tensorflow as tf

from ssdn_keras.algorithms import ALGORITHMS
from ssdn_keras.choices import check_choice
from ssdn_keras.data.sources import open_source
from ssdn_keras.noise import parse_noise
from ssdn_keras.noise.sampling import NumpyRandom, StatelessRandom, draw_parameter

# Separate streams of random numbers that share a seed.
_ORDER, _FROZEN = 1, 2
_FROZEN_CACHE_BYTES = 2 * 2**30


def clip_as_file(image, xp=np):
    """Clip to [0, 1] and round to 8 bits, as an image file would."""
    levels = xp.round(xp.clip(image, 0.0, 1.0) * 255.0) if xp is np else tf.round(tf.clip_by_value(image, 0, 1) * 255)
    return levels / 255.0


def as_float(image):
    """uint8 0..255 or float to float32 0..1."""
    return image.astype("float32") / np.float32(255) if image.dtype == np.uint8 else image


class FrozenNoise:
    """One noise draw per image for ever: every crop of an image shows the same noisy version of it."""

    def __init__(self, source, spec, versions, clip, seed):
        self._source, self._spec, self._versions, self._clip, self._seed = source, spec, versions, clip, seed
        self._cache, self._bytes, self._lock = OrderedDict(), 0, threading.Lock()

    def _draw(self, index, clean, version):
        random = NumpyRandom(self._seed, _FROZEN, index, version)
        parameter = draw_parameter(self._spec, random)
        noisy = self._spec.model.corrupt(clean, parameter, random).astype("float32")
        return (clip_as_file(noisy) if self._clip else noisy), np.float32(parameter)

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
            while self._bytes > _FROZEN_CACHE_BYTES and len(self._cache) > 1:
                _, old = self._cache.popitem(last=False)
                self._bytes -= sum(noisy.nbytes for noisy, _ in old)
        return drawn


class _Crops:
    """Cuts crop number `index` out of its image, and of its frozen noisy versions."""

    def __init__(self, source, crop, seed, frozen):
        self.source, self.crop, self.seed, self.frozen = source, crop, seed, frozen
        self._order = functools.lru_cache(maxsize=4)(self._draw_order)

    def _draw_order(self, epoch):
        state = np.random.RandomState([self.seed % 2**32, _ORDER, epoch])
        return state.permutation(len(self.source))

    def __call__(self, index, place):
        try:
            return self._cut(index, place)
        except Exception as error:
            # TensorFlow would wrap it in its own; whoever reads the dataset can say what it was.
            self.source.failure = error
            raise

    def _cut(self, index, place):
        epoch, position = divmod(int(index), len(self.source))
        number = int(self._order(epoch)[position])
        image = self.source.image(number)
        top, left = (int(place[k] * (image.shape[k] - self.crop + 1)) for k in (0, 1))
        window = (slice(top, top + self.crop), slice(left, left + self.crop))
        parts = [as_float(image[window])]
        if self.frozen is not None:
            for noisy, parameter in self.frozen.versions(number):
                parts += [noisy[window], parameter]
        return parts


def training_crops(
    images,
    noise="gauss25",
    *,
    add_noise=True,
    crop=256,
    minibatch=4,
    channels=3,
    algorithm="ssdn",
    count=None,
    start=0,
    seed=0,
    freeze_noise=False,
    clip_noise=False,
):
    """Minibatches of random crops for `Denoiser.fit`.

    Images are drawn without replacement; when all have been used, the order is drawn anew.

    Args:
        images: folder of PNG and JPEG files, HDF5 file in the authors' layout, or list of arrays (uint8, or floats in
            nominal range 0..1). Images with a side below `crop` are left out.
        noise: name of noise and level, such as "gauss25" or "poisson5_50". With `add_noise`, drawn for every crop.
        add_noise: whether the images are clean. If False they are noisy already: nothing is added to them.
        crop: side of the square crops, in pixels.
        minibatch: crops per batch.
        channels: 1 or 3.
        algorithm: what the batches are for; "n2n" gets a second noisy version.
        count: number of crops; endless if None.
        start: index of the first crop.
        seed: of order, places and noise.
        freeze_noise: draw the noise once per image, not for every crop.
        clip_noise: clip the noisy values and round them to 8 bits.

    Returns:
        tf.data.Dataset of (inputs, targets): "noisy" B×crop×crop×C and "noise_level" B, in the network's units;
        "clean" and, for n2n, "second". For noisy images of inputs alone.
    """
    check_choice("algorithm", algorithm, ALGORITHMS)
    for name, value in (("crop", crop), ("minibatch", minibatch)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1. Received: {name}={value}")
    spec = parse_noise(noise)
    target = ALGORITHMS[algorithm].target
    if not add_noise and target is not None:
        raise ValueError(f"{algorithm} needs clean images: noisy ones alone train ssdn and ssdn_mean")
    if add_noise and spec.levels is None:
        raise ValueError(f"noise {str(spec)!r}: give a level to add, such as {spec}25 or {spec}5_50")
    source = open_source(images, channels, smallest=crop)
    versions = 2 if target == "second" else 1
    frozen = FrozenNoise(source, spec, versions, clip_noise, seed) if add_noise and freeze_noise else None
    crops = _Crops(source, crop, seed, frozen)
    shape = (crop, crop, channels)

    def corrupt(clean, random):
        parameter = draw_parameter(spec, random)
        noisy = spec.model.corrupt(clean, parameter, random)
        return (clip_as_file(noisy, tf) if clip_noise else noisy), parameter

    def example(index):
        random = StatelessRandom(tf.stack([tf.constant(seed, tf.int64), index]))
        types = [tf.float32] * (1 + (2 * versions if frozen else 0))
        parts = tf.numpy_function(crops, [index, random.uniform((2,))], types, stateful=False)
        for part, part_shape in zip(parts, [shape] + [shape, ()] * versions, strict=False):
            part.set_shape(part_shape)
        clean = parts[0]
        if not add_noise:
            inputs = {"noisy": clean}
            if spec.levels is not None and not spec.varying:
                inputs["noise_level"] = tf.constant(spec.parameters[0], tf.float32)
            return (inputs,)
        noisy, parameter = (parts[1], parts[2]) if frozen else corrupt(clean, random)
        targets = {"clean": clean}
        if versions == 2:
            targets["second"] = parts[3] if frozen else corrupt(clean, random)[0]
        return {"noisy": noisy, "noise_level": parameter}, targets

    stop = np.iinfo(np.int64).max if count is None else start + count
    dataset = tf.data.Dataset.range(start, stop)
    dataset = dataset.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.batch(minibatch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    if count is None:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
