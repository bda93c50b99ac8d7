"""Weights as a safetensors file: arrays and text, and nothing that could run."""

import json

import numpy as np

from ssdn_keras.interop import original


def write(model, path):
    """Write the weights of a `Denoiser` in float32, by the authors' variable names.

    The metadata's "config" is `Denoiser.get_config` as JSON.
    """
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(array, "float32") for name, array in original.variables(model).items()}
    save_file(arrays, str(path), metadata={"config": json.dumps(model.get_config())})
