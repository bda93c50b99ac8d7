"""Operations and memory traffic of the networks as published, from their structure alone.

However a convolution is evaluated here, it counts as the 3×3 or 1×1 convolution of the paper: so a cleverer evaluation
shows as more speed, not as less work. Two operations for each multiplication and addition of a convolution; biases,
activations, pools, likelihood and posterior are left out, below 1 % in all. Sides are those of the network's maps,
multiples of 32; the authors' squaring of images that are not square is not counted.
"""

from ssdn_keras.model.networks import LEVELS

VIEWS = 4
# Forward, gradient by the input, gradient by the weights.
PASSES_OF_A_STEP = 3


def level_of(name):
    """How often the map of a convolution of the paper's table was halved: "enc_conv3" → 2, "dec_conv1a" → 0."""
    if name.startswith("enc_conv"):
        return max(int(name.removeprefix("enc_conv")) - 1, 0)
    return int(name.removeprefix("dec_conv")[0]) - 1 if name.startswith("dec_conv") else 0


def padded(size):
    """A side as the network sees it."""
    return -(-size // 2**LEVELS) * 2**LEVELS


def convolution_shapes(network, height, width):
    """For each convolution (outputs, rows × columns of the weights, inputs, filters) of one image."""
    pixels = padded(height) * padded(width)
    for name, layer in network.convolutions().items():
        rows, columns, inputs, filters = layer.kernel.shape
        views = VIEWS if network.blindspot_size and not name.startswith("nin_") else 1
        yield views * pixels // 4 ** level_of(name), rows * columns, inputs, filters


def networks(model):
    """The networks of a denoiser."""
    return [model.network] if model.estimator is None else [model.network, model.estimator]


def forward_operations(model, height, width):
    """Operations to denoise one image."""
    return sum(
        2 * outputs * taps * inputs * filters
        for network in networks(model)
        for outputs, taps, inputs, filters in convolution_shapes(network, height, width)
    )


def forward_traffic(model, height, width, bytes_of_a_number):
    """Bytes to denoise one image if every convolution reads its input and writes its output once."""
    return bytes_of_a_number * sum(
        outputs * (inputs + filters)
        for network in networks(model)
        for outputs, _, inputs, filters in convolution_shapes(network, height, width)
    )
