"""Checks of named choices, with a suggestion for what is nearly right."""

import difflib


def check_choice(what, value, choices):
    """Return `value` if it is one of `choices`; otherwise raise a ValueError that names them and the nearest."""
    if value in choices:
        return value
    close = difflib.get_close_matches(str(value), list(choices), n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"{what} must be one of {', '.join(choices)}. Received: {value!r}{hint}")


# Untrained denoisers by name; here, so that commands need not load them to answer --help.
CLASSICAL_NAMES = ("nlm", "wavelet", "cbm3d")

# Pixels of an image (of each page of a file): more are taken for a decompression bomb, unless the user knows better.
MAX_PIXELS = 2**28

# How the noise parameter is known; here for the same reason, see `Denoiser`.
NOISE_PARAMETERS = ("known", "global", "per_image", "maximum_likelihood")
# Those that need no training of their own: any network with a noise model will do.
FOUND_OR_GIVEN = ("known", "maximum_likelihood")
# Noise models that may take each other's place: what the network sees is much alike.
EXCHANGEABLE_NOISE = ("gauss", "poisson")
# The same, of values that were then clipped and rounded to 8 bits, too.
NOISE_OF_MODEL = (*EXCHANGEABLE_NOISE, *(f"{name}-clipped" for name in EXCHANGEABLE_NOISE))

# What the mean of a network may start from, here for the same reason; `model.mean_start` has what it is.
MEAN_STARTS = ("none", "neighbours")

# Optimisers and their learning rates (Adam's as published), here for the same reason; see `model.optimizers`.
OPTIMIZERS = {"adam": 3e-4, "muon": 1e-3}

# Formats of exported denoisers, here for the same reason; `exporting.formats` has what they are.
EXPORT_FORMATS = ("saved_model", "onnx", "safetensors")
