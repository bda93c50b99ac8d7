"""What a network of grey images may start from: one of colour images that sees the grey image in all its channels.

    python benchmarks/grey_start.py gauss-rgb grey.keras
    python -m ssdn_keras.train --init=grey.keras --channels=1 …

Only a start. The colour network takes noise for independent between channels, and here it is the same in all.
"""

import argparse

import numpy as np

import ssdn_keras
from ssdn_keras.training.models import save_model


def grey_network_of(colour):
    """A one-channel `Denoiser` with the network of `colour`, its parameter of the noise "known".

    Its mean of an image is that of the three means of `colour`, told the image in each channel; its standard deviation
    that of the first channel.
    """
    channels = colour.channels
    settings = {**colour.get_config(), "channels": 1, "noise_parameter": "known", "estimator_filters": None}
    grey = ssdn_keras.Denoiser.from_config(settings)
    theirs, ours = (model.network.convolutions() for model in (colour, grey))
    for name, layer in theirs.items():
        kernel, bias = layer.get_weights()
        if name == "nin_c":
            kernel, bias = (_grey_components(weights, channels) for weights in (kernel, bias))
        elif kernel.shape[2] != ours[name].kernel.shape[2]:
            # The image comes last of what a convolution takes in.
            kernel = np.concatenate(
                [kernel[:, :, :-channels], kernel[:, :, -channels:].sum(axis=2, keepdims=True)], axis=2
            )
        ours[name].set_weights([kernel, bias])
    return grey


def _grey_components(weights, channels):
    """Mean and standard deviation (last axis) from the means and the triangular factor of a covariance."""
    return np.stack([weights[..., :channels].mean(axis=-1), weights[..., channels]], axis=-1)


def main():
    """Write the start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help=".keras file of a network of colour images, or the name of one of the package")
    parser.add_argument("target", help=".keras file to write")
    arguments = parser.parse_args()
    save_model(grey_network_of(ssdn_keras.load(arguments.source)), arguments.target)


if __name__ == "__main__":
    main()
