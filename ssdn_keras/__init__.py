"""Self-supervised deep image denoising (Laine et al., NeurIPS 2019) for Keras 3."""

from ssdn_keras import data
from ssdn_keras.interop import original
from ssdn_keras.model import layers
from ssdn_keras.model.denoiser import Denoiser
from ssdn_keras.model.files import load
from ssdn_keras.model.layers import RotateMerge, RotateStack, ShiftConv2D, ShiftPool
from ssdn_keras.model.schedule import RampedLearningRate, published_optimizer
from ssdn_keras.version import __version__

__all__ = [
    "Denoiser",
    "RampedLearningRate",
    "RotateMerge",
    "RotateStack",
    "ShiftConv2D",
    "ShiftPool",
    "__version__",
    "data",
    "layers",
    "load",
    "original",
    "published_optimizer",
]
