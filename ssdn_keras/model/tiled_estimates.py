"""The noise parameter of an image that is denoised in tiles, found before any of it is denoised."""

import numpy as np
from keras import ops

from ssdn_keras.noise import likelihood

# Rows of features at a time.
_ROWS = 32
# Samples at a time: always as many, since a backend keeps memory for each shape.
_PIECE = 2**12


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


class LikeliestEstimate:
    """The level under which the image is most likely, by the same samples as of a whole image.

    Args:
        model: `Denoiser` that seeks the level.
        tiles: the image, `tiling._Tiled`.
    """

    def __init__(self, model, tiles):
        self._model, self._tiles = model, tiles
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
        """Part of the whole work that this is: only tiles that hold samples are looked at."""
        looked_at = 0

        def count(rows, columns):
            nonlocal looked_at
            looked_at += area(rows, columns) * bool(len(self._inside(rows, columns)))

        self._tiles.each(count)
        return looked_at / (looked_at + np.prod(self._tiles.shape))

    def add(self, rows, columns, tell):
        """Take one tile into account; `tell` is called with it."""
        inside = self._inside(rows, columns)
        if len(inside):
            network = self._model.network
            features = self._tiles.features(network, rows, columns)[0]
            start, noisy = self._tiles.start(rows, columns), self._tiles.noisy(rows, columns)[0]
            start = None if start is None else ops.convert_to_numpy(start)[0]
            for first in range(0, len(inside), _PIECE):
                piece = inside[first : first + _PIECE]
                place = self._rows[piece] - rows.start, self._columns[piece] - columns.start
                padded = tuple(np.resize(each, _PIECE) for each in place)
                outputs = network.head(
                    features[padded][None, :, None], None if start is None else start[padded][None, :, None]
                )
                self._outputs[piece] = ops.convert_to_numpy(outputs)[0, : len(piece), 0]
                self._noisy[piece] = noisy[place]
        tell(rows, columns)

    def result(self):
        """The noise parameter, 1×1×1×1."""
        return self._model.likeliest(
            *(ops.convert_to_tensor(each[None, :, None]) for each in (self._noisy, self._outputs))
        )
