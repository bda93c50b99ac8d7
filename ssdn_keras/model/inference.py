"""How a denoiser is used: on arrays, on one image of a test, and as a file for other programs."""

import numpy as np

from ssdn_keras.model import apply


class Inference:
    """What a `Denoiser` does with images, beside its call on tensors."""

    def denoise(self, array, noise_level=None, data_range=None, return_std=False, memory=None, self_ensemble=False):
        """Denoise one image or a stack of images of any size.

        Args:
            array: H×W (one channel), H×W×C or N×H×W×C; integers or floats.
            noise_level: where the parameter is known: σ in grey levels of 0..255 (with a `value_range`: in the units of
                the array), λ, or α in percent; one number or one per image. Of Poisson–Gaussian noise (gain, read
                noise) in the units of σ, or N×2. May be left out if the model was made for one level.
            data_range: value of white; by default the largest value of an integer type, and 1 for floats. Not for
                models with a `value_range`.
            return_std: return the posterior standard deviation as well.
            memory: bytes that the process may have in memory; images for which that is too little are denoised in
                tiles, with the same result. By default it follows from what is free.
            self_ensemble: average over the eight rotations and reflections of the image: a little better, in eight
                times the time.

        Returns:
            Array of the same shape, type and range. Integers are rounded and clipped, floats are not. With `return_std`
            a pair of this and the standard deviation, float32, in the units of the array.

        Raises:
            ValueError: wrong shape or type, NaN or infinity, or a noise level that is missing or not expected; or
                `return_std` of a model that has no posterior.
        """
        return apply.denoise_array(self, array, noise_level, data_range, return_std, memory, self_ensemble)

    def predict_images(self, noisy, parameter=None):
        """All outputs as NumPy arrays for N×H×W×C images; `parameter` in the network's units, one per image."""
        return apply.predict(self, noisy, parameter)

    def level_input(self, noise_level, count):
        """Parameters for `count` images from levels in the units of the experiment names; None where none is needed."""
        return apply.level_input(self, noise_level, count)

    def restore(self, noisy, parameter=None):
        """All outputs for one image float H×W×C with its true noise parameter, which is used if it is to be known."""
        known = self.algorithm.uses_noise_model and self.noise_parameter == "known"
        parameter = np.array([parameter], "float32") if known and parameter is not None else None
        return {name: value[0] for name, value in self.predict_images(noisy[None], parameter).items()}

    def export_denoiser(self, path, format="saved_model", overwrite=False):
        """Write network, noise model and posterior mean for programs without this package; see docs/export.md.

        Args:
            path: folder of the SavedModel, or file that ends in .onnx or .safetensors (weights only).
            format: "saved_model", "onnx" or "safetensors".
            overwrite: replace a result that exists.

        Raises:
            ValueError: unknown format, or an optional package is missing; the message says how to install it.
            FileExistsError: something is there already.
        """
        from ssdn_keras.exporting.formats import export  # knows models, so models cannot know it from the start

        export(self, path, format, overwrite)
