"""The noise parameter of an image that is denoised in tiles, found before any of it is denoised."""

import numpy as np
from keras import ops

from ssdn_keras.noise import likelihood

# Rows of features at a time.
_ROWS = 32


def area(rows, columns):
    """Pixels of a part of an image."""
    return (rows.stop - rows.start) * (columns.stop - columns.start)


class AverageEstimate:
    """What a second network says, on average over the whole image.

    Args:
        model: `Denoiser` with an estimator.
        tiles: the image, `tiling._Tiled`.
    """

    def __init__(self, model, tiles):
        self._model, self._tiles, self._total = model, tiles, 0.0

    def share(self):
        """Part of the whole work that this is, by the convolutions' products: one view against four."""
        first, then = self._model.estimator, self._model.network
        products = [(4 if each.blindspot_size else 1) * each.filters**2 for each in (first, then)]
        return products[0] / sum(products)

    def add(self, rows, columns, tell):
        """Take one tile into account; `tell` is called with it."""
        features, part = self._tiles.features(self._model.estimator, rows, columns), 0.0
        for start in range(0, features.shape[1], _ROWS):
            raw = self._model.estimator.head(features[:, start : start + _ROWS])
            part = part + np.sum(ops.convert_to_numpy(raw), axis=(0, 1, 2), dtype="float64")
        self._total = self._total + part
        tell(rows, columns)

    def result(self):
        """The noise parameter, 1×1×1×1 or 1×1×1×2."""
        raw = self._total / np.prod(self._tiles.shape)
        return self._model.strength_of(ops.convert_to_tensor(np.reshape(raw, (1, 1, 1, -1)).astype("float32")))

    def raw(self, rows, columns):
        """Nothing of the other network is kept."""


class LikeliestEstimate:
    """The level under which the image is most likely, by the same samples as of a whole image.

    Args:
        model: `Denoiser` that seeks the level.
        tiles: the image, `tiling._Tiled`.
        room: bytes for what the network says of tiles that hold samples, so that it need not be computed again.
    """

    def __init__(self, model, tiles, room):
        self._model, self._tiles, self._room, self._kept = model, tiles, room, {}
        self._rows, self._columns = (ops.convert_to_numpy(each) for each in likelihood.samples(*tiles.shape))
        self._noisy = np.empty((len(self._rows), model.channels), "float32")
        self._outputs = np.empty((len(self._rows), model.network.components), "float32")

    def _inside(self, rows, columns):
        return np.flatnonzero(
            (self._rows >= rows.start)
            & (self._rows < rows.stop)
            & (self._columns >= columns.start)
            & (self._columns < columns.stop)
        )

    def share(self):
        """Part of the whole work that this is: only tiles that hold samples are looked at, and some are kept."""
        looked_at, kept, room = 0, 0, self._room

        def count(rows, columns):
            nonlocal looked_at, kept, room
            if len(self._inside(rows, columns)):
                looked_at += area(rows, columns)
                if self._bytes(rows, columns) <= room:
                    kept, room = kept + area(rows, columns), room - self._bytes(rows, columns)

        self._tiles.each(count)
        return looked_at / (looked_at - kept + np.prod(self._tiles.shape))

    def _bytes(self, rows, columns):
        return area(rows, columns) * self._model.network.components * self._outputs.itemsize

    def add(self, rows, columns, tell):
        """Take one tile into account; `tell` is called with it."""
        inside = self._inside(rows, columns)
        if len(inside):
            found = [(part, ops.convert_to_numpy(raw)) for part, raw in self._tiles.raw(rows, columns)]
            place = self._rows[inside] - rows.start, self._columns[inside] - columns.start
            self._outputs[inside] = np.concatenate([raw[0] for _, raw in found])[place]
            self._noisy[inside] = self._tiles.noisy(rows, columns)[0][place]
            if self._bytes(rows, columns) <= self._room:
                self._room -= self._bytes(rows, columns)
                self._kept[_name(rows, columns)] = found
        tell(rows, columns)

    def result(self):
        """The noise parameter, 1×1×1×1."""
        return self._model.likeliest(
            *(ops.convert_to_tensor(each[None, :, None]) for each in (self._noisy, self._outputs))
        )

    def raw(self, rows, columns):
        """What was kept of a tile, once: as `_Tiled.raw`; or None."""
        return self._kept.pop(_name(rows, columns), None)


def _name(rows, columns):
    return rows.start, rows.stop, columns.start, columns.stop
