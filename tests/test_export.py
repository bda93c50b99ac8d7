"""Exported denoisers: the same results without this package, and one clear line for everything that can go wrong."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from command_line import fails, run
from conftest import smooth_image
from PIL import Image

import ssdn_keras
from ssdn_keras.choices import EXPORT_FORMATS
from ssdn_keras.data import read_image, save_image
from ssdn_keras.exporting import benchmark, client, saved_model
from ssdn_keras.exporting.formats import FORMATS
from ssdn_keras.exporting.inference import takes_level

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="graphs are exported with the TensorFlow backend"
)
has_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "tf2onnx", "onnxruntime")),
    reason="the extra onnx is not installed: pip install 'ssdn_keras[onnx]'",
)
has_safetensors = pytest.mark.skipif(
    importlib.util.find_spec("safetensors") is None,
    reason="the extra safetensors is not installed: pip install 'ssdn_keras[safetensors]'",
)
# What a smaller network output than that of fresh weights is worth: predictions near images, as after a training.
GAIN = 0.1


def make(**settings):
    """A denoiser of random weights whose outputs have the size of a trained one's."""
    keras.utils.set_random_seed(3)
    model = ssdn_keras.Denoiser(**settings)
    layer = model.network.output_layers["nin_c"]
    layer.kernel.assign(GAIN * np.array(layer.kernel))
    layer.bias.assign(np.full(layer.bias.shape, GAIN, "float32"))
    return model


def load(folder):
    import tensorflow as tf

    return tf.saved_model.load(str(folder))


def outputs_of(model, noisy, parameter=None):
    """The model's outputs for one shape, without the graph that Keras would make for it."""
    given = {} if parameter is None else {"noise_level": parameter}
    return {name: np.array(value) for name, value in model({"noisy": noisy, **given}).items()}


@pytest.fixture(scope="module")
def colour(tmp_path_factory):
    """A model made for one level, its file and its SavedModel."""
    folder = tmp_path_factory.mktemp("colour")
    model = make(noise="gauss25")
    model.save(folder / "x.keras")
    model.export_denoiser(folder / "saved")
    return model, folder


@pytest.fixture(scope="module")
def signatures(colour):
    """The SavedModel, loaded in this process."""
    return load(colour[1] / "saved").signatures


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The model that is quickest to export, and its file."""
    file = tmp_path_factory.mktemp("small") / "x.keras"
    model = make(algorithm="n2c", channels=1)
    model.save(file)
    return model, file


CLIENT = """
import sys
sys.modules["keras"] = sys.modules["ssdn_keras"] = None  # as if they were not installed
import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
given = np.load(sys.argv[2])
results = {}
for name in given["names"]:
    kind, _ = name.split("-")
    outputs = loaded.signatures[kind](noisy=tf.constant(given[name]), noise_level=tf.constant(given["level"]))
    plain = loaded.signatures[kind + "_default_level"](noisy=tf.constant(given[name]))
    results.update({f"{name}-{key}": value.numpy() for key, value in outputs.items()})
    results.update({f"{name}-{key}-plain": value.numpy() for key, value in plain.items()})
np.savez(sys.argv[3], **results)
try:
    loaded.signatures["denoise_float"](noisy=tf.zeros((8, 8, 3)), noise_level=tf.constant([25.0]))
except tf.errors.InvalidArgumentError as error:
    print(error)
print([name for name in sys.modules if name.startswith(("keras.", "ssdn_keras."))])
"""


def test_a_program_with_tensorflow_alone_gets_the_same(colour, tmp_path):
    model, folder = colour
    random = np.random.RandomState(0)
    shapes = [(1, 33, 47, 3), (2, 5, 3, 3)]
    images = {f"denoise_float-{i}": random.rand(*shape).astype("float32") for i, shape in enumerate(shapes)}
    images["denoise_uint8-0"] = np.stack([smooth_image(0, 40, 51), smooth_image(1, 40, 51)])
    np.savez(tmp_path / "in.npz", names=list(images), level=np.array([10.0], "float32"), **images)
    (tmp_path / "client.py").write_text(CLIENT)
    command = [sys.executable, "client.py", str(folder / "saved"), "in.npz", "out.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    # TensorFlow would end the whole process here.
    assert "noisy must be N×H×W×3" in done.stdout and "[8 8 3]" in done.stdout
    assert done.stdout.strip().endswith("[]")
    results = np.load(tmp_path / "out.npz")
    for name, image in images.items():
        white = 255.0 if image.dtype == np.uint8 else 1.0
        for level, tail in ((10, ""), (25, "-plain")):
            levels = np.full(len(image), level / 255, "float32")
            expected = outputs_of(model, image.astype("float32") / np.float32(white), levels)
            for key in ("mean", "std"):
                actual = results[f"{name}-{key}{tail}"]
                assert actual.dtype == np.float32
                np.testing.assert_allclose(actual / white, expected[key], rtol=0, atol=1e-5)
            denoised = results[f"{name}-denoised{tail}"]
            assert denoised.dtype == image.dtype and denoised.shape == image.shape
            if image.dtype == np.uint8:
                difference = np.abs(denoised.astype(int) - model.denoise(image, level))
                assert difference.max() <= 1 and (difference > 0).mean() < 1e-3  # both within 1e-5 of a half
            else:
                np.testing.assert_allclose(denoised, expected["denoised"], rtol=0, atol=1e-5)


def test_one_level_for_each_image(colour, signatures):
    images = np.random.RandomState(1).rand(2, 20, 31, 3).astype("float32")
    actual = signatures["denoise_float"](noisy=images, noise_level=np.array([5, 50], "float32"))
    np.testing.assert_allclose(actual["denoised"], colour[0].denoise(images, [5, 50]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("settings", [
    {"noise": "poisson5_50", "channels": 1},
    {"noise": "poisson5_50-clipped", "channels": 1},
    {"noise": "impulse50", "noise_parameter": "per_image", "channels": 1},
    {"noise": "gauss5_50", "noise_parameter": "maximum_likelihood", "filters": 8},
    {"algorithm": "n2c", "channels": 2},
    pytest.param({"algorithm": "n2n", "noise": "gauss25"}, marks=pytest.mark.slow),
    pytest.param({"algorithm": "ssdn_mean", "channels": 1}, marks=pytest.mark.slow),
    pytest.param({"noise": "gauss5_50", "diagonal_covariance": True, "blindspot_size": 3}, marks=pytest.mark.slow),
    pytest.param({"noise": "poisson30", "noise_parameter": "global"}, marks=pytest.mark.slow),
])  # fmt: skip
def test_signatures_are_those_that_the_model_has_use_for(tmp_path, settings):
    model = make(**settings)
    model.export_denoiser(tmp_path / "saved")
    loaded = load(tmp_path / "saved")
    assert set(loaded.signatures) == {"serving_default", "denoise_float", "denoise_uint8"}
    known = takes_level(model)
    image = smooth_image(0, 24, 41, model.channels).reshape(1, 24, 41, model.channels)
    level = {"noise_level": np.array([20], "float32")} if known else {}
    for name, noisy in (("serving_default", image / np.float32(255)), ("denoise_uint8", image)):
        call = loaded.signatures[name]
        assert set(call.structured_input_signature[1]) == {"noisy", *level}
        outputs = call(noisy=noisy, **level)
        assert set(outputs) == {"denoised", "mean"} | ({"std"} if model.algorithm.uses_noise_model else set())
        expected = model.denoise(noisy, 20 if known else None)
        tolerance = 1 if noisy.dtype == np.uint8 else 1e-5
        np.testing.assert_allclose(
            np.array(outputs["denoised"], "float64"), expected.astype("float64"), rtol=0, atol=tolerance
        )
    if known and model.noise.kind == "poisson":
        with pytest.raises(Exception, match="noise_level must be λ"):
            loaded.signatures["denoise_float"](noisy=image / np.float32(255), noise_level=np.zeros(1, "float32"))


def scaled(low, high, dtype, seed=0, height=40, width=51):
    """One grey image with structure and noise, from low to high and a little beyond: 1×H×W×1."""
    smooth = smooth_image(seed, height, width, 1)[None, ..., None] / 255
    noisy = smooth + np.random.RandomState(seed).normal(0, 0.1, smooth.shape)
    return (low + noisy * (high - low)).clip(0, None).astype(dtype)


def check_integers(actual, expected):
    """Both were rounded from values that lie 1e-5 of the range apart."""
    assert actual.dtype == expected.dtype
    difference = np.abs(actual.astype(int) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01


RANGED = {"noise": "gauss400", "channels": 1, "value_range": (100, 4000)}


@pytest.fixture(scope="module")
def ranged(tmp_path_factory):
    """A model of 16-bit images, made for one level, and its SavedModel."""
    folder = tmp_path_factory.mktemp("ranged") / "saved"
    model = make(**RANGED)
    model.export_denoiser(folder)
    return model, folder


def test_a_model_with_a_range_of_values_takes_those_of_the_files(ranged):
    model, folder = ranged
    loaded = load(folder)
    names = {f"denoise_{dtype}{tail}" for dtype in ("float", "uint16", "int16") for tail in ("", "_default_level")}
    assert set(loaded.signatures) == {"serving_default", *names}
    for name, image in (("float", scaled(100, 4000, "float32")), ("uint16", scaled(100, 4000, "uint16"))):
        for tail, level in (("", {"noise_level": np.array([250], "float32")}), ("_default_level", {})):
            outputs = loaded.signatures[f"denoise_{name}{tail}"](noisy=image, **level)
            denoised, std = model.denoise(image, *level.values(), return_std=True)
            inside = ((image - np.float32(100)) / 3900).astype("float32")
            mean = 100 + 3900 * outputs_of(model, inside, np.array([250 if level else 400], "float32") / 3900)["mean"]
            np.testing.assert_allclose(outputs["std"], std, rtol=0, atol=0.04)
            np.testing.assert_allclose(outputs["mean"], mean, rtol=0, atol=0.04)
            if name == "float":
                np.testing.assert_allclose(outputs["denoised"], denoised, rtol=0, atol=0.04)
            else:
                check_integers(outputs["denoised"].numpy(), denoised)
    assert 10 < std.mean() < 400  # grey levels of 16 bits, not a part of the range
    record = json.loads((folder / saved_model.DESCRIPTION).read_text())
    assert record["config"]["value_range"] == [100, 4000] and "0..3900" in record["noise_level"]


def test_integers_are_clipped_to_their_type(ranged):
    model, folder = ranged
    loaded = load(folder)
    image = np.random.RandomState(0).choice([0, 65535], (1, 24, 24, 1))
    exact = loaded.signatures["denoise_float_default_level"](noisy=image.astype("float32"))["denoised"].numpy()
    outside = (exact < 0) | (exact > 65535)
    assert outside.any()
    actual = loaded.signatures["denoise_uint16_default_level"](noisy=image.astype("uint16"))["denoised"].numpy()
    assert set(actual[outside]) <= {0, 65535}
    # Values 17 times above the range, so rounding errors are as many times larger.
    np.testing.assert_allclose(actual.astype(int), model.denoise(image.astype("uint16")).astype(int), rtol=0, atol=2)


def test_integers_below_zero(ranged):
    model, folder = ranged
    loaded = load(folder)
    image = scaled(100, 4000, "int16") - np.int16(1000)
    assert image.min() < 0
    outputs = loaded.signatures["denoise_int16_default_level"](noisy=image)
    check_integers(outputs["denoised"].numpy(), model.denoise(image))


def test_levels_of_a_model_with_a_range_of_values(ranged):
    import tensorflow as tf

    loaded = load(ranged[1])
    image = scaled(100, 4000, "uint16", height=16, width=16)
    for level in (3901, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match="noise_level must be σ in the units of the images"):
            loaded.signatures["denoise_uint16"](noisy=image, noise_level=np.array([level], "float32"))
    loaded.signatures["denoise_uint16"](noisy=image, noise_level=np.array([3900], "float32"))


@pytest.mark.parametrize("value_range,expected", [
    (None, ["uint8"]),
    ((16.0, 235.0), ["uint8", "uint16", "int16"]),
    ((100.0, 4000.0), ["uint16", "int16"]),
    ((0.0, 65535.0), ["uint16"]),
    ((0.0, 1e6), []),
])  # fmt: skip
def test_types_that_reach_the_upper_end_have_a_signature(value_range, expected):
    found = saved_model._integer_types(SimpleNamespace(value_range=value_range))
    assert [dtype.name for dtype in found] == expected


def test_a_model_of_clipped_values(tmp_path):
    model = make(noise="gauss25-clipped", channels=1)
    model.export_denoiser(tmp_path / "saved")
    loaded = load(tmp_path / "saved")
    image = scaled(0, 290, "float32").clip(0, 255).round().astype("uint8")
    assert (image == 255).any()
    for level, tail in (([10], ""), ([], "_default_level")):
        given = {"noise_level": np.array(level, "float32")} if level else {}
        outputs = loaded.signatures[f"denoise_uint8{tail}"](noisy=image, **given)
        denoised, std = model.denoise(image, *level, return_std=True)
        check_integers(outputs["denoised"].numpy(), denoised)
        np.testing.assert_allclose(outputs["std"], std, rtol=0, atol=0.003)


def test_what_the_command_line_tool_of_tensorflow_shows(colour, capsys):
    from absl.testing import flagsaver
    from tensorflow.python.tools import saved_model_cli

    with flagsaver.as_parsed(dir=str(colour[1] / "saved"), all="true"):
        saved_model_cli.show()
    shown = capsys.readouterr().out
    for name in ("denoise_float", "denoise_uint8", "denoise_float_default_level", "serving_default"):
        assert f"signature_def['{name}']" in shown
    for part in (
        "inputs['noisy']",
        "inputs['noise_level']",
        "outputs['denoised']",
        "outputs['std']",
        "(-1, -1, -1, 3)",
    ):
        assert part in shown
    record = json.loads((colour[1] / "saved" / saved_model.DESCRIPTION).read_text())
    assert record["config"]["noise_range"] == [25, 25] and "σ" in record["noise_level"]


@pytest.mark.parametrize("name,noisy,level,message", [
    ("denoise_float", np.zeros((1, 8, 8, 4), "float32"), [25], r"N×H×W×3.*\[1 8 8 4\]"),
    ("denoise_uint8", np.zeros((1, 8, 8, 1), "uint8"), [25], r"N×H×W×3.*\[1 8 8 1\]"),
    ("denoise_float", np.zeros((1, 0, 8, 3), "float32"), [25], "at least one pixel"),
    ("denoise_float", np.zeros((1, 8, 8, 3), "uint8"), [25], "expected to be a float tensor but is a uint8"),
    ("denoise_uint8", np.zeros((1, 8, 8, 3), "float32"), [25], "expected to be a uint8 tensor but is a float"),
    ("denoise_float", np.full((1, 8, 8, 3), np.nan, "float32"), [25], "noisy holds NaN"),
    ("denoise_float", np.zeros((1, 8, 8, 3), "float32"), [-1], "noise_level must be σ in grey levels"),
    ("denoise_float", np.zeros((1, 8, 8, 3), "float32"), [np.nan], "noise_level must be σ in grey levels"),
    ("denoise_uint8", np.zeros((2, 8, 8, 3), "uint8"), [1, 2, 3], "one value per image"),
])  # fmt: skip
def test_a_saved_model_names_what_is_wrong_with_its_input(signatures, name, noisy, level, message):
    import tensorflow as tf

    call = signatures[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call(noisy=tf.constant(noisy), noise_level=tf.constant(level, tf.float32))


def test_networks_in_bfloat16(tmp_path):
    plain = make(noise="gauss25", channels=1)
    plain.save(tmp_path / "x.keras")
    half = ssdn_keras.load(tmp_path / "x.keras", "mixed_bfloat16")
    half.export_denoiser(tmp_path / "saved")
    image = smooth_image(0, 32, 32, 1).reshape(1, 32, 32, 1) / np.float32(255)
    outputs = load(tmp_path / "saved").signatures["serving_default"](noisy=image)
    assert all(value.dtype.name == "float32" for value in outputs.values())
    np.testing.assert_allclose(outputs["denoised"], outputs_of(half, image)["denoised"], rtol=0, atol=5e-3)
    assert 0 < np.abs(outputs["denoised"] - outputs_of(plain, image)["denoised"]).max() < 0.01


def check_onnx(path, model, level, shapes=((1, 32, 32), (2, 33, 47), (3, 5, 3), (1, 1, 1))):
    """ONNX Runtime gives what the model gives; level is None, or one of another level than the model's own."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert set(names) == {"denoised", "mean"} | ({"std"} if model.algorithm.uses_noise_model else set())
    for shape in shapes:
        noisy = np.random.RandomState(0).rand(*shape, model.channels).astype("float32")
        levels = None if level is None else np.linspace(level, 2 * level, shape[0], dtype="float32")
        inputs = {} if level is None else {"noise_level": levels}
        outputs = dict(zip(names, session.run(names, {"noisy": noisy, **inputs}), strict=True))
        expected = outputs_of(model, noisy, model.level_input(levels, len(noisy)))
        for name in names:
            np.testing.assert_allclose(outputs[name], expected[name], rtol=0, atol=3e-5)
    return session


@has_onnx
def test_onnx(tmp_path):
    model = make(noise="gauss25", channels=1)
    model.export_denoiser(tmp_path / "x.onnx", format="onnx")
    session = check_onnx(tmp_path / "x.onnx", model, 10)
    check_onnx(tmp_path / "x.onnx", model, None, [(2, 9, 40)])  # the level that the model was made for
    (noisy,) = session.get_inputs()
    assert (noisy.name, noisy.shape, noisy.type) == ("noisy", ["batch", "height", "width", 1], "tensor(float)")
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["config"]) == model.get_config() and "σ" in metadata["noise_level"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]


@has_onnx
@pytest.mark.parametrize("settings", [
    RANGED,
    pytest.param({**RANGED, "clipped": (100, 4000)}, marks=pytest.mark.slow),
])  # fmt: skip
def test_onnx_of_a_model_with_a_range_of_values(tmp_path, settings):
    import onnxruntime

    model = make(**settings)
    model.export_denoiser(tmp_path / "x.onnx", format="onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"), providers=["CPUExecutionProvider"])
    image = scaled(100, 4000, "float32").round()
    for level in ([250], []):
        given = {"noise_level": np.array(level, "float32")} if level else {}
        denoised, std = session.run(["denoised", "std"], {"noisy": image, **given})
        expected, expected_std = model.denoise(image, *level, return_std=True)
        np.testing.assert_allclose(denoised, expected, rtol=0, atol=0.12)  # 3e-5 of the range
        np.testing.assert_allclose(std, expected_std, rtol=0, atol=0.12)
    assert "0..3900" in session.get_modelmeta().custom_metadata_map["noise_level"]


@has_onnx
def test_onnx_outputs_have_the_shape_of_the_images_whatever_tf2onnx_made_of_them():
    import onnx
    from onnx.reference import ReferenceEvaluator

    from ssdn_keras.exporting.onnx_file import _reshape_outputs

    def value(name):
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * 4)

    axes = onnx.numpy_helper.from_array(np.array([0]), "axes")
    nodes = [
        onnx.helper.make_node("Neg", ["noisy"], ["mean"]),
        onnx.helper.make_node("Unsqueeze", ["mean", "axes"], ["std"]),
    ]
    graph = onnx.helper.make_graph(nodes, "g", [value("noisy")], [value("mean"), value("std")], [axes])
    _reshape_outputs(graph)
    file = onnx.helper.make_model(graph)
    onnx.checker.check_model(file, full_check=True)
    noisy = np.random.RandomState(0).rand(2, 3, 4, 1).astype("float32")
    for output in ReferenceEvaluator(file).run(["mean", "std"], {"noisy": noisy}):
        np.testing.assert_array_equal(output, -noisy)


@has_onnx
@pytest.mark.slow
@pytest.mark.parametrize("settings,level", [
    ({"noise": "gauss25-clipped", "channels": 1}, 10),
    ({"noise": "poisson5_50-clipped"}, 20),
    ({"noise": "gauss5_50", "dtype": "mixed_bfloat16"}, 10),
    ({"noise": "poisson30", "noise_parameter": "global"}, None),
    ({"noise": "gauss5_50", "noise_parameter": "maximum_likelihood", "filters": 8}, None),
    ({"noise": "poisson5_50", "channels": 2}, 20),
    ({"noise": "impulse0_100", "noise_parameter": "per_image", "diagonal_covariance": True}, None),
    ({"noise": "impulse50", "channels": 1, "blindspot_size": 3}, 30),
    ({"noise": "gauss5_50", "blindspot_size": 3, "mean_start": "neighbours"}, 10),
    ({"algorithm": "n2c"}, None),
    ({"algorithm": "ssdn_mean", "channels": 1}, None),
])  # fmt: skip
def test_onnx_of_every_kind_of_model(tmp_path, settings, level):
    model = make(**settings)
    model.export_denoiser(tmp_path / "x.onnx", format="onnx")
    if settings.pop("dtype", None):  # the file computes in float32
        model.save(tmp_path / "x.keras")
        model = ssdn_keras.load(tmp_path / "x.keras")
    check_onnx(tmp_path / "x.onnx", model, level)


@has_safetensors
def test_safetensors_are_the_weights_by_the_authors_names(tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import load_file

    model = make(noise="poisson5_50", noise_parameter="global", channels=1)
    model.global_parameter.assign(0.5)
    model.export_denoiser(tmp_path / "x.safetensors", format="safetensors")
    arrays = load_file(tmp_path / "x.safetensors")
    expected = ssdn_keras.original.variables(model)
    assert set(arrays) == set(expected) and "enc_conv0/W" in arrays
    with safe_open(tmp_path / "x.safetensors", framework="np") as file:
        config = json.loads(file.metadata()["config"])
    assert config == model.get_config()
    again = ssdn_keras.Denoiser.from_config(config)
    ssdn_keras.original.load_variables(again, arrays)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_formats_have_the_names_of_the_flag():
    assert tuple(FORMATS) == EXPORT_FORMATS
    assert set(client.OPEN) == {"python", *FORMATS}


def test_the_command_writes_what_the_method_writes(capfd, tmp_path, small):
    model, file = small
    target = tmp_path / "denoiser" / "1"
    command = ["export", f"--model={file}", f"--output={target}"]
    code, out, _ = run(capfd, *command)
    assert code == 0 and f"wrote {target}: n2c" in out
    image = np.random.RandomState(2).rand(1, 20, 9, 1).astype("float32")
    actual = load(target).signatures["serving_default"](noisy=image)["denoised"]
    np.testing.assert_allclose(actual, outputs_of(model, image)["denoised"], rtol=0, atol=1e-5)
    fails(capfd, 2, "--overwrite", *command)
    (target / "left.txt").write_text("of the older one")
    code, _, _ = run(capfd, *command, "--overwrite")
    assert code == 0 and (target / "saved_model.pb").is_file() and not (target / "left.txt").exists()
    assert [path.name for path in target.parent.iterdir()] == ["1"]


def test_the_command_tells_the_range_of_values_and_the_unit_of_the_level(capfd, tmp_path):
    make(**RANGED).save(tmp_path / "x.keras")
    arguments = [f"--model={tmp_path / 'x.keras'}", f"--output={tmp_path / 'saved'}"]
    code, out, _ = run(capfd, "export", *arguments)
    assert code == 0 and "gauss400, noise_level is σ in the units of the images (0..3900)" in out
    assert "with the values of the files; 100 to 4000 is the range" in out


def test_an_export_that_fails_leaves_what_was_there(tmp_path, small, monkeypatch):
    model, _ = small
    target, file = tmp_path / "saved", tmp_path / "x.onnx"
    target.mkdir()
    (target / "saved_model.pb").write_text("older")

    def broken(model, path):
        (tmp_path / path).mkdir() if not (tmp_path / path).exists() else None
        raise OSError(28, "No space left on device", str(path))

    for name in ("saved_model", "onnx_file"):
        monkeypatch.setattr(importlib.import_module(f"ssdn_keras.exporting.{name}"), "write", broken)
    with pytest.raises(OSError, match="No space"):
        model.export_denoiser(target, overwrite=True)
    with pytest.raises(OSError, match="No space"):
        FORMATS["onnx"].write(model, file)
    assert (target / "saved_model.pb").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


@pytest.mark.parametrize("arguments,code,message", [
    ([], 2, "give --model"),
    (["--model={model}"], 2, "give --output"),
    (["--model={model}", "--output={new}", "--format=savedmodel"], 2, "did you mean saved_model"),
    (["--model={model}", "--output={new}", "--format=onxx"], 2, "did you mean onnx"),
    (["--model={model}", "--output={folder}", "--overwrite"], 2, "no SavedModel"),
    (["--model={model}", "--output={folder}"], 2, "--overwrite"),
    (["--model={model}", "--output={model}/below"], 1, "x.keras"),
    (["--model={model}", "--output={new}", "--format=safetensors"], 2, "ends in .safetensors"),
    (["--model={model}", "--output={new}", "--format=onnx", "--precision=mixed_bfloat16"], 2, "is float32"),
    (["--model={model}", "--output={new}", "--benchmark"], 2, "leave --output out"),
    (["--model={folder}/absent.keras", "--output={new}"], 1, "no such model file"),
    (["--model={folder}", "--output={new}"], 1, "no training of ours"),
])  # fmt: skip
def test_errors_of_export(capfd, tmp_path, small, monkeypatch, arguments, code, message):
    monkeypatch.setattr("ssdn_keras.exporting.extras.importlib.util.find_spec", lambda name: name)
    (tmp_path / "folder").mkdir()
    values = {"model": small[1], "folder": tmp_path / "folder", "new": tmp_path / "new"}
    fails(capfd, code, message, "export", *[text.format(**values) for text in arguments])
    assert [path.name for path in tmp_path.iterdir()] == ["folder"] and not list((tmp_path / "folder").iterdir())


def test_the_run_of_a_training_instead_of_its_model(capfd, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "000004000.npz").write_bytes(b"")
    for given in (folder, folder / "final.keras", folder / "checkpoints" / "000004000.npz"):
        fails(capfd, 1, "start it again", "export", f"--model={given}", f"--output={tmp_path / 'x'}")
    (folder / "final.keras").write_bytes(b"")
    fails(capfd, 1, "final.keras", "export", f"--model={folder}", f"--output={tmp_path / 'x'}")
    fails(capfd, 1, "not a .keras model", "export", f"--model={folder / 'final.keras'}", f"--output={tmp_path / 'x'}")


def test_a_model_of_a_newer_version(capfd, tmp_path, monkeypatch):
    monkeypatch.setattr("ssdn_keras.model.denoiser.__version__", "99.0")
    ssdn_keras.Denoiser(noise="gauss25", channels=1).save(tmp_path / "x.keras")
    arguments = [f"--model={tmp_path / 'x.keras'}", f"--output={tmp_path / 'saved'}"]
    fails(capfd, 1, "upgrade the package", "export", *arguments)
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("name,packages", [("onnx", "onnx, tf2onnx"), ("safetensors", "safetensors")])
def test_a_missing_extra_is_named(capfd, tmp_path, small, monkeypatch, name, packages):
    monkeypatch.setattr("ssdn_keras.exporting.extras.importlib.util.find_spec", lambda name: None)
    message = f"needs the package {packages}: pip install 'ssdn_keras[{name}]'"
    arguments = [f"--model={small[1]}", f"--format={name}", f"--output={tmp_path / 'x'}.{name}"]
    fails(capfd, 2, message, "export", *arguments)
    with pytest.raises(ValueError, match="pip install"):
        small[0].export_denoiser(tmp_path / f"x.{name}", format=name)
    assert not list(tmp_path.iterdir())


def test_the_method_refuses(colour, tmp_path):
    with pytest.raises(ValueError, match="did you mean saved_model"):
        colour[0].export_denoiser(tmp_path / "x", format="savedmodel")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        colour[0].export_denoiser(colour[1] / "saved")


def test_the_table_takes_ratios_within_a_round():
    rows = [
        benchmark.Row("python", 10**6, 1.0, 2.0, 3.0, [1.0, 2.0, 4.0], 10**9),
        benchmark.Row("onnx", 2 * 10**6, 1.0, 2.0, 3.0, [2.0, 4.0, 8.0], 10**8),
    ]
    assert benchmark.table(rows).splitlines()[-1] == (
        "| onnx | 2.0 | 1.0 | 2.0 | 3.00 | 4000 | 2000 to 8000 | 2.00 | 100 |"
    )


@pytest.mark.parametrize("noise,value_range,level", [
    ("gauss25", None, 25), ("gauss5_50", None, 5), ("gauss", None, 10), ("poisson", None, 10), ("impulse", None, 10),
    ("gauss", (0.0, 51.0), 2), ("poisson", (100.0, 4000.0), 10),
])  # fmt: skip
def test_the_benchmark_takes_levels_and_values_that_the_model_has(noise, value_range, level):
    model = ssdn_keras.Denoiser(noise, channels=1, value_range=value_range)
    settings = benchmark.settings_of(model, 8)
    assert settings == {"shape": (1, 8, 8, 1), "range": value_range or (0.0, 1.0), "level": pytest.approx(level)}
    model.level_input(settings["level"], 1)


@pytest.mark.slow
def test_benchmark_runs_every_format(capfd, colour):
    code, out, _ = run(capfd, "export", f"--model={colour[1] / 'x.keras'}", "--benchmark", "--size=32", "--rounds=2")
    assert code == 0 and "| python |" in out and "| saved_model |" in out


@has_onnx
@has_safetensors
@pytest.mark.slow
def test_the_programs_of_the_documentation(colour, ranged, tmp_path):
    model, folder = colour
    text = (Path(__file__).parent.parent / "docs" / "export.md").read_text()
    programs = {name: program for program, name in re.findall(r"^```python\n(# (\w+)\.py: .*?)^```", text, re.M | re.S)}
    assert set(programs) == {"client", "onnx_client", "rebuild"}
    model.export_denoiser(tmp_path / "x.onnx", format="onnx")
    model.export_denoiser(tmp_path / "x.safetensors", format="safetensors")
    noisy = smooth_image(0, 40, 51)
    save_image(tmp_path / "noisy.png", noisy)

    def call(name, *arguments):
        (tmp_path / f"{name}.py").write_text(programs[name])
        done = subprocess.run(
            [sys.executable, f"{name}.py", *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    for name, file in (("client", folder / "saved"), ("onnx_client", "x.onnx")):
        assert "grey levels" in call(name, file, "noisy.png", f"{name}.png", 10)
        difference = read_image(tmp_path / f"{name}.png", 3).astype(int) - model.denoise(noisy, 10)
        assert np.abs(difference).max() <= 1
    call("client", folder / "saved", "noisy.png", "plain.png")
    assert np.abs(read_image(tmp_path / "plain.png", 3).astype(int) - model.denoise(noisy)).max() <= 1
    assert call("rebuild", "x.safetensors") == f"gauss25 {model.count_params()}\n"
    sixteen, folder = ranged
    noisy = scaled(100, 4000, "uint16")[0, ..., 0]
    Image.fromarray(noisy).save(tmp_path / "noisy16.png")
    call("client", folder, "noisy16.png", "client16.png", 250)
    with Image.open(tmp_path / "client16.png") as image:
        check_integers(np.asarray(image).astype("uint16"), sixteen.denoise(noisy, 250))
