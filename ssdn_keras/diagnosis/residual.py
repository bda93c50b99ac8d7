"""What a denoiser took away: it should be noise, of the measured strength, and nothing else."""

import numpy as np

BLOCK = 16
# A block shows structure if a correlation within it, or its mean, is so many standard errors from that of noise.
_CORRELATED, _SHIFTED = 4.0, 6.0
_NORMAL_FIFTH = 0.8416  # of a normal distribution, a fifth lies farther below its mean
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
_POINTS = 20


def whiteness(residual, radius=6):
    """Autocorrelation of a whole residual H×W×C, mean over channels: (2 radius + 1)², 1 at its centre."""
    height, width, channels = residual.shape
    radius = min(radius, height - 1, width - 1)
    total = np.zeros((2 * radius + 1,) * 2)
    shape = (height + radius, width + radius)
    for channel in range(channels):
        plane = residual[..., channel] - residual[..., channel].mean()
        lags = np.fft.irfft2(np.abs(np.fft.rfft2(plane, shape)) ** 2, shape)
        lags = np.roll(lags, (radius, radius), (0, 1))[: 2 * radius + 1, : 2 * radius + 1]
        total += lags / max(lags[radius, radius], 1e-30)
    pairs = np.outer(*(size - np.abs(np.arange(-radius, radius + 1)) for size in (height, width)))
    return total / channels * height * width / pairs


def blocks_with_structure(standardised, noise_correlation=(0.0, 0.0)):
    """Bool map of blocks of 16×16 in which more than noise is left.

    Args:
        standardised: residual over the noise's standard deviation, H×W×C.
        noise_correlation: (horizontal, vertical) correlation of the noise itself with the next pixel.
    """
    height, width = (size // BLOCK * BLOCK for size in standardised.shape[:2])
    if not height or not width:
        return np.zeros((0, 0), bool)
    blocks = standardised[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, -1)
    blocks = blocks.transpose(0, 2, 4, 1, 3)  # rows, columns, channels, and the pixels of a block
    blocks = blocks / np.sqrt(np.maximum(np.square(blocks).mean(axis=(3, 4), keepdims=True), 1e-12))
    channels = blocks.shape[2]
    scores = []
    for down, right in _DIRECTIONS:
        left, start = max(0, -right), max(0, right)
        one = blocks[..., down:, start : BLOCK - left]
        other = blocks[..., : BLOCK - down, left : BLOCK - start]
        scores.append((one * other).mean(axis=(2, 3, 4)) * np.sqrt(channels * one.shape[3] * one.shape[4]))
    if channels > 1:  # what an image loses, it mostly loses in all channels
        pairs = channels * (channels - 1) / 2
        product = (np.square(blocks.sum(axis=2)) - np.square(blocks).sum(axis=2)).mean(axis=(2, 3)) / 2
        scores.append(product / pairs * np.sqrt(pairs) * BLOCK)
    # Compared with the quieter blocks: for what noise itself, or a little of it left in the results, does everywhere.
    scores = [score - (np.quantile(score, 0.2) + _NORMAL_FIFTH) for score in scores]
    correlated = noise_correlation != (0.0, 0.0)
    if correlated:  # whose statistics vary more
        scores = [score / max(1.0, 1.4826 * np.median(np.abs(score))) for score in scores]
    found = np.max(scores, axis=0) > _CORRELATED
    mean = standardised[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, -1).mean(axis=(1, 3))
    spread = 1.0 + 4.0 * max(0.0, *noise_correlation)
    return found | (np.abs(mean) * BLOCK / spread > _SHIFTED).any(axis=-1)


def examine(noisy, outputs, fit, noise_correlation=(0.0, 0.0)):
    """Figures of a residual, all in file units.

    Args:
        noisy: H×W×C.
        outputs: dict of "denoised", "mean" and, for a network with a noise model, "std" (posterior standard deviation),
            each H×W×C, and "noise_level", the network's own estimate of σ.
        fit: `NoiseFit` that was measured.
        noise_correlation: see `blocks_with_structure`.

    Returns:
        dict of figures, dict of maps (residual, structure, whiteness).
    """
    residual = noisy - outputs["denoised"]
    from_surroundings = noisy - outputs["mean"]
    variance = np.maximum(fit.variance(outputs["denoised"]), 1e-30)
    structure = blocks_with_structure(residual / np.sqrt(variance), noise_correlation)
    lags = whiteness(residual)
    centre = lags.shape[0] // 2
    # Of noise n given the noisy value, the posterior's mean is the residual and its variance that of the result: the
    # variance of n is the sum. (Law of total variance; a network without a posterior leaves prediction errors in it.)
    left = np.mean(np.square(outputs["std"])) if "std" in outputs else 0.0
    implied = float(np.sqrt(np.mean(np.square(residual)) + left))
    measured = float(np.sqrt(variance.mean()))
    figures = {
        "residual_std": float(residual.std()),
        "residual_mean": float(residual.mean()),
        "prediction_residual_std": float(from_surroundings.std()),
        "implied_level": implied,
        "measured_level": measured,
        "implied_over_measured": implied / measured,
        "has_posterior": "std" in outputs,
        "estimated_level": outputs.get("noise_level"),
        "estimated_over_measured": None if outputs.get("noise_level") is None else outputs["noise_level"] / measured,
        "correlation_right": float(lags[centre, centre + 1]) if centre else 0.0,
        "correlation_down": float(lags[centre + 1, centre]) if centre else 0.0,
        "share_with_structure": float(structure.mean()) if structure.size else 0.0,
    }
    return figures, {
        "residual": residual, "structure": structure, "whiteness": lags, "curve": by_brightness(outputs, residual),
    }  # fmt: skip


def by_brightness(outputs, residual):
    """(brightness, variance): residual variance, with that of the posterior, in classes of brightness of equal size."""
    brightness = outputs["denoised"].ravel()
    square = np.square(residual).ravel()
    if "std" in outputs:
        square = square + np.square(outputs["std"]).ravel()
    order = np.array_split(np.argsort(brightness, kind="stable"), _POINTS)
    return (
        np.array([brightness[part].mean() for part in order if part.size]),
        np.array([square[part].mean() for part in order if part.size]),
    )
