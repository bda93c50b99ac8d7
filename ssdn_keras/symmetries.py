"""The eight rotations and reflections that keep the pixel grid."""

import numpy as np

# (quarters of a circle, whether reflected before); the first changes nothing.
TURNS = tuple((quarter, mirrored) for mirrored in (False, True) for quarter in range(4))


def turn(image, quarter, mirrored):
    """H×W×… reflected, if it is to be, and rotated by quarters of a circle; a view, not a copy."""
    return np.rot90(image[:, ::-1] if mirrored else image, quarter)


def back(image, quarter, mirrored):
    """The inverse of `turn`; a view, through which the turned image can be written as well."""
    image = np.rot90(image, -quarter)
    return image[:, ::-1] if mirrored else image
