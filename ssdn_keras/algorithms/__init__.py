"""What a network learns from. Each algorithm is one entry of `ALGORITHMS`."""

from ssdn_keras.algorithms.blind_spot import BlindSpotPosterior
from ssdn_keras.algorithms.regression import Regression

ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        BlindSpotPosterior(),
        Regression("ssdn_mean", blind=True, target=None),
        Regression("n2c", blind=False, target="clean"),
        Regression("n2n", blind=False, target="second"),
        Regression("n2v", blind=False, target="unmasked", replacement="random"),
        Regression("n2v2", blind=False, target="unmasked", replacement="median"),
    )
}
