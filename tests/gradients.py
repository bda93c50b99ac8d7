"""Gradients on any backend."""

import keras
import numpy as np


def input_gradient(function, x):
    """Gradient of the scalar function(x) with respect to the array x."""
    if keras.backend.backend() == "jax":
        import jax

        return np.array(jax.grad(function)(keras.ops.convert_to_tensor(x)))
    if keras.backend.backend() == "torch":
        import torch

        with torch.enable_grad():
            x = keras.ops.convert_to_tensor(x).clone().requires_grad_()
            return keras.ops.convert_to_numpy(torch.autograd.grad(function(x), x)[0])
    import tensorflow as tf

    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return np.array(tf.convert_to_tensor(tape.gradient(value, x)))


def weight_gradients(function, layer, x):
    """Gradients of the scalar function(x) with respect to the weights of a layer."""
    if keras.backend.backend() == "jax":
        import jax

        def value(weights):
            with keras.StatelessScope(state_mapping=list(zip(layer.trainable_variables, weights, strict=True))):
                return function(x)

        return list(map(np.array, jax.grad(value)([v.value for v in layer.trainable_variables])))
    if keras.backend.backend() == "torch":
        import torch

        with torch.enable_grad():
            gradients = torch.autograd.grad(function(x), [v.value for v in layer.trainable_variables])
        return [keras.ops.convert_to_numpy(gradient) for gradient in gradients]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = function(x)
    return list(map(np.array, tape.gradient(value, layer.trainable_variables)))


def loss_gradients(model, x, y):
    """(loss, gradients in the order of model.trainable_variables) of the training loss."""
    if keras.backend.backend() == "jax":
        import jax

        fixed = [v.value for v in model.non_trainable_variables], [v.value for v in model.metrics_variables]

        def loss(trainable):
            y_pred, _ = model.stateless_call(trainable, fixed[0], x, training=True)
            return model.stateless_compute_loss(trainable, *fixed, x=x, y=y, y_pred=y_pred)[0]

        value, gradients = jax.value_and_grad(loss)([v.value for v in model.trainable_variables])
    elif keras.backend.backend() == "torch":
        import torch

        with torch.enable_grad():
            value = model.compute_loss(x=x, y=y, y_pred=model(x, training=True))
            gradients = torch.autograd.grad(value, [v.value for v in model.trainable_variables])
        gradients = [keras.ops.convert_to_numpy(gradient) for gradient in gradients]
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = model.compute_loss(x=x, y=y, y_pred=model(x, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
    return float(value), [np.array(gradient) for gradient in gradients]
