"""Noise2Void's masks: some pixels are replaced, and the loss asks what they were (Krull et al., 2019).

All of it works on whole arrays; positions follow from the random stream of the example.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Masking:
    """Which pixels are masked and what takes their place.

    Attributes:
        replacement: "random": a random other pixel of the neighbourhood; "median": the neighbourhood's median per
            channel, without the pixel itself (N2V2, Höck et al., 2022, of which nothing else is used here).
        box: side of the square boxes that tile the image; each gets its share of masked pixels.
        percentage: masked pixels in percent, or None for one in every box.
        neighbourhood: side of the square that replacements come from; odd.
    """

    replacement: str = "random"
    box: int = 8
    percentage: float | None = None
    neighbourhood: int = 5

    def __post_init__(self):
        if self.box < 2:
            raise ValueError(f"n2v_box must be at least 2. Received: n2v_box={self.box}")
        if self.percentage is not None and not 0 < self.percentage <= 50:
            raise ValueError(f"n2v_percentage must be above 0 and at most 50. Received: {self.percentage}")
        if self.neighbourhood < 3 or self.neighbourhood % 2 == 0:
            raise ValueError(f"n2v_neighbourhood must be 3, 5, 7, … Received: {self.neighbourhood}")

    def check_fits(self, crop):
        """Raise ValueError if boxes or neighbourhoods are larger than a crop of this side."""
        for name in ("box", "neighbourhood"):
            if getattr(self, name) > crop:
                raise ValueError(
                    f"n2v_{name} must fit into a crop. Received: n2v_{name}={getattr(self, name)}, crop={crop}"
                )

    def draw(self, height, width, random):
        """A mask H×W of 0 and 1.

        Every pixel is masked with the same probability, at the borders too: boxes that stick out of the image are drawn
        whole and cut.
        """
        rows, columns = -(-height // self.box), -(-width // self.box)
        order = tf.argsort(random.uniform((rows * columns, self.box**2)), axis=-1)
        rank = tf.argsort(order, axis=-1)
        share = 1.0 if self.percentage is None else self.percentage / 100.0 * self.box**2
        whole = int(np.floor(share))
        extra = tf.cast(random.uniform((rows * columns, 1)) < share - whole, rank.dtype)
        mask = tf.cast(rank < whole + extra, tf.float32)
        mask = tf.reshape(mask, (rows, columns, self.box, self.box))
        mask = tf.reshape(tf.transpose(mask, (0, 2, 1, 3)), (rows * self.box, columns * self.box))
        return mask[:height, :width]

    def replace(self, noisy, mask, random):
        """The image H×W×C with its masked pixels replaced; only pixels inside the image take part."""
        height, width, _ = noisy.shape
        radius = self.neighbourhood // 2
        offsets = [(i, j) for i in range(-radius, radius + 1) for j in range(-radius, radius + 1) if (i, j) != (0, 0)]
        pixels = tf.cast(tf.where(mask > 0), tf.int32)
        neighbours = pixels[:, None] + tf.constant(offsets, tf.int32)
        inside = tf.reduce_all((neighbours >= 0) & (neighbours < tf.constant([height, width])), axis=-1)
        if self.replacement == "median":
            values = self._medians(noisy, neighbours, inside)
        else:
            chance = tf.where(inside, random.uniform(tf.shape(inside)), -1.0)
            chosen = tf.gather(neighbours, tf.argmax(chance, axis=-1), batch_dims=1)
            values = tf.gather_nd(noisy, chosen)
        return tf.tensor_scatter_nd_update(noisy, pixels, values)

    @staticmethod
    def _medians(noisy, neighbours, inside):
        limit = tf.shape(noisy)[:2] - 1
        values = tf.gather_nd(noisy, tf.clip_by_value(neighbours, 0, limit))
        values = tf.sort(tf.where(inside[..., None], values, np.inf), axis=1)
        count = tf.reduce_sum(tf.cast(inside, tf.int32), axis=1)
        lower, upper = (tf.gather(values, index, batch_dims=1) for index in ((count - 1) // 2, count // 2))
        return (lower + upper) / 2.0
