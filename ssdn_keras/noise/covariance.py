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
    mean, entries = ops.split(to_rows(outputs), [channels], axis=0)
    mean = to_image(mean)
    if diagonal:
        return mean, diagonal_columns(to_image(entries))
    entries = ops.unstack(entries)
    starts = [i * channels - i * (i - 1) // 2 for i in range(channels)]
    columns = [ops.stack([entries[starts[i] + j - i] for i in range(j + 1)]) for j in range(channels)]
    return mean, columns


def diagonal_columns(values):
    """Columns of diag(values); `values` is N×H×W×C."""
    rows = ops.split(to_rows(values), values.shape[-1], axis=0)
    return [ops.pad(row, [[j, 0], [0, 0], [0, 0], [0, 0]]) for j, row in enumerate(rows)]


def _part_last(column):
    """(all rows but the last, or None if there is but one; the last row, 1×N×H×W).

    In one piece, not by two slices: the gradient of a slice is a whole column of zeros around it.
    """
    return (None, column) if column.shape[0] == 1 else ops.split(column, [column.shape[0] - 1], axis=0)


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
            (above, pivot), (other, entry) = _part_last(left[row]), _part_last(right[k])
            length = ops.sqrt(pivot * pivot + entry * entry)
            cosine, sine = pivot / length, entry / length
            left[row] = cosine * left[row] + sine * right[k]
            # Its last row is now zero by construction.
            right[k] = None if other is None else cosine * other - sine * above
    return left, right


def diagonal(columns):
    """Diagonal entries, N×H×W×C."""
    return to_image(ops.concatenate([_part_last(column)[1] for column in columns], axis=0))


def solve(columns, vector):
    """Solve R z = vector for an upper-triangular R given by its columns; `vector` and the result are C×N×H×W."""
    parts = []
    for column in reversed(columns):
        (above, pivot), (others, entry) = _part_last(column), _part_last(vector)
        parts.append(entry / pivot)
        if above is not None:
            vector = others - above * parts[-1]
    return ops.concatenate(parts[::-1], axis=0)


def log_determinant(columns):
    """Logarithm of det(R Rᵀ) for a triangular R with positive diagonal, N×H×W."""
    return 2.0 * sum(ops.squeeze(ops.log(_part_last(column)[1]), axis=0) for column in columns)


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
    of_x, of_y = zip(*[ops.split(column, [channels], axis=0) for column in left], strict=True)
    whitened = ops.split(solve(of_y, to_rows(observed - mean)), channels, axis=0)
    gain = sum(column * part for column, part in zip(of_x, whitened, strict=True))
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
