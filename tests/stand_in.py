"""A stand-in for a checkout of the authors' program: its modules and calls, with the method written anew in plain
TensorFlow 1 from the paper's formulas, in float64 with general matrix inverses where this package has closed forms.

Images are N×C×H×W at the interface, as there.
"""

TFUTIL = """
import tensorflow as tf
import tensorflow.contrib

def create_session(options, force_as_default):
    assert options["allow_soft_placement"]
    tf.Session(config=tf.ConfigProto(allow_soft_placement=True)).__enter__()

def run(*arguments):
    return tf.get_default_session().run(*arguments)
"""
TFLIB = """
import importlib
import tensorflow as tf
from . import tfutil

class Network:
    def __init__(self, name, function, **arguments):
        module, function = function.split(".")
        self._function = getattr(importlib.import_module(module), function)
        self._arguments, self._scope = arguments, name
        inputs = 2 if function == "blindspot_pipeline" else 3
        templates = [tf.placeholder(tf.float32, arguments["input_shape"])] * (inputs - 1)
        last = tf.placeholder(tf.float32, [None, 1, 1, 1] if inputs == 2 else [])
        self.get_output_for(*templates, last)
        variables = tf.trainable_variables(name)
        self.trainables = {v.name.split("/", 1)[1].split(":")[0]: v for v in variables}
        tfutil.run([v.initializer for v in variables])

    def get_output_for(self, *inputs):
        with tf.variable_scope(self._scope, reuse=tf.AUTO_REUSE):
            return self._function(*inputs, **self._arguments)

class Optimizer:
    def __init__(self, tf_optimizer, learning_rate, beta1, beta2):
        self._optimizer = tf.train.AdamOptimizer(learning_rate, beta1, beta2)

    def register_gradients(self, loss, trainables):
        self._step = self._optimizer.minimize(loss, var_list=list(trainables.values()))

    def apply_updates(self):
        tfutil.run([variable.initializer for variable in self._optimizer.variables()])
        return self._step
"""
PROGRAM = """
import numpy as np
import tensorflow as tf

WRONG = 0.0

def layer(x, name, filters, blind, side=3, active=True):
    with tf.variable_scope(name):
        shape = [side, side, x.shape[-1], filters]
        kernel = tf.get_variable("W", shape, initializer=tf.random_normal_initializer(0, 0.1))
        bias = tf.get_variable("b", [filters], initializer=tf.zeros_initializer())
    if side == 3:
        x = tf.pad(x, [[0, 0], [2, 0] if blind else [1, 1], [1, 1], [0, 0]])
    x = tf.nn.conv2d(x, kernel, [1] * 4, "VALID") + bias
    return tf.maximum(x, 0.1 * x) if active else x

def lower(x):
    return tf.concat([tf.zeros_like(x[:, :1]), x[:, :-1]], 1)

def trunk(x, blind):
    skips = [x]
    x = layer(layer(x, "enc_conv0", 48, blind), "enc_conv1", 48, blind)
    for level in range(1, 6):
        x = tf.nn.max_pool(lower(x) if blind else x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
        skips.append(x)
        x = layer(x, "enc_conv%d" % (level + 1), 48, blind)
    for level in (5, 4, 3, 2, 1):
        x = tf.repeat(tf.repeat(x, 2, 1), 2, 2)
        x = tf.concat([x, skips[level - 1]], -1)
        for part in "ab":
            x = layer(x, "dec_conv%d%s" % (level, part), 96, blind)
    return x

def network(image, outputs, blind):
    if blind:
        turned = tf.concat([tf.image.rot90(image, k) for k in range(4)], 0)
        parts = tf.split(lower(trunk(turned, True)), 4, 0)
        x = tf.concat([tf.image.rot90(part, -k % 4) for k, part in enumerate(parts)], -1)
    else:
        x = trunk(image, False)
    x = layer(x, "nin_a", 384 if blind else 96, blind, 1)
    return layer(layer(x, "nin_b", 96, blind, 1), "nin_c", outputs, blind, 1, False)

def blindspot_pipeline(noisy, level, input_shape, noise_style, noise_params, diagonal_covariance):
    assert noise_style == "gauss"
    channels = input_shape[1]
    y = tf.transpose(noisy, [0, 2, 3, 1])
    y.set_shape([None, None, None, channels])
    corners = [(i, j) for i in range(channels) for j in range(i, channels) if i == j or not diagonal_covariance]
    out = tf.cast(network(y, channels + len(corners), True), tf.float64)
    mean, entries = out[..., :channels], tf.unstack(out[..., channels:], axis=-1)
    zero = tf.zeros_like(entries[0])
    found = dict(zip(corners, entries))
    upper = tf.stack([tf.stack([found.get((i, j), zero) for j in range(channels)], -1) for i in range(channels)], -2)
    prior = tf.matmul(upper, upper, transpose_b=True)
    if noise_params == "known":
        std = tf.maximum(tf.cast(level, tf.float64), 1e-3)
    else:
        if noise_params == "global":
            raw = tf.get_variable("noise_data", [1, 1, 1, 1], initializer=tf.zeros_initializer())
        else:
            with tf.variable_scope("param_estimation_net"):
                raw = tf.reduce_mean(network(y, 1, False), [1, 2, 3], keepdims=True)
        std = tf.nn.softplus(tf.cast(raw, tf.float64) - 4.0) + 1e-3
    std = std + WRONG
    eye = tf.eye(channels, dtype=tf.float64)
    noise = tf.square(std)[..., None] * eye
    y = tf.cast(y, tf.float64)
    apart = (y - mean)[..., None]
    total = prior + noise
    quadratic = tf.matmul(apart, tf.linalg.solve(total, apart), transpose_a=True)[..., 0, 0]
    loss = 0.5 * (quadratic + tf.linalg.logdet(total)) * (2.0 if channels == 1 else 1.0)
    if noise_params != "known":
        loss = loss - 0.1 * std[..., 0]
    small = 1e-6 * eye if channels > 1 else 0.0 * eye
    p, n = tf.linalg.inv(prior + small), tf.linalg.inv(noise + small)
    posterior = tf.linalg.solve(p + n + small, tf.matmul(p, mean[..., None]) + tf.matmul(n, y[..., None]))[..., 0]
    spread = tf.linalg.det(prior) ** (0.5 / channels)
    first = lambda x: tf.transpose(x, [0, 3, 1, 2])
    return first(mean), first(posterior), loss, spread, std[..., 0]

def simple_pipeline(reference, noisy, exponent, input_shape, noise_style, blindspot, noisy_targets):
    y = tf.transpose(noisy, [0, 2, 3, 1])
    y.set_shape([None, None, None, input_shape[1]])
    x = tf.transpose(network(y, input_shape[1], blindspot), [0, 3, 1, 2]) + WRONG
    loss = tf.square(x - reference)
    if noisy_targets and noise_style == "impulse":
        loss = (tf.abs(x - reference) + 1e-8) ** exponent
    return x, x, loss, tf.zeros_like(noisy), tf.zeros_like(noisy)
"""


def make_checkout(folder, program=PROGRAM):
    """Write the stand-in to a folder and return it."""
    (folder / "dnnlib" / "tflib").mkdir(parents=True)
    (folder / "dnnlib" / "__init__.py").write_text("")
    (folder / "dnnlib" / "tflib" / "__init__.py").write_text(TFLIB)
    (folder / "dnnlib" / "tflib" / "network.py").write_text("")
    (folder / "dnnlib" / "tflib" / "tfutil.py").write_text(TFUTIL)
    (folder / "selfsupervised_denoising.py").write_text(program)
    return folder
