"""This package at work, in a process of its own: run as a script by `programs`, never imported.

Usage: ours_worker.py SETTINGS, a JSON object with precision, algorithm, noise_parameter, crop and minibatch. Requests
are lines, see `answer`.
"""

import json
import sys

from worker import answer


def build(settings):
    """The requests that this process answers."""
    import numpy as np
    from keras import ops

    from ssdn_keras.benchmarking import device
    from ssdn_keras.benchmarking.training import repeated_minibatch
    from ssdn_keras.model.denoiser import Denoiser
    from ssdn_keras.model.optimizers import published_optimizer

    model = Denoiser(
        noise="gauss25", noise_parameter=settings["noise_parameter"], algorithm=settings["algorithm"],
        dtype=settings["precision"],
    )  # fmt: skip
    model.compile(optimizer=published_optimizer())
    batches = repeated_minibatch(model, settings["crop"], settings["minibatch"], "gauss25")

    def train(steps):
        model.fit(batches, epochs=1, steps_per_epoch=steps, verbose=0)

    def denoise(height, width):
        image = np.random.default_rng(0).random((height, width, 3), dtype=np.float32)
        model.denoise(image, noise_level=25 if settings["noise_parameter"] == "known" else None)

    # The loss, its gradient by the network's outputs, and the posterior mean that a step reports, without the network.
    noisy, _ = next(iter(batches))
    noisy = ops.convert_to_tensor(np.asarray(noisy["noisy"]))
    shape = (*noisy.shape[:3], model.network.components)
    network_output = ops.convert_to_tensor(np.random.default_rng(1).standard_normal(shape).astype("float32"))
    strength = ops.full((noisy.shape[0], 1, 1, 1), 0.1, dtype="float32")

    def loss(network_output):
        return ops.mean(model._loss_map({"noisy": noisy}, None, network_output, strength))

    def posterior(network_output):
        outputs = model.algorithm.outputs(network_output, noisy, model.noise.model, strength, False)
        return ops.mean(outputs["denoised"]) + ops.mean(outputs["mean"])

    step = device.compiled(lambda output: posterior(output) + ops.sum(gradient_of(loss, output)))

    def loss_and_posterior(steps):
        for _ in range(steps):
            float(ops.convert_to_numpy(step(network_output)))

    requests = {
        "train": train,
        "denoise": denoise,
        "device_memory": lambda: device.device_memory(),
    }
    return {**requests, "loss": loss_and_posterior} if model.algorithm.uses_noise_model else requests


def gradient_of(function, x):
    """Gradient of a scalar function on any backend."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return tape.gradient(value, x)
    if backend == "jax":
        import jax

        return jax.grad(function)(x)
    import torch

    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x), x)[0]


if __name__ == "__main__":
    answer(lambda: build(json.loads(sys.argv[1])))
