"""Names and layout of the PyTorch reimplementation's tensors against those of the authors' variables.

Both networks have the same layers in the same order, with the same shifts, and join the views of a blind-spot network
in the same order of rotations (0°, 90°, 180°, 270° counter-clockwise): kernels only change the order of their axes,
from out, in, height, width to height, width, in, out, and no channels are exchanged.
"""

import re

import numpy as np

from ssdn_keras.interop.network_file import LARGEST_RESULT, NetworkFileError, refuse
from ssdn_keras.interop.original import ESTIMATOR_PREFIX, GLOBAL_PARAMETER

_LAYERS = {
    "encode_block_1.0": "enc_conv0",
    "encode_block_1.2": "enc_conv1",
    **{f"encode_block_{level}.0": f"enc_conv{level}" for level in range(2, 7)},
    **{f"decode_block_{level}.0": f"dec_conv{level}a" for level in range(1, 6)},
    **{f"decode_block_{level}.2": f"dec_conv{level}b" for level in range(1, 6)},
    "output_block.0": "nin_a",
    "output_block.2": "nin_b",
    "output_block.4": "nin_c",
    "output_conv": "nin_c",  # the same layer under its own name
}
_PREFIXES = {"denoiser_model": "", "sigma_estimation_model": ESTIMATOR_PREFIX}
_KINDS = {"weight": ("/W", 4), "bias": ("/b", 1)}
_ESTIMATE = "l_params.estimated_sigma"
# Every network is there twice, as it is and as the copy that several GPUs share.
_PATTERN = re.compile(r"_?models\.(\w+)(?:\.module)?\.(\w+(?:\.[0-9])?)\.(weight|bias)")


def _original(name):
    """(the authors' name, number of dimensions) of a tensor's name."""
    if name == _ESTIMATE:
        return GLOBAL_PARAMETER, 4
    match = _PATTERN.fullmatch(name)
    if not match or match.group(1) not in _PREFIXES or match.group(2) not in _LAYERS:
        raise NetworkFileError(f"the tensor {name!r:.80} belongs to another program, or to another version of this one")
    suffix, dimensions = _KINDS[match.group(3)]
    return _PREFIXES[match.group(1)] + _LAYERS[match.group(2)] + suffix, dimensions


def original_variables(tensors):
    """Dict of the authors' name to float32 array.

    Args:
        tensors: dict of name to array.

    Raises:
        NetworkFileError: a tensor of another program, or copies of one that differ.
    """
    sources, variables, size = {}, {}, 0
    for name, value in tensors.items():
        original, dimensions = _original(name)
        if value.ndim != dimensions:
            raise NetworkFileError(f"damaged: {name} has {value.ndim} dimensions instead of {dimensions}")
        size += 4 * value.size
        if size > LARGEST_RESULT:
            refuse("more values than any network has")
        if original in sources:
            if not np.array_equal(sources[original], value, equal_nan=True):
                raise NetworkFileError(f"damaged: two copies of {original} differ")
            continue
        sources[original] = value
        kernel = dimensions == 4 and original != GLOBAL_PARAMETER
        variables[original] = np.ascontiguousarray(value.transpose(2, 3, 1, 0) if kernel else value, "float32")
    return variables
