"""What the mean of a blind-spot network may start from, so that it need not learn the obvious first."""

from keras import ops

# Of the standard deviation that the published weights of the mean start with: the mean is at first almost the start.
CORRECTION = 0.1


def nearest_seen(blindspot_size):
    """How far the nearest pixels outside the blind square are from its centre."""
    return (blindspot_size + 1) // 2


def neighbour_mean(x, blindspot_size):
    """Mean of the pixels next to the blind square, those inside the image: of 8 pixels where the square is one pixel.

    Args:
        x: N×H×W×C.
        blindspot_size: 1, 3, 5, …

    Returns:
        N×H×W×C, float32; 0 where no neighbour lies in the image.
    """
    far = nearest_seen(blindspot_size)
    x = ops.cast(x, "float32")
    counted = ops.concatenate([x, ops.ones_like(x[..., :1])], axis=-1)
    padded = ops.pad(counted, [[0, 0], [far, far], [far, far], [0, 0]])
    # Added up without the square, not the whole less the square, which would leave a rounding error of its pixels.
    total = sum(ops.slice(padded, (0, far + row, far + column, 0), ops.shape(counted)) for row, column in _ring(far))
    return total[..., :-1] / ops.maximum(total[..., -1:], 1.0)


def _ring(far):
    """Offsets (row, column) of the pixels `far` from the centre."""
    both = range(-far, far + 1)
    return [(row, column) for row in both for column in both if max(abs(row), abs(column)) == far]
