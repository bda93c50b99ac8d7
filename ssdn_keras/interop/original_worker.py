"""The authors' program at work, in a process of its own: run as a script by `original_program`, never imported.

The program was written for TensorFlow 1.14. Here its files, from the user's own checkout, see `tensorflow.compat.v1`
under the name `tensorflow`, and an empty stand-in for `tensorflow.contrib`, which no longer exists and of which nothing
is used. Requests and answers are frames of NumPy arrays, see `frames`.
"""

import os
import sys
import types

import numpy as np
from measured import Measured  # from this folder: a script does not see the package


def pretend_old_tensorflow():
    """Let `import tensorflow` mean version 1; returns that module and the session options that a CPU needs."""
    import tensorflow

    old = getattr(getattr(tensorflow, "compat", None), "v1", None)
    if old is None or not hasattr(old, "placeholder"):
        raise ImportError(
            f"TensorFlow {getattr(tensorflow, '__version__', 'of unknown version')} has no API of version 1 "
            "(tensorflow.compat.v1), which the authors' program needs: install tensorflow<3"
        )
    import tensorflow.python.ops.nccl_ops  # noqa: F401  (must be loaded before the name is taken)
    from tensorflow.core.protobuf import rewriter_config_pb2

    old.disable_v2_behavior()
    sys.modules["tensorflow"] = old
    sys.modules["tensorflow.contrib"] = old.contrib = types.ModuleType("tensorflow.contrib")
    options = {
        "allow_soft_placement": True,
        "gpu_options.allow_growth": True,  # another process may be using the same GPU
        # The program works on N×C×H×W, for which a CPU has no convolution.
        "graph_options.rewrite_options.cpu_layout_conversion": rewriter_config_pb2.RewriterConfig.NCHW_TO_NHWC,
    }
    return old, options


_ACTIONS = ("build", "train", "denoise", "losses", "differentiate", "weights", "assign", "save", "restore")


class Worker:
    """A pipeline of the program: one network, its optimiser, and what can be asked of them.

    Images are N×C×H×W. `reference` is what n2c, n2n and ssdn_mean learn, and `exponent` that of an annealed loss; the
    blind-spot pipeline takes neither.
    """

    def __init__(self, checkout):
        self.tf, options = pretend_old_tensorflow()
        sys.path.insert(0, checkout)
        from dnnlib import tflib
        from dnnlib.tflib import tfutil

        self.tflib, self.run = tflib, tfutil.run
        tfutil.create_session(options, force_as_default=True)

    def build(self, noise, noise_parameter, channels, diagonal, seed, algorithm):
        """Create network, loss and training step."""
        tf = self.tf
        tf.set_random_seed(int(seed))
        np.random.seed(int(seed))
        shape = [None, int(channels), None, None]
        self.noisy, self.level = tf.placeholder(tf.float32, shape), tf.placeholder(tf.float32, [None, 1, 1, 1])
        self.reference, self.exponent = tf.placeholder(tf.float32, shape), tf.placeholder(tf.float32, [])
        self.rate = tf.placeholder(tf.float32, [])
        with tf.device("/gpu:0"):
            if str(algorithm) == "ssdn":
                network = self.tflib.Network(
                    "net", "selfsupervised_denoising.blindspot_pipeline", input_shape=shape, noise_style=str(noise),
                    noise_params=str(noise_parameter), diagonal_covariance=bool(diagonal),
                )  # fmt: skip
                self.outputs = network.get_output_for(self.noisy, self.level)
            else:
                network = self.tflib.Network(
                    "net", "selfsupervised_denoising.simple_pipeline", input_shape=shape, noise_style=str(noise),
                    blindspot=str(algorithm) == "ssdn_mean", noisy_targets=str(algorithm) != "n2c",
                )  # fmt: skip
                self.outputs = network.get_output_for(self.reference, self.noisy, self.exponent)
            self.variables = dict(network.trainables)
            self.loss = tf.reduce_mean(self.outputs[2])
            self.gradients = tf.gradients(self.loss, list(self.variables.values()))
            optimiser = self.tflib.Optimizer(
                tf_optimizer="tf.train.AdamOptimizer", learning_rate=self.rate, beta1=0.9, beta2=0.99
            )
            optimiser.register_gradients(self.loss, network.trainables)
        self.step = optimiser.apply_updates()
        # The other side removes old files, once it has noted the new ones.
        self.saver = tf.train.Saver(tf.global_variables(), max_to_keep=None)
        return {"parameters": sum(int(np.prod(variable.shape.as_list())) for variable in network.trainables.values())}

    def _feed(self, noisy, level, reference=None, exponent=0.5):
        return {
            self.noisy: noisy, self.level: level.reshape(-1, 1, 1, 1), self.exponent: exponent,
            self.reference: noisy if reference is None else reference,
        }  # fmt: skip

    def train(self, rate, **batch):
        """One step on a minibatch; the loss and the posterior mean before it."""
        feed = {**self._feed(**batch), self.rate: rate}
        loss, denoised, _ = self.run([self.loss, self.outputs[1], self.step], feed)
        return {"loss": loss, "denoised": denoised}

    def denoise(self, **batch):
        """Mean, posterior mean and the two summary maps of square images; seconds and bytes of memory that it took."""
        names = ("mean", "denoised", "network_std", "noise_std")
        wanted = [self.outputs[i] for i in (0, 1, 3, 4)]
        with Measured() as measured:
            results = self.run(wanted, self._feed(**batch))
        return {**dict(zip(names, results, strict=True)), "seconds": measured.seconds, "memory": measured.memory}

    def losses(self, **batch):
        """The loss map, N×H×W or N×C×H×W."""
        return {"loss": self.run(self.outputs[2], self._feed(**batch))}

    def differentiate(self, **batch):
        """Loss, and its gradient by the name of the variable."""
        loss, gradients = self.run([self.loss, self.gradients], self._feed(**batch))
        return {"loss": loss, **dict(zip(self.variables, gradients, strict=True))}

    def weights(self):
        """All weights by name."""
        return self.run(self.variables)

    def assign(self, **values):
        """Set all weights."""
        for name, variable in self.variables.items():
            variable.load(values[name], self.tf.get_default_session())
        return {}

    def save(self, path):
        """Write all variables, those of the optimiser too."""
        self.saver.save(self.tf.get_default_session(), str(path), write_meta_graph=False)
        return {}

    def restore(self, path):
        """Read what `save` wrote."""
        self.saver.restore(self.tf.get_default_session(), str(path))
        return {}


def serve(checkout, requests, answers):
    """Answer requests until there are no more."""
    from frames import read_frame, write_frame

    worker = None
    while (request := read_frame(requests)) is not None:
        if worker is None:
            worker = Worker(checkout)
        action = str(request.pop("action"))
        if action not in _ACTIONS:
            raise ValueError(f"unknown request {action!r}")
        write_frame(answers, getattr(worker, action)(**request))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Answers go where standard output was; what the program prints goes to standard error.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.stdin.buffer, pipe)
