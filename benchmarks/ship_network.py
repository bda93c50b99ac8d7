"""The last step of the recipe of a network of the package: its noise estimates put right, its weights halved.

    python benchmarks/ship_network.py runs/rgb2/final.keras ssdn_keras/shipped/networks/gauss-rgb.keras \\
        --images=bsd400-train

Use the training images, never test images. With --network the prior comes from a training that was told σ, and only the
estimator from the source: where σ is estimated, the balance term of the published loss rewards large σ and, where the
image is smooth, priors that are too narrow (paper, section 3.5); told σ, the network has no reason for either.
"""

import argparse
import tempfile
from pathlib import Path

import ssdn_keras
from ssdn_keras.data.images import list_images, read_image
from ssdn_keras.model.half import write_half
from ssdn_keras.training.calibration import calibrate
from ssdn_keras.training.models import save_model


def joined(estimating, told):
    """A model that estimates σ as the one does and knows images as the other does."""
    of_network = {name: told.get_config()[name] for name in ("filters", "mean_start")}
    model = ssdn_keras.Denoiser.from_config({**estimating.get_config(), **of_network})
    model.estimator.set_weights(estimating.estimator.get_weights())
    model.network.set_weights(told.network.get_weights())
    return model


def main():
    """Calibrate and halve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help=".keras file")
    parser.add_argument("target", help=".keras file to write")
    parser.add_argument("--network", help=".keras file whose network takes the place of the source's")
    parser.add_argument("--images", required=True, help="folder of the training images")
    parser.add_argument("--count", type=int, default=100, help="how many of them, evenly spaced")
    arguments = parser.parse_args()
    model = ssdn_keras.load(arguments.source)
    if arguments.network:
        model = joined(model, ssdn_keras.load(arguments.network))
    paths = list_images(arguments.images)
    paths = paths[:: max(len(paths) // arguments.count, 1)][: arguments.count]
    slope, offset = calibrate(model, [read_image(path, model.channels) for path in paths])
    print(f"estimates on {len(paths)} images: slope {slope:.3f}, offset {offset:.3f} before the softplus")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.keras"
        save_model(model, whole)
        write_half(whole, Path(arguments.target))
    print(f"wrote {arguments.target}: {Path(arguments.target).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
