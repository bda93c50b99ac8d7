"""An output must not depend on its own input pixel: exactly, at every size, and see everything around it."""

import numpy as np
import pytest
from gradients import input_gradient
from keras import ops

from ssdn_keras.model.networks import DenoisingNetwork, UNet

SIZES = [(32, 32), (33, 47), (47, 33), (20, 70), (7, 5), (64, 32)]


def network(blindspot_size, channels=3, mean_start="none"):
    net = DenoisingNetwork(9, blindspot_size=blindspot_size, mean_start=mean_start)
    net.build((None, None, None, channels))
    return net


def sensitivity(net, image, row, column):
    """|d (all outputs at one pixel) / d input|, H×W."""

    def total(x):
        # Unequal weights, so that contributions of the outputs cannot cancel.
        weights = ops.linspace(1.0, 2.0, net.components, dtype="float32")
        return ops.sum(net(x)[0, row, column] * weights)

    return np.abs(input_gradient(total, image)).sum(axis=(0, 3))


@pytest.mark.parametrize("height,width", SIZES)
def test_one_pixel_is_invisible_and_its_neighbours_are_not(height, width):
    net = network(1)
    image = np.random.RandomState(0).rand(1, height, width, 3).astype("float32")
    for row, column in [(height // 2, width // 2), (0, 0), (height - 1, width - 1), (0, width - 1), (height - 1, 1)]:
        seen = sensitivity(net, image, row, column)
        assert seen[row, column] == 0.0
        neighbours = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        assert all(seen[r, c] > 0 for r, c in neighbours if 0 <= r < height and 0 <= c < width)


@pytest.mark.parametrize(
    "size,mean_start", [(1, "none"), (3, "none"), (5, "none"), (1, "neighbours"), (5, "neighbours")]
)
@pytest.mark.parametrize("height,width", [(45, 37), (32, 64)])
def test_hole_has_the_size_that_was_asked_for(size, mean_start, height, width):
    image = np.random.RandomState(1).rand(1, height, width, 3).astype("float32")
    row, column, half = height // 2, width // 2 + 1, size // 2
    seen = sensitivity(network(size, mean_start=mean_start), image, row, column)
    hole = seen[row - half : row + half + 1, column - half : column + half + 1]
    assert (hole == 0.0).all()
    assert seen[row - half - 1, column] > 0 and seen[row + half + 1, column] > 0
    assert seen[row, column - half - 1] > 0 and seen[row, column + half + 1] > 0


@pytest.mark.parametrize("mean_start", ["none", "neighbours"])
def test_holes_are_there_at_the_border_too(mean_start):
    image = np.random.RandomState(2).rand(1, 35, 41, 3).astype("float32")
    net = network(5, mean_start=mean_start)
    for row, column in [(0, 0), (34, 40), (1, 39), (33, 0)]:
        seen = sensitivity(net, image, row, column)
        hole = seen[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        assert (hole == 0.0).all()


def test_receptive_field_reaches_all_four_sides():
    image = np.random.RandomState(3).rand(1, 96, 64, 3).astype("float32")
    seen = sensitivity(network(1), image, 48, 32)
    assert all(side.max() > 0 for side in (seen[0], seen[-1], seen[:, 0], seen[:, -1]))


def test_every_pixel_at_once():
    """Changing one pixel changes no output there, whatever the pixel."""
    net = network(1, channels=1)
    image = np.random.RandomState(4).rand(1, 19, 23, 1).astype("float32")
    base = np.array(net(image))
    rows, columns = np.divmod(np.arange(0, 19 * 23, 5), 23)
    changed = np.repeat(image, len(rows), axis=0)
    changed[np.arange(len(rows)), rows, columns] += 0.5
    for i in range(0, len(rows), 16):
        outputs = np.array(net(changed[i : i + 16]))
        for k in range(len(outputs)):
            row, column = rows[i + k], columns[i + k]
            np.testing.assert_allclose(outputs[k, row, column], base[0, row, column], rtol=0, atol=2e-6)
            assert np.abs(outputs[k] - base[0]).max() > 1e-4


def test_an_ordinary_network_does_see_the_pixel():
    image = np.random.RandomState(5).rand(1, 33, 40, 3).astype("float32")
    assert sensitivity(network(0), image, 16, 20)[16, 20] > 0


def test_trunk_of_the_blind_network_sees_no_row_below():
    trunk = UNet(shifted=True)
    trunk.build((None, None, None, 3))
    image = np.random.RandomState(6).rand(1, 64, 32, 3).astype("float32")
    gradient = input_gradient(lambda x: ops.sum(ops.square(trunk(x)[0, 20])), image)
    assert np.abs(gradient[0, 21:]).max() == 0.0 and np.abs(gradient[0, 20]).max() > 0


@pytest.mark.parametrize("size", [-1, 2, 4])
def test_even_blind_spots_are_refused(size):
    with pytest.raises(ValueError, match="blindspot_size"):
        DenoisingNetwork(9, blindspot_size=size)
