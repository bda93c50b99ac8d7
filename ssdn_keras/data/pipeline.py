"""The input pipeline: random crops and their noise, as a tf.data dataset.

Every example follows from (seed, example index) alone: which image, which crop, which noise. A training can therefore
go on at any example as if it had never stopped.
"""

import contextlib
import functools

import keras
import numpy as np
import tensorflow as tf

from ssdn_keras.algorithms import ALGORITHMS
from ssdn_keras.choices import check_choice
from ssdn_keras.data.frozen import FrozenNoise
from ssdn_keras.data.masking import Masking
from ssdn_keras.data.readable import Readable
from ssdn_keras.data.sources import open_source
from ssdn_keras.noise import parse_noise
from ssdn_keras.noise.sampling import StatelessRandom, draw_parameter
from ssdn_keras.symmetries import TURNS, turn
from ssdn_keras.value_range import checked_range, span, to_network

# A stream of random numbers apart from others that share the seed.
_ORDER = 1


class _Crops:
    """Cuts crop number `index` out of its image, and of its frozen noisy versions."""

    def __init__(self, source, crop, seed, frozen, value_range, augment=False):
        self.source, self.crop, self.seed, self.frozen, self.augment = source, crop, seed, frozen, augment
        self._value_range = value_range
        self._readable = Readable(source)
        self._order = functools.lru_cache(maxsize=4)(self._draw_order)

    def _draw_order(self, epoch):
        state = np.random.RandomState([self.seed % 2**32, _ORDER, epoch])
        return state.permutation(len(self.source))

    def __call__(self, index, place):
        """`place`: numbers from 0 to 1 for row and column, and for the rotation and reflection if there are any."""
        try:
            return self._cut(index, place)
        except Exception as error:
            # TensorFlow would wrap it in its own; whoever reads the dataset can say what it was.
            self.source.failure = error
            raise

    def _cut(self, index, place):
        epoch, position = divmod(int(index), len(self.source))
        number, image = self._readable(int(self._order(epoch)[position]))
        top, left = (int(place[k] * (image.shape[k] - self.crop + 1)) for k in (0, 1))
        window = (slice(top, top + self.crop), slice(left, left + self.crop))
        parts = [to_network(image[window], self._value_range)]
        if self.frozen is not None:
            for noisy, parameter in self.frozen.versions(number, image):
                parts += [noisy[window], parameter]
        if self.augment:
            turned = TURNS[int(place[2] * len(TURNS))]
            # Images are turned, the levels of their noise (vectors at most) stay.
            parts = [np.ascontiguousarray(turn(part, *turned)) if np.ndim(part) == 3 else part for part in parts]
        return parts


class _Examples:
    """Example number `index`: what the network gets, and what is known beside it."""

    def __init__(self, crops, spec, add_noise, versions, clip_noise, channels, masking, length):
        self._crops, self._spec, self._add_noise = crops, spec, add_noise
        self._versions, self._clip_noise = versions, clip_noise
        self._masking, self._length = masking, length
        self._shape = (crops.crop, crops.crop, channels)

    def _cut(self, index, random):
        """Clean crop, then (noisy crop, parameter) of every frozen version."""
        frozen = self._versions if self._crops.frozen is not None else 0
        shapes = [self._shape, *[self._shape, self._spec.parameter_shape] * frozen]
        place = random.uniform((3 if self._crops.augment else 2,))
        parts = tf.numpy_function(self._crops, [index, place], [tf.float32] * len(shapes), stateful=False)
        for part, shape in zip(parts, shapes, strict=True):
            part.set_shape(shape)
        return parts

    def _corrupt(self, clean, random):
        parameter = draw_parameter(self._spec, random)
        noisy = self._spec.model.corrupt(clean, parameter, random)
        if self._clip_noise:
            noisy = tf.round(tf.clip_by_value(noisy, 0.0, 1.0) * 255.0) / 255.0
        return noisy, parameter

    def __call__(self, index):
        random = StatelessRandom(tf.stack([tf.constant(self._crops.seed, tf.int64), index]))
        clean, *frozen = self._cut(index, random)
        targets = {}
        if not self._add_noise:
            noisy, parameter = clean, None if self._spec.varying else tf.constant(self._spec.parameters[0], tf.float32)
        else:
            noisy, parameter = frozen[:2] if frozen else self._corrupt(clean, random)
            targets["clean"] = clean
            if self._versions == 2:
                targets["second"] = frozen[2] if frozen else self._corrupt(clean, random)[0]
        if self._masking is not None:
            mask = self._masking.draw(*self._shape[:2], random)
            targets.update(unmasked=noisy, mask=mask[..., None])
            noisy = self._masking.replace(noisy, mask, random)
        if self._length is not None:
            targets["progress"] = tf.cast(index / self._length, tf.float32)
        inputs = {"noisy": noisy} if parameter is None else {"noisy": noisy, "noise_level": parameter}
        return (inputs, targets) if targets else (inputs,)


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
    length=None,
    n2v_box=8,
    n2v_percentage=None,
    n2v_neighbourhood=5,
    worker=0,
    workers=1,
    value_range=None,
    augment=False,
):
    """Minibatches of random crops for `Denoiser.fit`.

    Images are drawn without replacement; when all have been used, the order is drawn anew.

    Args:
        images: folder of image files, HDF5 file in the authors' layout, TFRecord files (one, a folder of shards, or a
            pattern with *), or list of arrays. Images with a side below `crop` are left out; where one turns out to be
            unreadable, the next takes its place.
        noise: name of noise and level, such as "gauss25" or "poisson5_50". With `add_noise`, drawn for every crop.
        add_noise: whether the images are clean. If False they are noisy already: nothing is added to them.
        crop: side of the square crops, in pixels.
        minibatch: crops per batch.
        channels: of the crops. Colour and grey become each other; other images must have this number.
        algorithm: what the batches are for; "n2n" gets a second noisy version, "n2v" and "n2v2" masks.
        count: number of crops; endless if None.
        start: index of the first crop.
        seed: of order, places and noise.
        freeze_noise: draw the noise once per image, not for every crop.
        clip_noise: clip the noisy values and round them to 8 bits.
        length: crops in the whole training, which a loss with an annealed exponent (impulse noise with noisy targets)
            has to know; by default `start` + `count`.
        n2v_box, n2v_percentage, n2v_neighbourhood: see `ssdn_keras.data.masking.Masking`.
        worker, workers: make only this worker's equal part of every minibatch (and read only the images for it). The
            parts of all workers together are the minibatch that one worker would make.
        value_range: (low, high), the values of the images that become 0 and 1; the `value_range` of the model. σ in the
            name of the noise is then in the units of the images. By default 8-bit images have 0..255 (σ too), 16-bit
            ones 0..65535 and floats 0..1 (σ of 0..255 on that scale).
        augment: rotate by quarters of a circle and reflect the crops at random.

    Returns:
        tf.data.Dataset of (inputs, targets): "noisy" B×crop×crop×C and "noise_level" B (B×2 for gain and read noise),
        in the network's units; "clean" where it is known; "second" for n2n; "unmasked" and "mask" (B×crop×crop×1) for
        n2v; "progress" B for an annealed loss. Of inputs alone if there are no targets.
    """
    value_range = checked_range(value_range)
    method, spec = _method(algorithm, add_noise), _noise(noise, add_noise, value_range)
    _check_sizes(crop, minibatch, worker, workers)
    masking = None
    if method.replacement is not None:
        masking = Masking(method.replacement, n2v_box, n2v_percentage, n2v_neighbourhood)
        masking.check_fits(crop)
    length = _annealed_length(algorithm, spec, length, start, count)
    source = open_source(images, channels, smallest=crop)
    versions = 2 if method.target == "second" else 1
    frozen = FrozenNoise(spec, versions, clip_noise, seed, value_range) if add_noise and freeze_noise else None
    _leave_gpus_to_torch()
    crops = _Crops(source, crop, seed, frozen, value_range, augment)
    example = _Examples(crops, spec, add_noise, versions, clip_noise, channels, masking, length)
    return _batches(example, start, count, minibatch, worker, workers)


def _check_sizes(crop, minibatch, worker, workers):
    for name, value in (("crop", crop), ("minibatch", minibatch)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1. Received: {name}={value}")
    if minibatch % workers or not 0 <= worker < workers:
        raise ValueError(f"a minibatch of {minibatch} has no part {worker} of {workers} equal ones")


def _leave_gpus_to_torch():
    """Keep TensorFlow, which prepares the crops on the CPU, from taking the memory of PyTorch's GPU."""
    if keras.backend.backend() == "torch":
        with contextlib.suppress(RuntimeError):  # whoever used TensorFlow before has decided already
            tf.config.set_visible_devices([], "GPU")


def _method(name, add_noise):
    check_choice("algorithm", name, ALGORITHMS)
    if not add_noise and ALGORITHMS[name].target in ("clean", "second"):
        raise ValueError(f"{name} needs clean images: noisy ones alone train ssdn, ssdn_mean, n2v and n2v2")
    return ALGORITHMS[name]


def _noise(name, add_noise, value_range):
    spec = parse_noise(name, span(value_range))
    if add_noise and spec.levels is None:
        raise ValueError(f"noise {str(spec)!r}: give a level to add, such as {' or '.join(spec.examples)}")
    return spec


def _annealed_length(algorithm, spec, length, start, count):
    """Crops in the whole training, or None if the loss does not have to know."""
    if "progress" not in ALGORITHMS[algorithm].needs(spec.model):
        return None
    if length is None and count is None:
        raise ValueError(f"{algorithm} on {spec.model.name} noise has an annealed loss: give count or length")
    return start + count if length is None else length


def _batches(example, start, count, minibatch, worker, workers):
    part = minibatch // workers
    stop = np.iinfo(np.int64).max // workers if count is None else count // minibatch * part

    def mine(number):
        """Index of this worker's example `number`: its place in the minibatches that all workers share."""
        return example(start + number // part * minibatch + worker * part + number % part)

    dataset = tf.data.Dataset.range(stop).map(mine, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.batch(part, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    if count is None:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    options = tf.data.Options()
    # The tuner's thread sleeps 10, 20, 40 ms … between its rounds, and in TensorFlow 2.21 an iterator's end often waits
    # until it wakes: trainings of 2.7 s took 5.1 s (docs/speed.md). Without it the defaults are as fast.
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
