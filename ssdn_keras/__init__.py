"""Self-supervised deep image denoising (Laine et al., NeurIPS 2019) for Keras 3.

The names below are imported when they are first used, so that commands can answer --help without loading Keras. Where
Keras was imported before, the classes are registered at once, so that `keras.models.load_model` opens files of a
`Denoiser` after `import keras, ssdn_keras`. In the other order it does once a name below was used; `ssdn_keras.load`
always does.
"""

import importlib
import sys

from ssdn_keras.version import __version__

_HOMES = {
    "ClassicalDenoiser": "ssdn_keras.model.classical",
    "Denoiser": "ssdn_keras.model.denoiser",
    "RampedLearningRate": "ssdn_keras.model.schedule",
    "RotateMerge": "ssdn_keras.model.layers",
    "RotateStack": "ssdn_keras.model.layers",
    "ShiftConv2D": "ssdn_keras.model.layers",
    "ShiftPool": "ssdn_keras.model.layers",
    "load": "ssdn_keras.model.files",
    "published_optimizer": "ssdn_keras.model.optimizers",
}
_MODULES = {"data": "ssdn_keras.data", "layers": "ssdn_keras.model.layers", "original": "ssdn_keras.interop.original"}

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__


if "keras" in sys.modules:
    importlib.import_module(_HOMES["Denoiser"])
