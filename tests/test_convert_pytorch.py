"""Weights files of the PyTorch reimplementation: read without PyTorch and without running them, converted exactly.

The files are made in `pytorch_files`, without PyTorch. Two in tests/golden were written by PyTorch itself.
"""

import io
import lzma
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from command_line import fails, run
from pytorch_files import (
    ALGORITHM,
    FORMATS,
    LAYERS,
    SETTINGS,
    STATE,
    Storage,
    Tensor,
    archive,
    golden_variables,
    newer_around,
    newer_format,
    older_around,
    older_format,
    settings,
    stand_ins,
    state_of,
    tensor,
)

import ssdn_keras
from ssdn_keras.interop import original
from ssdn_keras.interop.network_file import NetworkFileError
from ssdn_keras.interop.pytorch_conversion import noise_of_style
from ssdn_keras.interop.pytorch_file import read_network

GOLDEN = Path(__file__).parent / "golden"


def written(path, content):
    path.write_bytes(content)
    return path


# The program's algorithm, noise value and style; ours: algorithm, noise, parameter; channels, diagonal covariance.
CASES = [("ssdn", "known", "gauss25_nc", "ssdn", "gauss25", "known", 3, False),
         ("ssdn", "const", "gauss25", "ssdn", "gauss25", "global", 3, False),
         ("ssdn", "var", "gauss5_50_nc", "ssdn", "gauss5_50", "per_image", 3, False),
         ("ssdn", "known", "gauss0.1_nc", "ssdn", "gauss25.5", "known", 1, False),
         ("ssdn", "var", "poisson30_nc", "ssdn", "poisson30", "per_image", 1, False),
         ("ssdn", "const", "poisson5_50", "ssdn", "poisson5_50", "global", 3, False),
         ("ssdn", "known", "gauss25_nc", "ssdn", "gauss25", "known", 3, True),
         ("ssdn_u_only", None, "gauss25_nc", "ssdn_mean", "gauss25", "known", 3, False),
         ("n2c", None, "gauss25_nc", "n2c", "gauss25", "known", 1, False),
         ("n2n", None, "poisson30_nc", "n2n", "poisson30", "known", 3, False),
         ("n2v", None, "gauss25_nc", "n2v", "gauss25", "known", 3, False)]  # fmt: skip


def randomised(model, seed=0):
    """The model with random biases and parameters, which a new one has at 0."""
    random = np.random.RandomState(seed)
    for weight in model.trainable_variables:
        if not np.any(weight):
            weight.assign(random.normal(0, 0.05, weight.shape))
    return model


@pytest.mark.parametrize("index", range(len(CASES)))
def test_a_network_becomes_a_model_that_computes_the_same(tmp_path, capfd, index):
    theirs, value, style, algorithm, noise, parameter, channels, diagonal = CASES[index]
    made = randomised(ssdn_keras.Denoiser(noise, parameter, channels, diagonal, algorithm=algorithm, name="denoiser"))
    state = state_of(
        original.variables(made), settings(theirs, style, channels, value, DIAGONAL_COVARIANCE=diagonal or None)
    )
    path = written(tmp_path / "final.wt", FORMATS["newer" if index % 2 else "older"](state))
    code, out, err = run(capfd, "convert", path, tmp_path / "x.keras")
    assert code == 0 and algorithm in out and noise in out
    assert ("clipped" in err) == ("nc" not in style) and ("does not depend" in err) == style.startswith("poisson")
    assert len(err.splitlines()) == bool(err)
    loaded = ssdn_keras.load(tmp_path / "x.keras")
    assert loaded.get_config() == made.get_config()
    for ours, theirs in zip(loaded.get_weights(), made.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    image = np.random.RandomState(1).rand(1, 32, 40, channels).astype("float32")
    inputs = {"noisy": image, "noise_level": np.float32([0.1])} if parameter == "known" else {"noisy": image}
    for name, output in made(inputs).items():
        np.testing.assert_array_equal(loaded(inputs)[name], output)


def test_variables_by_the_authors_names(tmp_path, capfd):
    made = randomised(ssdn_keras.Denoiser("gauss25", "per_image", 1))
    path = written(
        tmp_path / "x.wt", older_format(state_of(original.variables(made), settings("ssdn", "gauss25_nc", 1, "var")))
    )
    assert run(capfd, "convert", path, tmp_path / "x.npz")[0] == 0
    with np.load(tmp_path / "x.npz") as found:
        assert set(found.files) == set(original.variables(made))
        for name, value in original.variables(made).items():
            np.testing.assert_array_equal(found[name], value)
            assert found[name].dtype == np.float32 and found[name].flags.c_contiguous


@pytest.mark.parametrize("name", ["older", "newer"])
def test_files_that_pytorch_wrote(tmp_path, capfd, name):
    path = written(tmp_path / "x.wt", lzma.decompress((GOLDEN / f"pytorch-{name}.wt.xz").read_bytes()))
    assert run(capfd, "convert", path, tmp_path / "x.npz")[0] == 0
    with np.load(tmp_path / "x.npz") as found:
        assert set(found.files) == set(golden_variables())
        for variable, value in golden_variables().items():
            np.testing.assert_array_equal(found[variable], value)


class TorchNetwork:
    """The program's network, computed with NumPy from its own tensors: one image, channels × height × width."""

    def __init__(self, state, blind):
        self.state, self.blind = state, blind

    def convolve(self, layer, x, active=True):
        weight, bias = (self.state[f"models.denoiser_model.module.{layer}.{kind}"] for kind in ("weight", "bias"))
        weight, bias = (t.storage.values.reshape(t.shape).astype("float64") for t in (weight, bias))
        half = weight.shape[-1] // 2
        rows = x.shape[1]
        if self.blind:
            x = np.pad(x, [(0, 0), (half, 0), (0, 0)])
        x = np.pad(x, [(0, 0), (half, half), (half, half)])
        windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(1, 2))
        x = np.tensordot(weight, windows, axes=([1, 2, 3], [0, 3, 4])) + bias[:, None, None]
        x = x[:, :rows]
        return np.maximum(x, 0.1 * x) if active else x

    def down(self, x):
        return np.pad(x, [(0, 0), (1, 0), (0, 0)])[:, :-1]

    def pool(self, x):
        x = self.down(x) if self.blind else x
        return x.reshape(x.shape[0], x.shape[1] // 2, 2, x.shape[2] // 2, 2).max(axis=(2, 4))

    def trunk(self, image):
        x = self.convolve("encode_block_1.0", image)
        kept = [image, self.pool(self.convolve("encode_block_1.2", x))]
        for level in (2, 3, 4, 5):
            kept.append(self.pool(self.convolve(f"encode_block_{level}.0", kept[-1])))
        x = self.convolve("encode_block_6.0", kept.pop())
        for level in (5, 4, 3, 2, 1):
            x = np.concatenate([x.repeat(2, axis=1).repeat(2, axis=2), kept.pop()])
            x = self.convolve(f"decode_block_{level}.2", self.convolve(f"decode_block_{level}.0", x))
        return x

    def __call__(self, image):
        if self.blind:
            # Quarter turns as the program makes them: reversing an axis and exchanging the two.
            turn = {
                0: lambda x: x, 90: lambda x: x[:, :, ::-1].transpose(0, 2, 1),
                180: lambda x: x[:, ::-1, ::-1], 270: lambda x: x[:, ::-1].transpose(0, 2, 1),
            }  # fmt: skip
            views = [self.down(self.trunk(turn[angle](image))) for angle in (0, 90, 180, 270)]
            x = np.concatenate([turn[back](view) for back, view in zip((0, 270, 180, 90), views, strict=True)])
        else:
            x = self.trunk(image)
        x = self.convolve("output_block.2", self.convolve("output_block.0", x))
        return self.convolve("output_block.4", x, active=False)


@pytest.mark.parametrize(("theirs", "value", "algorithm"), [("ssdn", "known", "ssdn"), ("n2c", None, "n2c")])
def test_the_model_computes_what_the_layers_of_the_program_do(tmp_path, capfd, theirs, value, algorithm):
    made = randomised(ssdn_keras.Denoiser("gauss25", "known", 3, algorithm=algorithm))
    state = state_of(original.variables(made), settings(theirs, "gauss25_nc", 3, value))
    path = written(tmp_path / "x.wt", newer_format(state))
    assert run(capfd, "convert", path, tmp_path / "x.keras")[0] == 0
    loaded = ssdn_keras.load(tmp_path / "x.keras")
    image = np.random.RandomState(2).rand(64, 64, 3).astype("float32")
    expected = TorchNetwork(state, loaded.algorithm.blind)(image.transpose(2, 0, 1).astype("float64"))
    np.testing.assert_allclose(np.array(loaded.network(image[None]))[0], expected.transpose(1, 2, 0), atol=2e-5)


def small(extra=None, configuration=None):
    """A state of few values: enough for the reader, not for a network."""
    state = OrderedDict({"models.denoiser_model.module.output_conv.bias": tensor(np.float32([1, 2, 3]))})
    state.update(extra or {})
    state["cfg"] = settings("n2c", "gauss25_nc", 3) if configuration is None else configuration
    return state


@pytest.mark.parametrize("write", FORMATS.values())
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_views_of_storages(tmp_path, write, protocol):
    shared = Storage(np.arange(60, dtype="float32"))
    views = {
        "whole": Tensor(shared, (3, 4, 5)),
        "shifted": Tensor(shared, (4, 5), offset=7),
        "transposed": Tensor(shared, (5, 12), (1, 5)),
        "every third": Tensor(shared, (20,), (3,), 2),
        "one value": Tensor(shared, (1, 1, 1, 1), (10**30 % 2**63, 5, 7, 1), 59),
        "number": Tensor(shared, (), (), 4),
        "half": tensor(np.float16([0.5, -2])),
        "double": tensor(np.float64([[0.25], [3]])),
        "with marks": Tensor(shared, (2,), rest=(True, OrderedDict(), None)),
    }
    found = read_network(written(tmp_path / "x.wt", write(small(views), protocol))).tensors
    row = shared.values
    np.testing.assert_array_equal(found["whole"], row.reshape(3, 4, 5))
    np.testing.assert_array_equal(found["shifted"], row[7:27].reshape(4, 5))
    np.testing.assert_array_equal(found["transposed"], row.reshape(12, 5).T)
    np.testing.assert_array_equal(found["every third"], row[2::3])
    np.testing.assert_array_equal(found["one value"], row[59:].reshape(1, 1, 1, 1))
    assert found["number"] == row[4]
    np.testing.assert_array_equal(found["half"], [0.5, -2])
    np.testing.assert_array_equal(found["double"], [[0.25], [3]])
    np.testing.assert_array_equal(found["with marks"], row[:2])


def test_archives_of_machines_that_write_high_bytes_first(tmp_path):
    found = read_network(written(tmp_path / "x.wt", newer_format(small(), order=">"))).tensors
    np.testing.assert_array_equal(*found.values(), [1, 2, 3])


def test_parameters_are_read_as_their_tensors(tmp_path):
    class Parameter:
        def __reduce__(self):
            return sys.modules["torch._utils"]._rebuild_parameter, (tensor(np.float32([7])), True, OrderedDict())

    found = read_network(written(tmp_path / "x.wt", older_format(small({"a": Parameter()})))).tensors
    np.testing.assert_array_equal(found["a"], [7])


@pytest.mark.parametrize(("style", "noise", "clipped"), [
    ("gauss25", "gauss25", True), ("gauss25_nc", "gauss25", False), ("gauss25_50_nc", "gauss25_50", False),
    ("gauss0.1_nc", "gauss25.5", False), ("gauss0.1_0.2", "gauss25.5_51", True), ("poisson30", "poisson30", True),
    ("poisson5_50_nc", "poisson5_50", False), ("poisson30.5_nc", "poisson30.5", False),
    ("gauss0._1.", "gauss0_255", True),
])  # fmt: skip
def test_noise_styles(style, noise, clipped):
    spec, found = noise_of_style(style)
    assert (str(spec), found) == (noise, clipped)


WRONG = "not such as gauss25"


@pytest.mark.parametrize(("style", "message"), [
    ("gauss", WRONG), ("impulse50", WRONG), ("gauss25_30_35", WRONG), ("gauss-5", WRONG), ("gauss1e2", WRONG),
    ("gauss50_25", "wrong way round"), ("gauss25.0", "from 0 to 255"), ("poisson0", "above 0"), ("", WRONG),
    (7, WRONG), (None, WRONG), ("gauss" + "9" * 5000, WRONG), ("gauss٢٥", WRONG),
])  # fmt: skip
def test_noise_styles_that_cannot_be(style, message):
    with pytest.raises(NetworkFileError, match=message) as refusal:
        noise_of_style(style)
    assert len(str(refusal.value)) < 300


# A tuple of two references to a tuple of two references …: 2^60 values if one walks through it.
ENDLESS = ()
for _ in range(60):
    ENDLESS = (ENDLESS, ENDLESS)


@pytest.mark.parametrize(("configuration", "message"), [
    (settings("n2c", "gauss25", 3, ALGORITHM=None), "its algorithm is None"),
    (settings("n2c", "gauss25", 3, ALGORITHM="n2c"), "its algorithm is 'n2c'"),
    (settings("n2c", "gauss25", 3, PIPELINE=settings("ssdn", "", 3)[SETTINGS.PIPELINE]), "its pipeline"),
    (settings("n2c", "gauss25", 3, BLINDSPOT=True), "n2c with a blind spot"),
    (settings("ssdn", "gauss25", 3, "known", BLINDSPOT=False), "ssdn without a blind spot"),
    (settings("n2c", "gauss25", 4), "its number of channels is 4"),
    (settings("n2c", "gauss25", True), "its number of channels is True"),
    (settings("n2c", "impulse50", 3), "its noise style is 'impulse50'"),
    (settings("ssdn", "gauss25", 3), "its noise value is None"),
    (settings("ssdn", "gauss25", 3, "known", DIAGONAL_COVARIANCE=[]), "diagonal"),
    (settings("n2c", "gauss25", 3), "do not belong to this model"),
    ({"a": 1}, "something else than settings"),
    ([], "without the configuration"),
    (settings("n2c", "gauss25", 3, ALGORITHM=ENDLESS), "its algorithm is of type tuple"),
    (settings("n2c", "gauss25", 3, PIPELINE=ENDLESS), "its pipeline"),
    (settings("n2c", "gauss25", 3, BLINDSPOT=ENDLESS), "a blind spot"),
    (settings("n2c", "gauss25", ENDLESS), "its number of channels is of type tuple"),
    (settings("n2c", ENDLESS, 3), "its noise style is of type tuple"),
    (settings("n2c", "gauss" + "2" * 2**21, 3), "its noise style is 'gauss222"),
    (settings("ssdn", "gauss25", 3, "known", NOISE_VALUE=ENDLESS), "its noise value is of type tuple"),
    (settings("ssdn", "gauss25", 3, "known", DIAGONAL_COVARIANCE=ENDLESS), "diagonal"),
])  # fmt: skip
def test_configurations_that_have_no_counterpart(tmp_path, capfd, configuration, message):
    path = written(tmp_path / "x.wt", newer_format(small(configuration=configuration)))
    fails(capfd, 1, message, "convert", path, tmp_path / "x.keras")
    assert not (tmp_path / "x.keras").exists()


@pytest.fixture(scope="module")
def golden_state():
    return state_of(golden_variables(), settings("n2c", "gauss25_nc", 1))


@pytest.mark.parametrize(("name", "value", "message"), [
    ("_models.denoiser_model.encode_block_1.0.bias", tensor(np.ones(48, "float32")), "two copies of enc_conv0/b"),
    ("_models.denoiser_model.output_conv.bias", tensor(np.ones(1, "float32")), "two copies of nin_c/b"),
    ("models.denoiser_model.module.fc.weight", tensor(np.ones(1, "float32")), "belongs to another program"),
    ("models.denoiser_model.module.encode_block_1.0.bias", tensor(np.ones((48, 1), "float32")), "2 dimensions"),
    ("l_params.estimated_sigma", tensor(np.ones((1, 1, 1, 1), "float32")), "1 unknown ['noise_data']"),
    ("extra", 5, "'extra' is no tensor"),
])  # fmt: skip
def test_tensors_that_do_not_fit(tmp_path, capfd, golden_state, name, value, message):
    path = written(tmp_path / "x.wt", older_format(OrderedDict(golden_state, **{name: value})))
    fails(capfd, 1, message, "convert", path, tmp_path / "x.npz")
    assert not (tmp_path / "x.npz").exists()


def test_weights_that_are_not_finite_are_refused(tmp_path, capfd):
    for value in (np.nan, np.inf):
        variables = dict(golden_variables(), **{"nin_b/b": np.full(96, value, "float32")})
        path = written(tmp_path / "x.wt", newer_format(state_of(variables, settings("n2c", "gauss25_nc", 1))))
        fails(capfd, 1, "NaN", "convert", path, tmp_path / "x.keras")


def test_the_flag_for_the_noise(tmp_path, capfd, golden_state):
    path = written(tmp_path / "x.wt", older_format(golden_state))
    assert "gauss30" in run(capfd, "convert", path, tmp_path / "x.keras", "--noise=gauss30")[1]
    assert str(ssdn_keras.load(tmp_path / "x.keras").noise) == "gauss30"
    fails(capfd, 2, "was trained on gauss noise", "convert", path, tmp_path / "y.keras", "--noise=poisson30")
    fails(capfd, 2, "did you mean gauss25", "convert", path, tmp_path / "y.keras", "--noise=gaus25")
    fails(capfd, 2, "--experiment", "convert", path, tmp_path / "y.keras", "--experiment=gauss25-n2c")
    fails(capfd, 2, "--overwrite", "convert", path, tmp_path / "x.keras")
    fails(capfd, 2, "cannot convert", "convert", path, tmp_path / "y.wt")
    fails(capfd, 1, "no such network file", "convert", tmp_path / "absent.wt", tmp_path / "y.keras")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.keras", "x.wt"]


def test_whole_trainings_are_refused_with_what_to_do(tmp_path, capfd):
    content = older_format({"denoiser": small(), "state": {STATE.ITERATION: 4000}, "optimizer": {}})
    fails(capfd, 2, "save its denoiser's state_dict", "convert", written(tmp_path / "x.training", content), "x.keras")
    fails(
        capfd, 1, "save its denoiser's state_dict", "convert", written(tmp_path / "x.wt", content), tmp_path / "x.keras"
    )
    content = newer_format({"denoiser": small()})
    fails(
        capfd, 1, "save its denoiser's state_dict", "convert", written(tmp_path / "x.wt", content), tmp_path / "x.keras"
    )


class _Reduce:
    def __init__(self, function, *arguments, state=None):
        self._result = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self._result

    def __hash__(self):
        return 0


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    data = pickle.encode_long(value)
    return b"\x8a" + bytes([len(data)]) + data


def doubled(start, levels=60):
    """A tuple of two references to a tuple of two references …: 2^60 values if one walks through it."""
    places = [bytes([100 + i]) for i in range(levels)]
    return start + b"".join(b"q" + place + b"h" + place + b"\x86" for place in places)


FLOATS = b"ctorch\nFloatStorage\n"


ZERO, FIRST = text("0"), text("storage")


def identifier(kind=FLOATS, key=ZERO, count=b"K\x03", first=FIRST, rest=b""):
    """A storage by its description."""
    return b"(" + first + kind + key + text("cpu") + count + rest + b"tQ"


def pickled_tensor(storage=None, offset=b"K\x00", shape=b"K\x03\x85", strides=b"K\x01\x85", hooks=b"}", rest=b""):
    storage = identifier() if storage is None else storage
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + shape + strides + b"\x89" + hooks + rest + b"tR"


def state_with(value, configuration=b"}"):
    """A pickle of a state dict with one entry."""
    return b"\x80\x02}(" + text("a") + value + text("cfg") + configuration + b"u."


def pickles(canary):
    """Name to pickle: none may be followed to its end. Those of RUNNABLE would make the file `canary`."""
    command = f"touch {canary}"
    system = _Reduce(os.system, command)
    call = b"(" + text(command) + b"tR"
    dangerous = b"cposix\nsystem\n" + call
    nine = b"(" + b"K\x01" * 9 + b"t"
    with stand_ins():
        in_configuration = pickle.dumps(OrderedDict(cfg={SETTINGS.NOISE_STYLE: system}), 2)
        as_key = pickle.dumps(OrderedDict(cfg={system: 1}), 2)
        in_member = pickle.dumps({"cfg": {SETTINGS.ALGORITHM: _Reduce(ALGORITHM, system)}}, 2)
        of_torch = pickle.dumps(OrderedDict(a=_Reduce(sys.modules["torch._utils"]._rebuild_tensor_v2, system)), 2)
        state = pickle.dumps(OrderedDict(a=_Reduce(OrderedDict, state={"_metadata": system})), 2)
    return {
        "reduce": pickle.dumps(system, 2),
        "protocol 0": pickle.dumps(system, 0),
        "protocol 5": pickle.dumps(system, 5),
        "global": b"\x80\x02" + dangerous + b".",
        "stack global": b"\x80\x04" + text("posix") + text("system") + b"\x93" + call + b".",
        "builtins": pickle.dumps(_Reduce(eval, f"open({str(canary)!r}, 'w')"), 2),
        "get attribute": pickle.dumps(_Reduce(getattr, system, "real"), 4),
        "instance": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "object": b"(cos\nsystem\nS'" + command.encode() + b"'\no.",
        "in the configuration": in_configuration,
        "as a key": as_key,
        "as a member": in_member,
        "as an argument": of_torch,
        "as a state": state,
        "in an identifier": state_with(pickled_tensor(identifier(key=dangerous))),
        "as an identifier": b"\x80\x02" + dangerous + b"Q.",
        "as a type of storage": state_with(pickled_tensor(identifier(kind=dangerous))),
        "new object": b"\x80\x02csubprocess\nPopen\n(](" + text("touch") + text(str(canary)) + b"et\x81.",
        "new object with keywords": b"\x80\x04csubprocess\nPopen\n)}" + text("args") + text(command) + b"s\x92.",
        "new object of a known name": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
        "a function as a type": state_with(pickled_tensor(identifier(kind=b"ctorch._utils\n_rebuild_tensor_v2\n"))),
        "a type that is a text": state_with(pickled_tensor(identifier(kind=text("FloatStorage")))),
        "integers": state_with(pickled_tensor(identifier(kind=b"ctorch\nLongStorage\n"))),
        "dotted name": b"\x80\x04" + text("torch._utils") + text("_rebuild_tensor_v2.__globals__") + b"\x93.",
        "torch.load": b"\x80\x02ctorch\nload\n(" + text("/etc/passwd") + b"tR.",
        "bytes that are a file": b"\x80\x02ctorch.storage\n_load_from_bytes\n(" + text("a") + b"tR.",
        "authors' network": b"\x80\x02cdnnlib.tflib.network\nNetwork\n)\x81}b.",
        "text as an identifier": b"Pposix.system\n.",
        "number as an identifier": b"\x80\x02K\x01Q.",
        "module as an identifier": state_with(pickled_tensor(identifier(first=text("module")))),
        "identifier without end": b"\x80\x02" + doubled(b")") + b"Q.",
        "key that is a path": state_with(pickled_tensor(identifier(key=text("../../../../etc/passwd")))),
        "key of other digits": state_with(pickled_tensor(identifier(key=text("٣")))),
        "key that is a tuple": state_with(pickled_tensor(identifier(key=doubled(b")")))),
        "huge count": state_with(pickled_tensor(identifier(count=number(2**62)))),
        "huge count and shape": state_with(
            pickled_tensor(identifier(count=number(2**40)), shape=number(2**40) + b"\x85")
        ),
        "negative count": state_with(pickled_tensor(identifier(count=number(-1)))),
        "count that is a float": state_with(pickled_tensor(identifier(count=b"G" + struct.pack(">d", 3.0)))),
        "part of a storage": state_with(pickled_tensor(identifier(rest=b"(" + text("1") + b"K\x00K\x03t"))),
        "two descriptions": state_with(pickled_tensor() + pickled_tensor(identifier(count=b"K\x04")) + b"\x86"),
        "another count than the values": state_with(pickled_tensor(identifier(count=b"K\x04"))),
        "huge shape": state_with(pickled_tensor(shape=number(10**12) + b"\x85")),
        "huge shape without strides": state_with(
            pickled_tensor(shape=number(10**9) + number(10**9) + b"\x86", strides=b"K\x00K\x00\x86")
        ),
        "shape that overflows": state_with(
            pickled_tensor(shape=number(2**40) + number(2**24) + b"\x86", strides=b"K\x00K\x00\x86")
        ),
        "negative shape": state_with(pickled_tensor(shape=number(-3) + b"\x85")),
        "empty shape": state_with(pickled_tensor(shape=b"K\x00" + number(2**62) + b"\x86", strides=b"K\x01K\x01\x86")),
        "nine dimensions": state_with(pickled_tensor(shape=nine, strides=nine)),
        "shape without end": state_with(pickled_tensor(shape=doubled(b"K\x01"))),
        "strides that reach out": state_with(pickled_tensor(strides=b"K\x02\x85")),
        "huge strides": state_with(pickled_tensor(strides=number(2**62) + b"\x85")),
        "negative strides": state_with(pickled_tensor(offset=b"K\x02", strides=number(-1) + b"\x85")),
        "offset beyond": state_with(pickled_tensor(offset=b"K\x01")),
        "negative offset": state_with(pickled_tensor(offset=number(-1))),
        "hooks": state_with(pickled_tensor(hooks=b"}" + text("a") + b"K\x01s")),
        "negated": state_with(pickled_tensor(rest=b"}" + text("neg") + b"\x88s")),
        "tensor of a text": state_with(pickled_tensor(storage=text("0"))),
        "a list as a member": state_with(b"N", b"}cssdn.params\nConfigValue\n]\x85RNs"),
        "a huge member": state_with(b"N", b"}cssdn.params\nConfigValue\n" + number(2**61 - 1) + b"\x85RNs"),
        "a number as a key": state_with(b"N", b"}K\x01K\x01s"),
        "a tuple as a key": state_with(b"N", b"}" + doubled(b")") + b"K\x01s"),
        "a state for a dictionary": state_with(b"}}" + text("b") + b"K\x01sb"),
        "a number for a state": b"\x80\x02K\x01.",
        "a list for a state": b"\x80\x02].",
        "numbers as names": b"\x80\x02}cssdn.params\nConfigValue\nK\x02\x85RK\x01s.",
        "no tensor": state_with(b"K\x01"),
        "a number for a configuration": state_with(pickled_tensor(), b"K\x01"),
        "a dictionary that holds itself": b"\x80\x02}q\x00" + text("cfg") + b"h\x00s.",
        "huge length": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.",
        "huge integer": b"\x80\x02\x8b" + struct.pack("<i", 2**20) + b"\x7f" * 2**20 + b".",
        "a place in memory that is huge": b"\x80\x02Np" + b"9" * 30 + b"\n.",
        "many instructions": b"\x80\x02]" + b"Na" * 600_000 + b".",
        "extension": b"\x80\x02\x82\x01.",
        "nothing": b"",
        "stop at once": b".",
        "no end": b"\x80\x02}",
    }  # fmt: skip


def plain(members):
    return archive([(f"model/{name}", data) for name, data in members.items()])


def half_compressed(data):
    """An archive whose object is as it should be and whose storage is small only by compression."""
    count = number(len(data) // 4)
    stream = io.BytesIO(plain({"data.pkl": state_with(pickled_tensor(identifier(count=count), shape=count + b"\x85"))}))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model/data/0", data)
    return stream.getvalue()


def patched(content, name, offset, value):
    """An archive whose list of members says something else about one of them."""
    start = content.index(b"PK\x01\x02")
    while content[start + 46 : start + 46 + len(name)] != name.encode():
        start = content.index(b"PK\x01\x02", start + 4)
    return content[: start + offset] + value + content[start + offset + len(value) :]


def containers():
    """Name to bytes: files that are wrong around their pickles."""
    rows = {"0": np.float32([1, 2, 3])}
    good = state_with(pickled_tensor())
    older, newer = older_around(good, rows), newer_around(good, rows)
    members = {"data.pkl": good, "byteorder": b"little", "data/0": rows["0"].tobytes()}
    big = b"\0" * 50_000_000
    many = b"\x80\x02}(" + b"".join(
        text(f"a{i}") + pickled_tensor(identifier(key=text(str(i)), count=number(10**7)), shape=number(10**7) + b"\x85")
        for i in range(30)
    )  # fmt: skip
    return {
        "nothing": b"",
        "text": b"no file of torch.save",
        "an image": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "a pickle": pickle.dumps({"cfg": {}}),
        "another number": pickle.dumps(0x1950A86A20F9469CFC6D, 2) + older[15:],
        "another version": pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1002, 2) + older,
        "only the start": pickle.dumps(0x1950A86A20F9469CFC6C, 2),
        "bytes after the end": older + b"\0",
        "a storage too many": older_around(good, {**rows, "1": rows["0"]}),
        "a storage missing": older_around(good, {}),
        "a storage twice": older.replace(pickle.dumps(["0"], 2), pickle.dumps(["0", "0"], 2)),
        "keys that are no list": older.replace(pickle.dumps(["0"], 2), pickle.dumps("0", 2)),
        "keys that run": older.replace(pickle.dumps(["0"], 2), pickle.dumps([_Reduce(os.getpid)], 2)),
        "a negative length": older.replace(struct.pack("<q", 3), struct.pack("<q", -3)),
        "a huge length": older.replace(struct.pack("<q", 3), struct.pack("<q", 2**62)),
        "an empty archive": archive([]),
        "an archive of something": archive([("a.txt", b"a")]),
        "only a start": b"PK\x03\x04",
        "two objects": archive([("a/data.pkl", good), ("b/data.pkl", good)]),
        "an object in a path": archive([("../../data.pkl", good), ("../../data/0", rows["0"].tobytes())]),
        "an object at the root": archive([("/data.pkl", good)]),
        "an object without a folder": archive([("data.pkl", good)]),
        "no storage": plain({"data.pkl": good}),
        "a short storage": plain({**members, "data/0": b"12345678"}),
        "a long storage": plain({**members, "data/0": b"1" * 13}),
        "a storage elsewhere": archive([("model/data.pkl", good), ("other/data/0", rows["0"].tobytes())]),
        "an order of bytes": plain({**members, "byteorder": b"middle"}),
        "a long order of bytes": plain({**members, "byteorder": b"little" * 1000}),
        "compressed": archive([(f"model/{name}", data) for name, data in members.items()], zipfile.ZIP_DEFLATED),
        "a bomb": archive([("model/data.pkl", big)], zipfile.ZIP_DEFLATED),
        "a bomb of another kind": archive([("model/data.pkl", big)], zipfile.ZIP_BZIP2),
        "a bomb in a storage": half_compressed(big),
        "a size that is not true": patched(newer, "model/data/0", 24, struct.pack("<I", 2**31)),
        "two sizes that are not true": patched(newer, "model/data/0", 20, struct.pack("<II", 2**31, 2**31)),
        "the object's sizes": patched(newer, "model/data.pkl", 20, struct.pack("<II", 2**31, 2**31)),
        "a checksum that is not true": patched(newer, "model/data/0", 16, b"abcd"),
        "a place outside": patched(newer, "model/data/0", 42, struct.pack("<I", 2**31)),
        "the place of another": patched(newer, "model/data/0", 42, struct.pack("<I", 0)),
        "encrypted": patched(newer, "model/data/0", 8, b"\x01"),
        "an unknown compression": patched(newer, "model/data/0", 10, b"\x63"),
        "too much together": plain({"data.pkl": many + b"u."}),
        "many members": archive([(f"model/{i}", b"") for i in range(10_001)] + [("model/data.pkl", good)]),
    }  # fmt: skip


def twice(name, data):
    """An archive with two members of one name."""
    with pytest.warns(UserWarning, match="Duplicate name"):
        return archive([*((f"model/{n}", d) for n, d in data.items()), (f"model/{name}", data[name])])


def hostile_files(canary):
    rows = {"0": np.float32([1, 2, 3])}
    mark, version = pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2)
    before_keys = older_around(state_with(pickled_tensor()), {}).removesuffix(pickle.dumps([], 2))
    for name, content in pickles(canary).items():
        values = rows if b"FloatStorage" in content else {}
        yield f"{name}, older format", older_around(content, values)
        yield f"{name}, newer format", newer_around(content, values)
        yield f"{name}, bare", content
        if name in RUNNABLE:  # in place of the pickles beside the object
            yield f"{name}, second", mark + content
            yield f"{name}, third", mark + version + content
            yield f"{name}, last", before_keys + content
    yield from containers().items()
    members = {"data.pkl": state_with(pickled_tensor()), "data/0": rows["0"].tobytes()}
    for name in members:
        yield f"two of {name}", twice(name, members)


def test_hostile_files_run_nothing_and_end_in_one_line(tmp_path, capfd):
    canary = tmp_path / "ran"
    path = tmp_path / "final-n2c-gauss25.wt"
    count = 0
    for name, content in hostile_files(canary):
        path.write_bytes(content)
        with pytest.raises(NetworkFileError) as refusal:
            read_network(path)
        assert len(str(refusal.value)) < 500, name
        fails(capfd, 1, str(path), "convert", path, tmp_path / "x.keras")
        assert not canary.exists(), name
        assert [file.name for file in tmp_path.iterdir()] == [path.name], name
        count += 1
    assert count > 250


def test_a_harmless_file_of_the_same_make_is_read(tmp_path):
    """What the hostile ones are made of is not refused for another reason."""
    for content in (older_around, newer_around):
        path = written(tmp_path / "x.wt", content(state_with(pickled_tensor()), {"0": np.float32([1, 2, 3])}))
        np.testing.assert_array_equal(read_network(path).tensors["a"], [1, 2, 3])


RUNNABLE = ("reduce", "protocol 0", "protocol 5", "global", "stack global", "builtins", "get attribute", "instance",
            "object", "in the configuration", "as a key", "as a member", "as an argument", "as a state",
            "in an identifier", "as an identifier", "as a type of storage")  # fmt: skip
# What a machine with PyTorch and the program would have.
STUBS = """
import enum, pickle, sys, time, types
for name in ("torch", "torch._utils", "ssdn", "ssdn.params"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["torch"].FloatStorage = float
sys.modules["torch._utils"]._rebuild_tensor_v2 = lambda *arguments: None
sys.modules["ssdn.params"].ConfigValue = sys.modules["ssdn.params"].NoiseAlgorithm = lambda value: value
class Unpickler(pickle.Unpickler):
    def persistent_load(self, identifier):
        pass
"""


def test_the_canary_would_notice(tmp_path):
    """These do run something in a plain unpickler: a test that could not fail would show nothing."""
    canaries = {name: tmp_path / f"ran-{name.replace(' ', '-')}" for name in RUNNABLE}
    load = STUBS
    for name, canary in canaries.items():
        content = written(tmp_path / f"{canary.name}.pkl", pickles(canary)[name])
        load += f"\ntry:\n    Unpickler(open({str(content)!r}, 'rb')).load()\nexcept Exception:\n    pass\n"
    subprocess.run([sys.executable, "-c", load + "time.sleep(0.5)"], capture_output=True)
    assert [name for name, canary in canaries.items() if not canary.exists()] == []


@pytest.mark.parametrize("write", FORMATS.values())
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path, golden_state, write):
    content = write(golden_state)
    path = tmp_path / "x.wt"
    for length in [*range(0, 400, 7), *np.linspace(400, len(content) - 1, 40).astype(int)]:
        path.write_bytes(content[:length])
        with pytest.raises(NetworkFileError):
            read_network(path)


@pytest.mark.parametrize("write", FORMATS.values())
def test_a_file_with_flipped_bytes_never_does_anything_but_read_or_refuse(tmp_path, write):
    content = write(small({"b": Tensor(Storage(np.arange(20, dtype="float32")), (4, 5), (1, 4))}))
    path, random = tmp_path / "x.wt", np.random.RandomState(0)
    for _ in range(500):
        broken = bytearray(content)
        for _ in range(random.randint(1, 4)):
            broken[random.randint(len(broken))] = random.randint(256)
        path.write_bytes(broken)
        try:
            read_network(path)
        except NetworkFileError:
            pass


def test_every_layer_is_named_once():
    from ssdn_keras.interop.pytorch_names import _LAYERS

    assert {theirs: ours for ours, theirs in LAYERS.items()} == {k: v for k, v in _LAYERS.items() if k != "output_conv"}
