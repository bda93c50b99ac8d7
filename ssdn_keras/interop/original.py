"""Variables by the names of the authors' program."""

import numpy as np

ESTIMATOR_PREFIX = "param_estimation_net/"
GLOBAL_PARAMETER = "noise_data"


def variable_objects(model):
    """The model's variables by their original names."""
    variables = {}
    for prefix, network in (("", model.network), (ESTIMATOR_PREFIX, model.estimator)):
        if network is None:
            continue
        for name, layer in network.convolutions().items():
            variables[f"{prefix}{name}/W"] = layer.kernel
            variables[f"{prefix}{name}/b"] = layer.bias
    if model.global_parameter is not None:
        variables[GLOBAL_PARAMETER] = model.global_parameter
    return variables


def load_variables(model, arrays):
    """Set the model's weights from arrays by the authors' variable names, such as "enc_conv0/W".

    Kernels are height, width, in, out, as in the authors' files.

    Raises:
        ValueError: names are missing or too many, or a shape does not fit; nothing is changed then.
    """
    variables = variable_objects(model)
    missing, unknown = sorted(set(variables) - set(arrays)), sorted(set(arrays) - set(variables))
    if missing or unknown:
        raise ValueError(
            f"the variables do not belong to this model: {len(missing)} missing {missing[:3]}, "
            f"{len(unknown)} unknown {[name[:40] for name in unknown[:3]]}; check noise_parameter, algorithm and "
            "channels"
        )
    values = {}
    for name, variable in variables.items():
        value = np.asarray(arrays[name], "float32")
        if name == GLOBAL_PARAMETER and value.size == 1:
            value = value.reshape(())
        if value.shape != tuple(variable.shape):
            raise ValueError(f"{name} has shape {value.shape}, this model needs {tuple(variable.shape)}")
        values[name] = value
    for name, variable in variables.items():
        variable.assign(values[name])


def variables(model):
    """The model's weights as NumPy arrays by the authors' variable names."""
    arrays = {name: np.array(variable) for name, variable in variable_objects(model).items()}
    if GLOBAL_PARAMETER in arrays:
        arrays[GLOBAL_PARAMETER] = arrays[GLOBAL_PARAMETER].reshape(1, 1, 1, 1)
    return arrays
