"""Denoising an image in tiles, with the same result as whole.

Each of the four views of a tile sees what its rows and columns depend on, the whole receptive field, and no more; it
begins on the grid of the pools of the whole view. An estimate of the noise takes a pass of its own: over the whole
image where it is an average, over the tiles that hold samples where it is the likeliest level.
"""

import contextlib
import functools
import logging

import keras
import numpy as np
from keras import ops

from ssdn_keras.memory import free_memory, resident_memory
from ssdn_keras.model.mean_start import nearest_seen
from ssdn_keras.model.networks import FILTERS
from ssdn_keras.model.receptive_field import GRID, margins, window_of_step
from ssdn_keras.model.tiled_estimates import AverageEstimate, LikeliestEstimate, area

# Bytes per pixel at the peak, measured with TensorFlow on a processor, with as many filters as published (others need
# as much more or less): of the whole model with and without a blind spot; of one view through the trunk; of what is
# kept of a tile.
_WHOLE_BLIND, _WHOLE_PLAIN, _VIEW, _FEATURES = 7500, 2800, 2900, 1600
_LEAST_WIDTH = 0.25
# Part of these, but for what is kept of a tile, that networks take in 16 bits: 0.47 to 0.65 was measured.
_HALF_PRECISION = 0.7
# Bytes per pixel and number of the network's outputs that the posterior takes.
_PER_COMPONENT = 40
# Part of the memory for what was computed of tiles while the noise level was sought.
_KEPT = 0.1
# Part of the free memory that is used unless a limit is given.
_PART = 0.6
SMALLEST = GRID
# Pixels at a time in what is computed pixel by pixel.
_CHUNK = 2**15
_LOG = logging.getLogger("ssdn_keras")


def restore(model, values, load, store, parameter=None, memory=None, tile=None, progress=None, reserved=0):
    """Denoise an image, in tiles if it has to be.

    Args:
        model: a `Denoiser`; any other denoiser is given the image as a whole.
        values: H×W×C.
        load: function of `values`, which may be rotated, and slices of rows and columns to what the network gets.
        store: function of slices of rows and columns and a dict of the outputs there, H×W×C and H×W.
        parameter: array of the parameter of one image in the network's units, or None.
        memory: bytes that the process may have in memory; by default it follows from what is free.
        tile: side of the tiles, to have tiles anyway.
        progress: function that is called with the number of pixels of each tile that is done.
        reserved: bytes of what `store` fills, which is not in memory before.

    Where the memory turns out to be too small, of a GPU perhaps, the tiles become half as large.
    """
    height, width = values.shape[:2]
    everything = (slice(0, height), slice(0, width))
    if not hasattr(model, "network"):
        store(*everything, _first(model.predict_images(load(values, *everything), parameter)))
        return
    budget = _budget(memory) - reserved - _on_disk(values)
    if tile is None and height * width * _bytes_whole(model) <= budget:
        try:
            store(*everything, _first(model.predict_images(load(values, *everything), parameter)))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            tile = _smaller(max(height, width))
        else:
            return
    room = _KEPT * max(budget, 0) if model.seeks_level and parameter is None else 0
    _Tiled(model, values, load, tile or tile_for(model, budget - room), room).run(store, parameter, progress)


def _first(outputs):
    return {name: value[0] for name, value in outputs.items()}


def _budget(memory):
    if memory is not None:
        return memory - resident_memory()
    free = free_memory()
    return float("inf") if free is None else _PART * free


def _width(model):
    """Filters over the published number, of the wider network where there are two; not all memory shrinks with them."""
    widths = [model.network.filters] + ([model.estimator.filters] if model.estimator is not None else [])
    return max(max(widths) / FILTERS, _LEAST_WIDTH)


def _precision(model):
    """Bytes in the networks' precision over those in float32."""
    return 1.0 if model.network.compute_dtype == "float32" else _HALF_PRECISION


def _on_disk(values):
    """Bytes of an image that come into memory when they are read."""
    base = values
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    return 0 if base is None else values.nbytes


def _bytes_whole(model):
    network = _WHOLE_BLIND if model.network.blindspot_size else _WHOLE_PLAIN
    return network * _width(model) * _precision(model) + _PER_COMPONENT * model.network.components


def tile_for(model, budget):
    """Side of the largest tiles that can be denoised within so many bytes, at least `SMALLEST`."""
    width, view = _width(model), _VIEW * _precision(model)
    back, ahead, side = margins(model.network.blindspot_size)
    tile = SMALLEST
    while tile < 2**20:
        larger = tile + GRID
        seen = (larger + back + ahead + GRID) * (larger + 2 * side + GRID)
        need = width * (view * seen + _FEATURES * larger**2)
        if need + _CHUNK * _bytes_whole(model) > budget:
            break
        tile = larger
    return tile


def _step(length, tile):
    """Side of tiles as alike as can be, as few as there are of the largest size: none is a narrow rest."""
    count = -(-length // tile)
    return min(-(-length // (count * GRID)) * GRID, tile)


def _smaller(tile):
    return max(-(-tile // 2) // GRID * GRID, SMALLEST)


def is_out_of_memory(error):
    """Whether a backend, or Python, has run out of memory."""
    name, text = type(error).__name__, str(error)
    return (
        isinstance(error, MemoryError)
        or "ResourceExhausted" in name
        or "OutOfMemory" in name
        or "RESOURCE_EXHAUSTED" in text
        or "out of memory" in text.lower()
    )


def _no_gradients():
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


class _Tiled:
    """One image and one model; `tile` becomes smaller when the memory does not suffice."""

    def __init__(self, model, values, load, tile, room=0):
        self._model, self._values, self._load, self._tile, self._room = model, values, load, tile, room
        self.shape = values.shape[:2]

    def noisy(self, rows, columns):
        """One part of the image as the network gets it, 1×h×w×C."""
        return self._load(self._values, rows, columns)

    def run(self, store, parameter, progress):
        with _no_gradients():
            estimate = self._estimate_for(parameter)
            share = 0.0 if estimate is None else estimate.share()

            def tell(rows, columns, part):
                if progress is not None:
                    progress(part * area(rows, columns))

            if estimate is None:
                strength = self._model._strength(ops.zeros((1, 1, 1, self._model.channels)), parameter)
            else:
                self.each(functools.partial(estimate.add, tell=functools.partial(tell, part=share)))
                strength = estimate.result()

            def denoise(rows, columns):
                kept = None if estimate is None else estimate.raw(rows, columns)
                for part, raw in self.raw(rows, columns) if kept is None else kept:
                    store(part, columns, self._outputs(raw, self.noisy(part, columns), strength))
                tell(rows, columns, 1.0 - share)

            self.each(denoise)

    def _outputs(self, raw, noisy, strength):
        model, arrays = self._model, map(ops.convert_to_tensor, (raw, noisy))
        found = model.algorithm.outputs(*arrays, model.noise.model, strength, model.diagonal_covariance)
        return {name: ops.convert_to_numpy(value)[0] for name, value in found.items()}

    def raw(self, rows, columns):
        """What the network says of one tile, some rows at a time: yields a slice of rows and 1×h×w×components."""
        features = self.features(self._model.network, rows, columns)
        step = max(_CHUNK // (columns.stop - columns.start), 1)
        for start in range(rows.start, rows.stop, step):
            part = slice(start, min(start + step, rows.stop))
            seen = features[:, part.start - rows.start : part.stop - rows.start]
            yield part, self._model.network.head(seen, self._start(part, columns))

    def _start(self, rows, columns):
        """What the network's mean starts from in one part of the image, or None."""
        network, far = self._model.network, nearest_seen(self._model.network.blindspot_size)
        if network.mean_start == "none":
            return None
        top, left = max(rows.start - far, 0), max(columns.start - far, 0)
        seen = self._load(self._values, slice(top, rows.stop + far), slice(left, columns.stop + far))
        start = network.start(ops.cast(ops.convert_to_tensor(seen), network.compute_dtype))
        return start[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]

    def _estimate_for(self, parameter):
        """What finds the noise parameter in a pass of its own, or None where that takes none."""
        if self._model.estimator is not None:
            return AverageEstimate(self._model, self)
        seeks = self._model.seeks_level and parameter is None
        return LikeliestEstimate(self._model, self, self._room) if seeks else None

    def features(self, network, rows, columns):
        """Features of all views of one part of the image, 1×h×w×96 or ×384."""
        height, width, views = rows.stop - rows.start, columns.stop - columns.start, 4 if network.blindspot_size else 1
        merged = None
        for turns in range(views):
            view = np.rot90(self._values, turns)
            core_rows, core_columns = _rotated(rows, columns, self._values.shape, turns)
            (top, bottom), (left, right) = (
                window_of_step(
                    core.start, core.stop, size, _step(size, self._tile), network.blindspot_size, rows=is_rows
                )
                for core, size, is_rows in ((core_rows, view.shape[0], True), (core_columns, view.shape[1], False))
            )
            seen = self._load(view, slice(top, bottom), slice(left, right))
            features = network._view(ops.cast(ops.convert_to_tensor(seen), network.compute_dtype))
            features = features[:, core_rows.start - top : core_rows.stop - top]
            features = features[:, :, core_columns.start - left : core_columns.stop - left]
            upright = np.rot90(ops.convert_to_numpy(ops.cast(features, "float32")), -turns, axes=(1, 2))
            if merged is None:
                merged = np.empty((1, height, width, views * upright.shape[-1]), "float32")
            merged[..., turns * upright.shape[-1] : (turns + 1) * upright.shape[-1]] = upright
        return merged

    def each(self, work):
        """Call `work` with slices of rows and columns that cover the image."""
        height, width = self._values.shape[:2]
        waiting = [(0, height, 0, width)]
        while waiting:
            top, bottom, left, right = waiting.pop()
            if max(bottom - top, right - left) > self._tile:
                down, across = _step(height, self._tile), _step(width, self._tile)
                parts = [
                    (row, min(row + down, bottom), column, min(column + across, right))
                    for row in range(top, bottom, down)
                    for column in range(left, right, across)
                ]
                waiting += reversed(parts)
                continue
            try:
                work(slice(top, bottom), slice(left, right))
                continue
            except Exception as error:
                if not is_out_of_memory(error) or self._tile <= SMALLEST:
                    raise
            self._tile = _smaller(min(self._tile, max(bottom - top, right - left)))
            _LOG.warning("out of memory: going on with tiles of %d pixels", self._tile)
            waiting.append((top, bottom, left, right))


def _rotated(rows, columns, shape, turns):
    """Where a part of an image lies after so many quarter turns, as `numpy.rot90` makes them."""
    height, width = shape[:2]
    for _ in range(turns):
        rows, columns = slice(width - columns.stop, width - columns.start), rows
        height, width = width, height
    return rows, columns
