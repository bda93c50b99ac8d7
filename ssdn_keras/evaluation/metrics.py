"""PSNR and SSIM by the published protocol: on images rounded to 8 bits."""

import numpy as np
from skimage import metrics


def to_uint8(image):
    """Float image (nominal 0..1) to uint8: × 255, + 0.5, clipped, truncated."""
    return np.clip(np.asarray(image, "float64") * 255.0 + 0.5, 0, 255).astype(np.uint8)


def psnr(clean, image):
    """Peak signal-to-noise ratio in dB over all channels of uint8 images H×W×C; infinite if they are equal."""
    if np.array_equal(clean, image):
        return float("inf")
    return float(metrics.peak_signal_noise_ratio(clean, image, data_range=255))


def psnr_inside(clean, image):
    """As `psnr`, over the values whose clean one is neither 0 nor 255; NaN if there is none."""
    inside = (clean > 0) & (clean < 255)
    return psnr(clean[inside], image[inside]) if inside.any() else float("nan")


def ssim(clean, image):
    """Structural similarity of uint8 images H×W×C as Wang et al. (2004) define it, averaged over channels.

    Gaussian window of standard deviation 1.5. Images smaller than that window have none: NaN.
    """
    if min(clean.shape[:2]) < 11:
        return float("nan")
    return float(
        metrics.structural_similarity(
            clean, image, data_range=255, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def float_psnr(clean, image):
    """Peak signal-to-noise ratio in dB of floats of nominal range 0..1, clipped but not rounded."""
    error = np.mean(np.square(np.clip(image, 0.0, 1.0) - clean))
    return float(-10.0 * np.log10(max(error, 1e-10)))
