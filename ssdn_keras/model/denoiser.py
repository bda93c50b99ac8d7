"""The denoiser: a network, a noise model and what joins them, as one Keras model."""

import numbers

import keras
import numpy as np
from keras import ops

from ssdn_keras.algorithms import ALGORITHMS
from ssdn_keras.choices import NOISE_PARAMETERS, check_choice
from ssdn_keras.model.inference import Inference
from ssdn_keras.model.layers import PACKAGE
from ssdn_keras.model.networks import FILTERS, DenoisingNetwork
from ssdn_keras.model.training import Training
from ssdn_keras.noise import covariance, likelihood, make_noise_spec, parse_noise
from ssdn_keras.noise.parameters import global_rate_of, smallest_estimate_of
from ssdn_keras.value_range import checked_clipping, checked_range, span
from ssdn_keras.version import __version__


def _checked_filters(name, value):
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or not 1 <= value <= 1024:
        raise ValueError(f"{name} must be from 1 to 1024. Received: {name}={value!r}")
    return int(value)


@keras.saving.register_keras_serializable(package=PACKAGE)
class Denoiser(Training, Inference, keras.Model):
    """Self-supervised image denoiser (Laine et al., NeurIPS 2019).

    Inputs are a dict: "noisy", N×H×W×C in nominal range 0..1, any H and W; and, where the parameter is known and
    differs between images, "noise_level" with one value per image: σ in 0..1, λ, α in 0..1, or N×2, gain and read noise
    in 0..1. Outputs are a dict: "mean" (of the prior), "denoised" (posterior mean), "std" (posterior standard
    deviation), each N×H×W×C, and "network_std", "noise_std", N×H×W. Where gain and read noise are estimated, also
    "strength", N×1×1×2: the two, in 0..1. Networks without a noise model return "mean" and "denoised" only.

    Args:
        noise: "gauss", "poisson", "impulse" or "poisson_gauss", or a name with a level as in the experiments, such as
            "gauss25" or "poisson5_50": σ of 0..255, λ, α in percent; "poisson_gauss2+5": gain and read noise of 0..255.
        noise_parameter: "known" (given), "global" (one trainable constant), "per_image" (estimated by a network), or
            "maximum_likelihood": given in training, and in use, unless it is given, the one under which each image is
            most likely (`ssdn_keras.noise.likelihood`). The networks of this and of "known" are the same.
        channels: 1, 3 or any other number.
        diagonal_covariance: a prior whose channels are independent.
        blindspot_size: 1, 3, 5, …: width of the square that an output does not see.
        algorithm: "ssdn"; "ssdn_mean" (blind spot, mean only), "n2c", "n2n", "n2v", "n2v2".
        noise_range: (low, high) levels, if `noise` does not name them; of gain and read noise, each a pair.
        clipped: whether noisy values were clipped and rounded to 8 bits, which the likelihood then knows; the same as
            "-clipped" at the end of `noise`, such as "gauss25-clipped". Or the values of images at which they were
            clipped, (low, high), and then rounded to whole numbers; or (low, high, step), rounded to steps from low,
            not at all if the step is 0.
        filters: of the network's encoder, the decoder has twice as many; 48 as published. Half of them take less
            than half of the time.
        estimator_filters: the same of the network that estimates the noise parameter; by default as many as `filters`.
        mean_start: "neighbours": the prior's mean is the mean of the pixels next to the blind square and a learned
            correction, which trains faster; "none": all of it is learned, as published. Not for n2c, n2n, n2v, n2v2.
        value_range: (low, high), the values of images that become 0 and 1; σ, gain and read noise are then in the units
            of the images, and low is the black level of Poisson and Poisson–Gaussian noise. By default 8-bit images
            have 0..255, and so has σ; integers of other types are scaled by their largest value.

    Raises:
        ValueError: an argument has a value that is not one of these.
    """

    # As in the original: test images are reflected up to multiples of 32, and an estimate averages over that too.
    sees_padding = True

    def __init__(
        self,
        noise="gauss",
        noise_parameter="known",
        channels=3,
        diagonal_covariance=False,
        blindspot_size=1,
        algorithm="ssdn",
        noise_range=None,
        value_range=None,
        clipped=None,
        filters=FILTERS,
        estimator_filters=None,
        mean_start="none",
        **kwargs,
    ):
        kwargs.pop("version", None)
        super().__init__(**kwargs)
        # The noisy image must reach the likelihood in float32, whatever the networks compute in.
        self.autocast = False
        check_choice("noise_parameter", noise_parameter, NOISE_PARAMETERS)
        check_choice("algorithm", algorithm, ALGORITHMS)
        if not isinstance(channels, numbers.Integral) or isinstance(channels, bool) or channels < 1:
            raise ValueError(f"channels must be a positive integer. Received: channels={channels!r}")
        self.filters = _checked_filters("filters", filters)
        self.estimator_filters = _checked_filters("estimator_filters", estimator_filters or filters)
        self.value_range = checked_range(value_range)
        self.noise = parse_noise(noise, span(self.value_range))
        if noise_range is not None:
            low, high = noise_range
            self.noise = make_noise_spec(self.noise.model.name, low, high, span=span(self.value_range))
        self.clipped = None
        if clipped is True:
            self.noise = self.noise.clipped
        elif clipped:
            self.clipped = checked_clipping(clipped)
            black = 0.0 if self.value_range is None else self.value_range[0]
            (low, high), step = self.clipped[:2], self.clipped[2:]
            self.noise = self.noise.clipped_to(*((end - black) / self.noise.span for end in (low, high)), *step)
        self.algorithm = ALGORITHMS[algorithm]
        self.noise_parameter = noise_parameter
        if self.seeks_level and not self.noise.can_be_sought:
            raise ValueError(f"noise_parameter='maximum_likelihood' is not for {self.noise.kind} noise: use per_image")
        self.channels = int(channels)
        self.diagonal_covariance = diagonal_covariance
        self.blindspot_size = blindspot_size
        if self.algorithm.blind and blindspot_size < 1:
            raise ValueError(f"blindspot_size must be 1, 3, 5, … Received: blindspot_size={blindspot_size}")
        if mean_start != "none" and not self.algorithm.blind:
            raise ValueError(f"mean_start={mean_start!r} needs a blind spot, which {algorithm} does not have")
        self.network = DenoisingNetwork(
            self.algorithm.components(channels, diagonal_covariance),
            blindspot_size=blindspot_size if self.algorithm.blind else 0,
            filters=self.filters,
            mean_start=mean_start,
            dtype=self.dtype_policy,
            name="network",
        )
        self.estimator = None
        self.global_parameter = None
        if self.learnt and noise_parameter == "per_image":
            self.estimator = DenoisingNetwork(
                len(self.noise.level_names), blindspot_size=0, zero_output=True, filters=self.estimator_filters,
                dtype=self.dtype_policy,
                name="estimator",
            )  # fmt: skip
        self.prepare_training()
        self.build()

    @property
    def estimated(self):
        """Whether the model finds the noise parameter of an image by itself, or has it as a constant that it learnt."""
        return self.algorithm.uses_noise_model and self.noise_parameter != "known"

    @property
    def learnt(self):
        """Whether the noise parameter is learnt from noisy images, and not given in training."""
        return self.algorithm.uses_noise_model and self.noise_parameter in ("global", "per_image")

    @property
    def seeks_level(self):
        """Whether the model takes the level under which an image is most likely, unless it is given."""
        return self.algorithm.uses_noise_model and self.noise_parameter == "maximum_likelihood"

    def build(self, input_shape=None):
        """Create all variables; the shapes follow from the number of channels."""
        if self.built:
            return
        shape = (None, None, None, self.channels)
        self.network.build(shape)
        if self.estimator is not None:
            self.estimator.build(shape)
        if self.learnt and self.noise_parameter == "global":
            self.global_parameter = self.add_weight(
                shape=self.noise.parameter_shape, initializer="zeros", name="global_parameter", dtype="float32",
                autocast=False,
            )  # fmt: skip
        self.built = True

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, dict):  # plain numbers and lists too, which Keras would refuse
            inputs = {
                name: np.asarray(value, "float32") if isinstance(value, (int, float, list, tuple)) else value
                for name, value in inputs.items()
            }
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs, training=False):
        noisy, network_output, strength = self._forward(inputs, training, seek=self.seeks_level and not training)
        outputs = self.algorithm.outputs(network_output, noisy, self.noise.model, strength, self.diagonal_covariance)
        if strength is not None and self.noise.parameter_shape and self.estimated:
            outputs["strength"] = strength  # two numbers, which cannot be told from a map of their sum
        if training:
            # The loss starts from what the network said; predictions have no use for it.
            outputs["network_output"] = network_output
            if strength is not None:
                outputs["strength"] = strength
        return outputs

    def _forward(self, inputs, training=False, seek=False):
        if not isinstance(inputs, dict):
            inputs = {"noisy": inputs}
        noisy = ops.convert_to_tensor(inputs["noisy"], "float32")
        if len(noisy.shape) != 4 or noisy.shape[-1] != self.channels:
            raise ValueError(f"expected noisy images N×H×W×{self.channels}, received shape {tuple(noisy.shape)}")
        network_output, level = self.network(noisy, training=training), inputs.get("noise_level")
        if seek and level is None:
            return noisy, network_output, self._likeliest_strength(noisy, network_output)
        return noisy, network_output, self._strength(noisy, level, training)

    def _likeliest_strength(self, noisy, network_output):
        """The noise parameter under which each image is most likely, N×1×1×1."""
        positions = likelihood.samples(*ops.shape(noisy)[1:3])
        return self.likeliest(*(likelihood.at_samples(image, *positions) for image in (noisy, network_output)))

    def likeliest(self, noisy, network_output):
        """The noise parameter under which some pixels of each image are most likely, N×1×1×1.

        Args:
            noisy: N×P×1×C.
            network_output: N×P×1×components.
        """
        mean, columns = covariance.split_components(network_output, self.channels, self.diagonal_covariance)
        return likelihood.most_likely(self.noise.model, noisy, mean, columns)

    def _strength(self, noisy, level, training=False):
        """Noise parameter as the noise model wants it: N×1×1×1, or N×1×1×2 for two numbers."""
        if not self.algorithm.uses_noise_model:
            return None
        batch, shape, count = ops.shape(noisy)[0], self.noise.parameter_shape, len(self.noise.level_names)
        if not self.learnt:
            if level is None:
                if self.noise.varying:
                    raise ValueError(
                        f"the noise parameter {'in training' if self.seeks_level else 'of this model'} is known and "
                        f"varies: give noise_level, "
                        f"one value per image ({self.noise.unit})"
                    )
                level = self.noise.parameters[0]
            level = ops.convert_to_tensor(level, "float32")
            if shape and tuple(level.shape[-1:]) != shape:
                raise ValueError(
                    f"noise_level needs {count} numbers per image ({self.noise.unit}): N×{count}, not "
                    f"{tuple(level.shape)}"
                )
            level = ops.reshape(level, (-1, 1, 1, count))
            given, images = level.shape[0], noisy.shape[0]
            if None not in (given, images) and given not in (1, images):
                raise ValueError(f"noise_level needs one value per image: {given} values for {images} images")
            return ops.broadcast_to(self.noise.model.known(level), (batch, 1, 1, count))
        if self.noise_parameter == "global":
            raw = ops.broadcast_to(self.global_raw(), (batch, 1, 1, count))
        else:
            raw = ops.mean(self.estimator(noisy, training=training), axis=(1, 2), keepdims=True)
        return self.strength_of(raw)

    def strength_of(self, raw):
        """Noise parameter from the number or numbers that stand for it in training, on the last axis."""
        return ops.softplus(raw - 4.0) + ops.convert_to_tensor(smallest_estimate_of(self.noise.model), "float32")

    def global_raw(self):
        """The number or numbers that stand for a noise parameter that is one constant."""
        return ops.convert_to_tensor(self.global_parameter) * global_rate_of(self.noise.model)

    def start_at(self, level):
        """Let the estimate start at a level in the units of the experiment names, instead of at r = 0.

        Of an estimate per image, all images start there. What is below the smallest estimate starts just above it.
        """
        smallest = np.asarray(smallest_estimate_of(self.noise.model), "float64")
        excess = np.maximum(np.divide(level, self.noise.level_scale) - smallest, 0.1 * smallest)
        raw = 4.0 + np.log(np.expm1(excess))
        if self.estimator is not None:
            self.estimator.output_layers["nin_c"].bias.assign(raw)
        else:
            self.global_parameter.assign(raw / global_rate_of(self.noise.model))

    def _loss_map(self, x, y, network_output, strength):
        noisy = ops.convert_to_tensor(x["noisy"] if isinstance(x, dict) else x, "float32")
        beside = self._beside(x, y)
        return self.algorithm.loss_per_pixel(
            network_output, noisy, beside, self.noise.model, strength, self.diagonal_covariance, self.learnt
        )

    def _beside(self, x, y):
        """What the algorithm learns from, by name: from the targets or, in a call by hand, from the inputs."""
        found = {}
        for name in self.algorithm.needs(self.noise.model):
            for source in (y, x):
                if isinstance(source, dict) and name in source:
                    found[name] = ops.convert_to_tensor(source[name], "float32")
                    break
            else:
                if name != self.algorithm.target or y is None or isinstance(y, dict):
                    raise ValueError(
                        f"{self.algorithm.name} on {self.noise.model.name} noise learns from {name!r}, "
                        "which must lie beside the noisy image: training_crops gives it"
                    )
                found[name] = ops.convert_to_tensor(y, "float32")
        return found

    def loss_per_pixel(self, x, y=None):
        """Training loss before it is averaged.

        Args:
            x: inputs as for a call; may hold what algorithms other than "ssdn" learn from as well.
            y: the target, or a dict: "clean" (n2c), "second" (n2n), "unmasked" and "mask" (n2v), N×H×W×C; "progress" of
                the training in 0..1, N, where the loss is annealed.

        Returns:
            N×H×W, or N×H×W×C for an algorithm without noise model.
        """
        _, network_output, strength = self._forward(x)
        return self._loss_map(x, y, network_output, strength)

    def get_config(self):
        low_high = None if self.noise.levels is None else list(self.noise.levels)
        return {
            "name": self.name,
            "dtype": self.dtype_policy.name,
            "noise": self.noise.model.name,
            "noise_range": low_high,
            "noise_parameter": self.noise_parameter,
            "channels": self.channels,
            "diagonal_covariance": self.diagonal_covariance,
            "blindspot_size": self.blindspot_size,
            "algorithm": self.algorithm.name,
            "value_range": None if self.value_range is None else list(self.value_range),
            "clipped": None if self.clipped is None else list(self.clipped),
            "filters": self.filters,
            "estimator_filters": self.estimator_filters,
            "mean_start": self.network.mean_start,
            "version": __version__,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
