"""One training step that leaves everything as it was when a gradient is not finite. One class per Keras backend.

Each class imports its backend when it makes a step, so that none of the others need be installed.
"""

import keras

from ssdn_keras.model.train_step.common import SkippedSteps
from ssdn_keras.model.train_step.jax import JaxTrainStep
from ssdn_keras.model.train_step.tensorflow import TensorFlowTrainStep
from ssdn_keras.model.train_step.torch import TorchTrainStep

__all__ = ["JaxTrainStep", "SkippedSteps", "TensorFlowTrainStep", "TorchTrainStep", "TrainStep"]

TrainStep = {"jax": JaxTrainStep, "torch": TorchTrainStep}.get(keras.backend.backend(), TensorFlowTrainStep)
