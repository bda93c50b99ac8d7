"""Untrained denoisers for comparison: non-local means, wavelet shrinkage, CBM3D. Each is one entry of `CLASSICAL`.

All of them are made for Gaussian noise of known standard deviation. Poisson noise is turned into that by Anscombe's
transform.
"""

import contextlib
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_THREE_EIGHTHS = 3.0 / 8.0


@contextlib.contextmanager
def _without_warnings():
    """For libraries that warn of images of few pixels or of a single value, whose results are checked or harmless."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def non_local_means(noisy, sigma):
    """Buades et al. (2005) as in scikit-image, with σ given; float H×W×C."""
    from skimage import restoration

    return restoration.denoise_nl_means(
        noisy, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True, channel_axis=-1
    )


def wavelet(noisy, sigma):
    """BayesShrink (Chang et al., 2000) as in scikit-image, of colour in YCbCr, averaged over 5×5 shifts."""
    from skimage import restoration

    def shrink(image):
        return restoration.denoise_wavelet(
            image, sigma=sigma, wavelet="db2", channel_axis=-1, convert2ycbcr=image.shape[-1] == 3, rescale_sigma=True
        )

    # Shrinkage depends on where the wavelets lie; the mean over shifts does not ("cycle spinning").
    with _without_warnings():
        return restoration.cycle_spin(noisy, func=shrink, max_shifts=(4, 4, 0), workers=1)


def cbm3d(noisy, sigma):
    """BM3D of Dabov et al. (2007), of colour images in an opponent colour space; float H×W×C."""
    import bm3d

    noisy = np.asarray(noisy, "float64")
    if noisy.shape[-1] == 3:
        return bm3d.bm3d_rgb(noisy, sigma)
    return np.stack([bm3d.bm3d(noisy[..., c], sigma) for c in range(noisy.shape[-1])], axis=-1)


@dataclass(frozen=True)
class ClassicalAlgorithm:
    """A function of a noisy image (float H×W×C) and σ to a denoised one, and what it needs.

    Attributes:
        title: name for tables.
        package: optional package it needs, or None.
        terms: the licence terms of that package in a few words.
    """

    name: str
    title: str
    function: Callable
    package: str | None = None
    terms: str | None = None
    uses_noise_model = True

    def require(self):
        """Check that the optional package is there.

        Raises:
            ValueError: it is not; the message says how to install it and under which terms.
        """
        if self.package and importlib.util.find_spec(self.package) is None:
            raise ValueError(
                f"{self.name} needs the package {self.package} ({self.terms}); if you accept that: "
                f"pip install 'ssdn_keras[{self.name}]' or pip install {self.package}"
            )


CLASSICAL = {
    algorithm.name: algorithm
    for algorithm in (
        ClassicalAlgorithm("nlm", "Non-local means", non_local_means),
        ClassicalAlgorithm("wavelet", "Wavelet shrinkage", wavelet),
        ClassicalAlgorithm(
            "cbm3d", "CBM3D", cbm3d, "bm3d", "licence of Tampere University: non-commercial use only, closed source"
        ),
    )
}


def stabilise(noisy, photons):
    """Anscombe's transform of Poisson noise y = Poisson(λ x) / λ: noise of standard deviation near 1.

    Args:
        noisy: y, any shape.
        photons: λ.
    """
    return 2.0 * np.sqrt(np.maximum(np.asarray(noisy, "float64") * photons + _THREE_EIGHTHS, 0.0))


def unstabilise(values, photons):
    """Unbiased inverse of `stabilise` in the closed form of Mäkitalo and Foi (2011)."""
    root = np.sqrt(1.5)
    values = np.maximum(values, 2.0 * np.sqrt(_THREE_EIGHTHS))
    counts = values**2 / 4 + root / (4 * values) - 11 / (8 * values**2) + 5 * root / (8 * values**3) - 1 / 8
    return np.maximum(counts, 0.0) / photons


def estimate_sigma(noisy):
    """Standard deviation of Gaussian noise of an image H×W×C, from its finest wavelet coefficients.

    A channel without any detail has none and is left out.

    Raises:
        ValueError: no channel has any.
    """
    from skimage import restoration

    with _without_warnings():
        estimates = np.array(restoration.estimate_sigma(noisy, channel_axis=-1))
    estimates = estimates[np.isfinite(estimates) & (estimates > 0)]
    if not estimates.size:
        raise ValueError("no noise can be found in this image to estimate its level from: give noise_level")
    return float(estimates.mean())
