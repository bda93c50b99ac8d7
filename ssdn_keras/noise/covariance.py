"""Square-root covariance algebra, unrolled over channels.

A covariance is held as the list of columns of a factor: ``covariance = sum_j c_j c_j^T`` with each column a tensor
N×H×W×rows. Adding noise and conditioning on a measurement are done by plane rotations of columns, the square-root
("array") form of the Kalman measurement update. Nothing is ever subtracted, so float32 stays accurate and gradients
stay finite where forming and inverting the covariance would not: at a noise of 0.001 beside a prior of 1.
"""

from keras import ops


def component_count(channels, diagonal=False):
    """Number of network outputs: means and the entries of the triangular factor (supplement, section 1)."""
    return channels + (channels if diagonal else channels * (channels + 1) // 2)


def split_components(outputs, channels, diagonal=False):
    """Network outputs (N×H×W×components) to the mean (N×H×W×C) and the columns of U, with Σx = U Uᵀ.

    The entries of the upper-triangular U are stored row by row; only its diagonal if `diagonal`.
    """
    mean, entries = outputs[..., :channels], outputs[..., channels:]
    zero = ops.zeros_like(entries[..., 0])
    columns = []
    for j in range(channels):
        rows = []
        for i in range(channels):
            if diagonal:
                rows.append(entries[..., i] if i == j else zero)
            else:
                index = i * channels - i * (i - 1) // 2 + (j - i)
                rows.append(entries[..., index] if i <= j else zero)
        columns.append(ops.stack(rows, axis=-1))
    return mean, columns


def diagonal_columns(values):
    """Columns of diag(values); `values` is N×H×W×C."""
    channels = values.shape[-1]
    zero = ops.zeros_like(values[..., 0])
    return [ops.stack([values[..., j] if i == j else zero for i in range(channels)], axis=-1) for j in range(channels)]


def absorb(left, right):
    """Rotate the columns of [left | right] until the first C rows of `right` are zero.

    Args:
        left: C columns whose first C rows are upper triangular.
        right: columns; the first C are diagonal in their first C rows, with positive entries (a standard deviation),
            which keeps every pivot positive. More columns of any form may follow.

    Returns:
        (left, right) after the rotations. `left` is again upper triangular in its first C rows, with a positive
        diagonal, and left leftᵀ + right rightᵀ is what it was.
    """
    left, right = list(left), list(right)
    for row in reversed(range(len(left))):
        for k in range(row, len(right)):
            pivot, entry = left[row][..., row : row + 1], right[k][..., row : row + 1]
            length = ops.sqrt(pivot * pivot + entry * entry)
            cosine, sine = pivot / length, entry / length
            left[row], right[k] = cosine * left[row] + sine * right[k], cosine * right[k] - sine * left[row]
    return left, right


def diagonal(columns):
    """Diagonal entries of the first C rows, N×H×W×C."""
    return ops.stack([column[..., j] for j, column in enumerate(columns)], axis=-1)


def solve(columns, vector):
    """Solve R z = vector for an upper-triangular R given by its columns; returns N×H×W×C."""
    channels = len(columns)
    parts = [None] * channels
    for j in reversed(range(channels)):
        part = vector[..., j : j + 1] / columns[j][..., j : j + 1]
        vector = vector - columns[j][..., :channels] * part
        parts[j] = part
    return ops.concatenate(parts, axis=-1)


def log_determinant(columns):
    """Logarithm of det(R Rᵀ) for a triangular R with positive diagonal, N×H×W."""
    return 2.0 * ops.sum(ops.log(diagonal(columns)), axis=-1)


def add_isotropic(columns, variance):
    """Triangular factor of Σ + variance · I."""
    std = ops.full_like(columns[0], variance**0.5)
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
    noise = diagonal_columns(noise_std)
    left = [ops.concatenate([column, column], axis=-1) for column in columns]
    right = [ops.concatenate([column, ops.zeros_like(column)], axis=-1) for column in noise]
    left, right = absorb(left, right)
    whitened = solve(left, observed - mean)
    gain = sum(column[..., channels:] * whitened[..., j : j + 1] for j, column in enumerate(left))
    variance = sum(ops.square(column[..., channels:]) for column in right)
    return mean + gain, ops.sqrt(variance)


def generalised_std(values):
    """det(Σ)^(1/2C), N×H×W, from the diagonal of a triangular factor of Σ (N×H×W×C)."""
    channels = values.shape[-1]
    values = ops.abs(values)
    product = values[..., 0]
    for j in range(1, channels):
        product = product * values[..., j]
    return product if channels == 1 else ops.power(product, 1.0 / channels)
