"""A program that runs one exported denoiser as a user's program would: what `exporting.benchmark` measures.

Started as `python -m ssdn_keras.exporting.client KIND PATH SETTINGS`. It opens the file, says what that took, and then
denoises one image for every line it reads. Answers are lines of JSON: seconds, and peak memory in bytes.
"""

import json
import os
import sys

import numpy as np

from ssdn_keras.interop.measured import Measured


def _python(path):
    from ssdn_keras.model.files import load

    model = load(path)
    return lambda noisy, level: model.denoise(noisy, level)


def _saved_model(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    call = loaded.signatures["denoise_float"]

    def run(noisy, level):
        inputs = {} if level is None else {"noise_level": tf.constant([level], tf.float32)}
        return call(noisy=tf.constant(noisy), **inputs)["denoised"].numpy()

    run.keeps = loaded  # signatures do not keep the weights alive
    return run


def _onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(noisy, level):
        inputs = {} if level is None else {"noise_level": np.array([level], "float32")}
        return session.run(["denoised"], {"noisy": noisy, **inputs})[0]

    return run


def _safetensors(path):
    from safetensors import safe_open

    import ssdn_keras

    with safe_open(path, framework="np") as file:
        model = ssdn_keras.Denoiser.from_config(json.loads(file.metadata()["config"]))
        ssdn_keras.original.load_variables(model, {name: file.get_tensor(name) for name in file.keys()})
    return lambda noisy, level: model.denoise(noisy, level)


OPEN = {"python": _python, "saved_model": _saved_model, "onnx": _onnx, "safetensors": _safetensors}


def main(kind, path, settings):
    """Open the file, then run it once per line of standard input."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    settings = json.loads(settings)
    noisy = np.random.RandomState(0).uniform(*settings["range"], settings["shape"]).astype("float32")
    with Measured() as measured:
        run = OPEN[kind](path)
    print(json.dumps({"seconds": measured.seconds, "memory": measured.memory}), flush=True)
    for _ in sys.stdin:
        with Measured() as measured:
            run(noisy, settings["level"])
        print(json.dumps({"seconds": measured.seconds, "memory": measured.memory}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
