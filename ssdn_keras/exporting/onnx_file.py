"""An ONNX file, for ONNX Runtime and others: float32, any batch, height and width."""

import json
import logging
import warnings

import keras
import numpy as np

from ssdn_keras.exporting.inference import Inference, default_level, float32_copy, takes_level


def write(model, path):
    """Write a `Denoiser` by Keras's own exporter; the networks compute in float32 whatever the model does.

    Inputs and outputs are those of `Inference`. Where the model was made for one level, "noise_level" may be left out.
    """
    import onnx

    signature = {"noisy": keras.InputSpec(shape=(None, None, None, model.channels), dtype="float32", name="noisy")}
    if takes_level(model):
        signature["noise_level"] = keras.InputSpec(shape=(None,), dtype="float32", name="noise_level")
    inference = Inference(float32_copy(model))
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras's about NumPy, and of tf2onnx's
        logger.setLevel(logging.ERROR)
        try:
            inference.export(str(path), format="onnx", verbose=False, input_signature=[signature])
        finally:
            logger.setLevel(level)
    file = onnx.load(str(path))
    _reshape_outputs(file.graph)
    _describe(file, model)
    onnx.checker.check_model(file, full_check=True)
    onnx.save(file, str(path))


def _reshape_outputs(graph):
    """Give every output the shape of "noisy".

    tf2onnx moves transposes past products with constants, in an order that differs from process to process; now and
    then "std" ends with a leading axis of one too many. A reshape in the model does not help: TensorFlow takes it out
    again before tf2onnx sees it.
    """
    from onnx import helper

    inner = {output.name: f"{output.name}_before_reshape" for output in graph.output}
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [inner.get(name, name) for name in names]
    graph.node.append(helper.make_node("Shape", ["noisy"], ["shape_of_noisy"]))
    graph.node.extend(helper.make_node("Reshape", [inner[name], "shape_of_noisy"], [name]) for name in inner)


def _describe(file, model):
    """Name the axes, give the noise level its default, and say what the file is."""
    from onnx import helper, numpy_helper

    for value in (*file.graph.input, *file.graph.output):
        names = ("batch", "height", "width", "channels") if value.name != "noise_level" else ("levels",)
        for axis, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
            if not axis.HasField("dim_value"):
                axis.dim_param = name
    level = default_level(model)
    if level is not None:
        # An initial value by the name of an input is what that input has when a caller leaves it out.
        default = numpy_helper.from_array(np.array([level], "float32"), "noise_level")
        file.graph.initializer.append(default)
    metadata = {"config": json.dumps(model.get_config())}
    if takes_level(model):
        metadata["noise_level"] = model.noise.unit
    helper.set_model_props(file, metadata)
