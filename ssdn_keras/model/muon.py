"""Muon, whose updates have the same length in all directions of a kernel.

Jordan et al., 2024 (kellerjordan.github.io/posts/muon), scaled to the rates of Adam as by Liu et al., 2025
(arXiv 2502.16982).
"""

import math

import keras
from keras import ops

from ssdn_keras.model.layers import PACKAGE

# Of the quintic iteration, as published: five steps bring all singular values near 1, if not to it.
COEFFICIENTS, STEPS = (3.4445, -4.7750, 2.0315), 5
# Root mean square of Adam's updates over its rate, as measured by Liu et al.
UPDATE_SIZE = 0.2


def orthogonalise(matrix):
    """Nearly U Vᵀ of a matrix U S Vᵀ: its singular values are all brought to between about 0.7 and 1.2.

    Args:
        matrix: M×N.

    Returns:
        M×N, by Newton–Schulz iteration, without a decomposition.
    """
    a, b, c = COEFFICIENTS
    upright = matrix.shape[0] > matrix.shape[1]
    x = ops.transpose(matrix) if upright else matrix  # products of the smaller kind
    x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
    for _ in range(STEPS):
        square = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    return ops.transpose(x) if upright else x


@keras.saving.register_keras_serializable(package=PACKAGE)
class Muon(keras.optimizers.Adam):
    """Muon for the kernels of convolutions, Adam for all other variables.

    A kernel of H×W×C×F is taken as a matrix of H·W·C×F; its momentum (Nesterov's) is made nearly orthogonal. Updates
    have the root mean square of Adam's, so that rates mean about the same. (`keras.optimizers.Muon` is for matrices
    alone, and differs between versions of Keras.)

    Args:
        momentum: of kernels.
        adam_layers: parts of the paths of kernels that Adam updates all the same.
        kwargs: as for `keras.optimizers.Adam`.
    """

    def __init__(self, learning_rate=1e-3, momentum=0.95, adam_layers=(), **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum = momentum
        self.adam_layers = tuple(adam_layers)

    def build(self, variables):
        """Create the optimiser's variables; Keras calls it."""
        if not self.built:
            self._orthogonal = [
                len(variable.shape) == 4 and not any(name in variable.path for name in self.adam_layers)
                for variable in variables
            ]
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable."""
        index = self._get_variable_index(variable)
        if not self._orthogonal[index]:
            super().update_step(gradient, variable, learning_rate)
            return
        gradient, average = ops.cast(gradient, variable.dtype), self._momentums[index]
        self.assign(average, self.momentum * average + gradient)
        ahead = gradient + self.momentum * average
        matrix = ops.reshape(ahead, (-1, ahead.shape[-1]))
        rate = ops.cast(learning_rate, variable.dtype) * (UPDATE_SIZE * math.sqrt(max(matrix.shape)))
        self.assign_sub(variable, rate * ops.reshape(orthogonalise(matrix), variable.shape))

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "adam_layers": list(self.adam_layers)}
