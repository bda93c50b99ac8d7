"""Square-root covariance algebra, unrolled over channels.

A covariance is held as the list of columns of a factor: ``covariance = sum_j c_j c_j^T``. Adding noise and conditioning
on a measurement are done by plane rotations of columns, the square-root ("array") form of the Kalman measurement
update. Nothing is ever subtracted, so float32 stays accurate and gradients stay finite where forming and inverting the
covariance would not: at a noise of 0.001 beside a prior of 1.

A column is a tensor rows×N×H×W: an entry is then a contiguous plane, which is several times faster than every third
number of an image. Factors are upper triangular, and what is zero is not stored: column j of a factor has the rows
0 … j. Images (means, noisy values, results) stay N×H×W×C; `to_rows` and `to_image` go between the two.
"""

from keras import ops


def component_count(channels, diagonal=False):
    """Number of network outputs: means and the entries of the triangular factor (supplement, section 1)."""
    return channels + (channels if diagonal else channels * (channels + 1) // 2)


def to_rows(image):
    """N×H×W×C to C×N×H×W."""
    return ops.transpose(image, (3, 0, 1, 2))


def to_image(rows):
    """C×N×H×W to N×H×W×C."""
    return ops.transpose(rows, (1, 2, 3, 0))


def split_components(outputs, channels, diagonal=False):
    """Network outputs (N×H×W×components) to the mean (N×H×W×C) and the columns of U, with Σx = U Uᵀ.

    The entries of the upper-triangular U are stored row by row; only its diagonal if `diagonal`.
    """
    rows = to_rows(outputs)
    mean, entries = to_image(rows[:channels]), rows[channels:]
    if diagonal:
        return mean, diagonal_columns(to_image(entries))
    starts = [i * channels - i * (i - 1) // 2 for i in range(channels)]
    columns = [ops.stack([entries[starts[i] + j - i] for i in range(j + 1)]) for j in range(channels)]
    return mean, columns


def diagonal_columns(values):
    """Columns of diag(values); `values` is N×H×W×C."""
    rows = to_rows(values)
    return [ops.pad(rows[j : j + 1], [[j, 0], [0, 0], [0, 0], [0, 0]]) for j in range(rows.shape[0])]


def absorb(left, right):
    """Rotate the columns of [left | right] until `right` is zero, row by row from the last.

    Args:
        left: C columns of an upper-triangular factor.
        right: columns; the first C are those of a diagonal matrix with positive entries (standard deviations), which
            keeps every pivot positive. More columns, of C rows and any form, may follow.

        Both may carry the same number of further rows above the others; they are rotated along.

    Returns:
        (left, right) after the rotations. `left` is again upper triangular, with a positive diagonal, and left leftᵀ +
        right rightᵀ is what it was. Of `right` the further rows are left, or None if there are none.
    """
    left, right = list(left), list(right)
    for row in reversed(range(len(left))):
        for k in range(row, len(right)):
            pivot, entry = left[row][-1:], right[k][-1:]
            length = ops.sqrt(pivot * pivot + entry * entry)
            cosine, sine = pivot / length, entry / length
            rotated = cosine * left[row] + sine * right[k]
            # Its last row is now zero by construction.
            right[k] = None if right[k].shape[0] == 1 else cosine * right[k][:-1] - sine * left[row][:-1]
            left[row] = rotated
    return left, right


def diagonal(columns):
    """Diagonal entries, N×H×W×C."""
    return to_image(ops.concatenate([column[-1:] for column in columns], axis=0))


def solve(columns, vector):
    """Solve R z = vector for an upper-triangular R given by its columns; `vector` and the result are C×N×H×W."""
    parts = []
    for column in reversed(columns):
        parts.append(vector[-1:] / column[-1:])
        if column.shape[0] > 1:
            vector = vector[:-1] - column[:-1] * parts[-1]
    return ops.concatenate(parts[::-1], axis=0)


def log_determinant(columns):
    """Logarithm of det(R Rᵀ) for a triangular R with positive diagonal, N×H×W."""
    return 2.0 * sum(ops.log(column[-1]) for column in columns)


def add_isotropic(columns, variance):
    """Triangular factor of Σ + variance · I."""
    std = ops.full_like(to_image(columns[-1]), variance**0.5)
    return absorb(columns, diagonal_columns(std))[0]


def condition(mean, columns, noise_std, observed):
    """Mean and standard deviation of x given y = x + n, for x ~ N(mean, U Uᵀ) and n ~ N(0, diag(noise_std²)).

    Args:
        mean, noise_std, observed: N×H×W×C; noise_std positive.
        columns: columns of the upper-triangular U.

    Returns:
        (posterior mean, posterior standard deviation), each N×H×W×C.
    """
    channels = len(columns)
    # Above each factor of y's covariance, C rows with x's: the factor of their joint covariance.
    space = [[0, 0], [0, 0], [0, 0]]
    full = [ops.pad(column, [[0, channels - 1 - j], *space]) for j, column in enumerate(columns)]
    left = [ops.concatenate([whole, column], axis=0) for whole, column in zip(full, columns, strict=True)]
    right = [ops.pad(column, [[channels, 0], *space]) for column in diagonal_columns(noise_std)]
    left, right = absorb(left, right)
    whitened = solve([column[channels:] for column in left], to_rows(observed - mean))
    gain = sum(column[:channels] * whitened[j : j + 1] for j, column in enumerate(left))
    variance = sum(ops.square(column) for column in right)
    return mean + to_image(gain), to_image(ops.sqrt(variance))


def generalised_std(values):
    """det(Σ)^(1/2C), N×H×W, from the diagonal of a triangular factor of Σ (N×H×W×C)."""
    channels = values.shape[-1]
    values = ops.abs(values)
    product = values[..., 0]
    for j in range(1, channels):
        product = product * values[..., j]
    return product if channels == 1 else ops.power(product, 1.0 / channels)
