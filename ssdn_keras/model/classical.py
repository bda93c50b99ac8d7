"""Untrained denoisers behind the contract of `Denoiser`: an array in, an array out."""

import numpy as np

from ssdn_keras.algorithms.classical import CLASSICAL, estimate_sigma, stabilise, unstabilise
from ssdn_keras.choices import check_choice
from ssdn_keras.model import apply
from ssdn_keras.noise import parse_noise

# Rounding and a black level that is a little wrong leave values below black: this share, or any by this many counts.
_BELOW, _COUNTS = 0.001, 0.5


def _check_counts(noisy, photons):
    """Raise ValueError where values cannot be counts of photons: the transform to even noise cuts negative ones off.

    Args:
        noisy: H×W×C, nominal 0..1.
        photons: λ, the counts at 1.
    """
    share = np.mean(noisy * photons < -_COUNTS)
    if share > _BELOW:
        raise ValueError(
            f"{share:.1%} of the values are below 0, which counts of photons cannot be: shift them so that black is 0, "
            "or choose gauss noise"
        )


class ClassicalDenoiser:
    """A denoiser without anything learnt, for comparison.

    Args:
        algorithm: "nlm", "wavelet" or "cbm3d".
        noise: "gauss" or "poisson", or with a level such as "gauss25".
        channels: of the images; any number if None.

    Raises:
        ValueError: unknown algorithm, a noise that it is not made for, or a missing optional package.
    """

    estimated = False
    value_range = None
    noise_parameter = "known"
    # The original reflects test images up to multiples of 32 before it adds noise; only its own networks saw that.
    sees_padding = False

    def __init__(self, algorithm, noise="gauss", channels=None):
        check_choice("algorithm", algorithm, CLASSICAL)
        self.algorithm = CLASSICAL[algorithm]
        self.algorithm.require()
        self.noise = parse_noise(noise)
        if self.noise.kind not in ("gauss", "poisson"):
            raise ValueError(f"{algorithm} is made for gauss and poisson noise, not for {self.noise.kind}")
        self.channels = channels

    @property
    def name(self):
        """Name of the algorithm."""
        return self.algorithm.name

    def get_config(self):
        """What it is, for records."""
        return {"algorithm": self.name, "noise": str(self.noise), "channels": self.channels}

    def restore(self, noisy, parameter=None):
        """Denoise one image as the test protocol gives it.

        Args:
            noisy: float H×W×C, nominal 0..1.
            parameter: σ in 0..1 (estimated from the image if None), or λ.

        Returns:
            dict of "denoised", float32 H×W×C.

        Raises:
            ValueError: no σ can be found, or values are too far below 0 to be counts of photons.
        """
        noisy = np.asarray(noisy, "float64")
        if self.noise.kind == "poisson":
            _check_counts(noisy, parameter)
            white = float(stabilise(1.0, parameter))
            flat = self.algorithm.function(stabilise(noisy, parameter) / white, 1.0 / white)
            result = unstabilise(flat * white, parameter)
        else:
            sigma = estimate_sigma(noisy) if parameter is None else float(parameter)
            result = self.algorithm.function(noisy, sigma) if sigma > 0 else noisy
        return {"denoised": np.asarray(result, "float32").reshape(noisy.shape)}  # scikit-image drops a single channel

    def denoise(self, array, noise_level=None, data_range=None, return_std=False, memory=None):
        """Denoise one image or a stack, as `Denoiser.denoise` does; σ that is not given is estimated from the image."""
        return apply.denoise_array(self, array, noise_level, data_range, return_std, memory)

    def predict_images(self, noisy, parameter=None):
        """Denoise N×H×W×C images; `parameter` as for `restore`, one per image."""
        results = [
            self.restore(image, None if parameter is None else parameter[i])["denoised"]
            for i, image in enumerate(noisy)
        ]
        return {"denoised": np.stack(results)}

    def level_input(self, noise_level, count):
        """Parameters for `count` images from levels in the units of the experiment names, or None to estimate them."""
        if noise_level is None and not self.noise.varying:
            noise_level = self.noise.levels[0]
        if noise_level is None:
            if self.noise.kind == "gauss":
                return None
            raise ValueError(f"{self.name} cannot estimate {self.noise.unit}: give noise_level")
        return apply.checked_levels(self.noise, noise_level, count)
