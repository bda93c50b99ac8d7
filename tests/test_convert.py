"""The authors' network files: read without running them, refused if they hold anything else, and converted exactly."""

import os
import pickle
import struct
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from command_line import fails, run

import ssdn_keras
from ssdn_keras.interop import original
from ssdn_keras.interop.conversion import configuration
from ssdn_keras.interop.experiments import EXPERIMENTS, parse_experiment
from ssdn_keras.interop.original_file import read_network
from ssdn_keras.interop.pickle_machine import NetworkFileError

FLAGS = Path(__file__).parent.parent / "flags"


def write_pickle(path, state, protocol=3):
    """What the authors' program writes: a pickle of an object of class dnnlib.tflib.network.Network."""
    made = {name: types.ModuleType(name) for name in ("dnnlib", "dnnlib.tflib", "dnnlib.tflib.network")}

    class Network:
        def __getstate__(self):
            return state

    Network.__module__, Network.__qualname__ = "dnnlib.tflib.network", "Network"
    made["dnnlib.tflib.network"].Network = Network
    sys.modules.update(made)
    try:
        path.write_bytes(pickle.dumps(Network(), protocol=protocol))
    finally:
        for name in made:
            del sys.modules[name]
    return path


def state_of(model, **changes):
    noise = model.noise.model.name
    arguments = {"input_shape": [None, model.channels, None, None], "noise_style": noise}
    if model.algorithm.name == "ssdn":
        arguments.update(noise_params=model.noise_parameter, diagonal_covariance=model.diagonal_covariance)
    else:
        arguments.update(blindspot=model.algorithm.blind, noisy_targets=model.algorithm.name != "n2c")
    return {
        "version": 3, "name": "net", "static_kwargs": arguments, "components": {}, "build_module_src": "",
        "build_func_name": "blindspot_pipeline" if model.algorithm.name == "ssdn" else "simple_pipeline",
        "variables": list(original.variables(model).items()), **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def model():
    made = ssdn_keras.Denoiser(noise="gauss", noise_parameter="global", channels=1)
    made.global_parameter.assign(0.3)
    return made


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_is_read_exactly(tmp_path, model, protocol):
    network = read_network(write_pickle(tmp_path / "x.pickle", state_of(model), protocol))
    assert network.version == 3 and network.arguments["noise_params"] == "global"
    for name, value in original.variables(model).items():
        np.testing.assert_array_equal(network.variables[name], value)


def test_numpy_of_2019_and_of_today(tmp_path, model):
    path = write_pickle(tmp_path / "x.pickle", state_of(model), 3)
    content = path.read_bytes()
    names = [b"numpy.core.multiarray\n", b"numpy._core.multiarray\n"]
    present = next(name for name in names if name in content)
    for name in names:
        path.write_bytes(content.replace(present, name))
        assert len(read_network(path).variables) == len(model.get_weights())


CASES = [("gauss25", "known", 3, True, "ssdn"), ("poisson5_50", "per_image", 1, False, "ssdn"),
         ("impulse50", "global", 3, False, "ssdn"), ("gauss25", "known", 3, False, "n2c"),
         ("impulse50", "known", 3, False, "n2n"), ("poisson30", "known", 3, False, "ssdn_mean")]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_network_becomes_a_model_that_computes_the_same(tmp_path, capfd, case):
    noise, parameter, channels, diagonal, algorithm = case
    made = ssdn_keras.Denoiser(noise, parameter, channels, diagonal, algorithm=algorithm)
    name = f"network-00013-{experiment_name(made)}"
    path = write_pickle(tmp_path / f"{name}.pickle", state_of(made))
    code, out, _ = run(capfd, "convert", path, tmp_path / "x.keras")
    assert code == 0 and algorithm in out and noise in out
    loaded = ssdn_keras.load(tmp_path / "x.keras")
    assert {**loaded.get_config(), "name": ""} == {**made.get_config(), "name": ""}
    for ours, theirs in zip(loaded.get_weights(), made.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert run(capfd, "convert", path, tmp_path / "a.npz")[0] == 0
    assert run(capfd, "convert", tmp_path / "x.keras", tmp_path / "b.npz")[0] == 0
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert set(a.files) == set(b.files)
        for variable in a.files:
            np.testing.assert_array_equal(a[variable], b[variable])
    experiment = experiment_name(made)
    if experiment in EXPERIMENTS:
        assert run(capfd, "convert", tmp_path / "a.npz", tmp_path / "y.keras", f"--experiment={experiment}")[0] == 0
        for ours, theirs in zip(ssdn_keras.load(tmp_path / "y.keras").get_weights(), made.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def experiment_name(model):
    pipeline = {"ssdn": "blindspot", "ssdn_mean": "blindspot_mean"}.get(model.algorithm.name, model.algorithm.name)
    parts = [str(model.noise), pipeline + "_diag" * model.diagonal_covariance]
    parts += [f"sigma_{model.noise_parameter}"] * (model.algorithm.name == "ssdn") + ["mono"] * (model.channels == 1)
    return "-".join(parts)


def test_the_experiments_are_those_of_the_flag_files():
    report = {"gauss25-blindspot-sigma_per_image", "gauss25_50-blindspot-sigma_per_image", "gauss25-n2v"}
    ours = ("-clipped-", "poisson_gauss")
    files = {path.stem for path in FLAGS.iterdir() if not any(part in path.stem for part in ours)}
    assert set(EXPERIMENTS) == files - report and len(EXPERIMENTS) == 46
    for name in EXPERIMENTS:
        lines = (FLAGS / f"{name}.cfg").read_text().split()
        experiment = parse_experiment(name)
        assert f"--noise={experiment.noise}" in lines
        assert f"--images={experiment.images}" in lines or experiment.images == 2_000_000
    with pytest.raises(ValueError, match="did you mean gauss25-n2c"):
        parse_experiment("gaus25-n2c")


def test_the_source_text_in_the_file_is_not_run(tmp_path, model, capfd):
    canary = tmp_path / "ran"
    source = f"open({str(canary)!r}, 'w')\ndef blindspot_pipeline(noisy_in, noise_params_in, **_kwargs):\n    pass\n"
    path = write_pickle(tmp_path / "network-final-gauss25-n2c.pickle", state_of(model, build_module_src=source))
    assert read_network(path).inputs == 2
    run(capfd, "convert", path, tmp_path / "x.keras", "--noise=gauss25")
    assert not canary.exists() and (tmp_path / "x.keras").exists()


def test_older_layouts_are_told(tmp_path, model, capfd):
    source = (
        "def blindspot_pipeline(noisy_in,\n    noise_params_in,  # per image\n    L_exponent_in, a=1, **_k):\n  pass\n"
    )
    state = state_of(model, version=2, build_module_src=source)
    del state["components"]
    code, _, err = run(capfd, "convert", write_pickle(tmp_path / "x.pickle", state), tmp_path / "x.keras")
    assert code == 0 and "layout version 2, 3 inputs where the published program has 2" in err
    state["variables"] = state["variables"][1:]
    fails(capfd, 1, "an older layout", "convert", write_pickle(tmp_path / "y.pickle", state), tmp_path / "y.keras")
    state["version"] = 1
    fails(capfd, 1, "layout version 1", "convert", write_pickle(tmp_path / "z.pickle", state), tmp_path / "y.keras")
    assert not (tmp_path / "y.keras").exists()


class _Reduce:
    def __init__(self, function, *arguments):
        self._result = (function, arguments)

    def __reduce__(self):
        return self._result


def text(value):
    """A text as protocol 4 writes it."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def attacks(canary, model):
    """Name to bytes: each would make the file `canary` if it were loaded as a pickle, or take all memory."""
    command = f"touch {canary}"
    opened = f"open({str(canary)!r}, 'w')"
    call = b"(" + text(command) + b"tR."
    network = b"cdnnlib.tflib.network\nNetwork\n)\x81"
    bomb = b"\x80\x03]" + b"".join(b"q" + bytes([i]) + b"(" + (b"h" + bytes([i])) * 200 + b"e" for i in range(1))
    return {
        "reduce": pickle.dumps(_Reduce(os.system, command)),
        "protocol 0": pickle.dumps(_Reduce(os.system, command), protocol=0),
        "global": b"\x80\x03cos\nsystem\n" + call,
        "stack global": b"\x80\x04" + text("os") + text("system") + b"\x93" + call,
        "builtins": pickle.dumps(_Reduce(eval, opened)),
        "dotted name": b"\x80\x04" + text("dnnlib.tflib.network") + text("Network.__init__.__globals__") + b"\x93.",
        "new object": b"\x80\x03csubprocess\nPopen\n(](" + text("touch") + text(str(canary)) + b"et\x81.",
        "new object with keywords": b"\x80\x04csubprocess\nPopen\n)}" + text("args") + text(command) + b"s\x92.",
        "instance": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "object": b"(cos\nsystem\nS'" + command.encode() + b"'\no.",
        "persistent": b"Pos.system\n.",
        "extension": b"\x80\x02\x82\x01.",
        "nested in the state": pickled(state_of(model, name=_Reduce(os.system, command))),
        "nested in a variable": pickled(state_of(model, variables=[("a/W", _Reduce(os.system, command))])),
        "an array of objects": pickled(
            state_of(model, variables=[("a/W", np.array([_Reduce(os.system, command)], dtype=object))])
        ),
        "state for a function": b"\x80\x03cos\nsystem\n}" + text("a") + text("b") + b"sb.",
        "a network called": network + b"(" + text(command) + b"tR.",
        "encode to another codec": b"\x80\x03c_codecs\nencode\n(" + text("a") + text("rot13") + b"tR.",
        "load of another file": b"\x80\x03cnumpy\nload\n(" + text("/etc/passwd") + b"tR.",
        "huge length": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.",
        "huge integer": b"\x80\x02\x8b" + struct.pack("<i", 2**20) + b"\xff" * 2**20 + b".",
        "huge shape": array_bytes((10**12, 10**12), b""),
        "shape that overflows": array_bytes((2**40, 2**24), b""),
        "lists of lists": bomb + b".",
        "a list that holds itself": b"\x80\x03]q\x00h\x00a.",
        "a deep tuple as a type": b"\x80\x03cnumpy\ndtype\n" + b")" + b"\x85" * 900_000 + b"\x85R.",
        "a wide tuple as a type": b"\x80\x03cnumpy\ndtype\n" + doubled(b")") + b"\x85R.",
        "a version without end": network_state(text("version") + doubled(b"K\x01")),
        "a noise without end": network_state(with_arguments(text("noise_style") + doubled(b"K\x01"))),
        "an input shape without end": network_state(
            with_arguments(text("noise_style") + text("gauss") + text("input_shape") + doubled(b"K\x01"))
        ),
        "a noise that is a list": network_state(with_arguments(text("noise_style") + b"]")),
        "one text, encoded a thousand times": b"\x80\x03c_codecs\nencode\nq\x00"
        + text("a" * 2**20)
        + b"q\x01"
        + text("latin1")
        + b"q\x02"
        + b"h\x00h\x01h\x02\x86R" * 1000
        + b".",
        "a name of megabytes": b"\x80\x04" + text("a" * 2**21) + text("b") + b"\x93.",
        "a pipeline of megabytes": network_state(
            with_arguments(b"", "a" * 2**21) + text("build_module_src") + text("def a(")
        ),
        "endless": b"\x80\x03" + b"N0" * 600_000 + b"N.",
        "many values": b"\x80\x03" + b"N" * 1_200_000 + b".",
        "nothing": b"",
        "text": b"no pickle at all",
        "only a dictionary": pickle.dumps({"version": 3}),
        "stop at once": b".",
        "mark without values": b"\x80\x03(.",
        "memory that was never stored": b"\x80\x03h\x07.",
    }


def doubled(start, levels=60):
    """A tuple of two references to a tuple of two references …: 2^60 values if one walks through it."""
    places = [bytes([100 + i]) for i in range(levels)]
    return start + b"".join(b"q" + place + b"h" + place + b"\x86" for place in places)


def network_state(items):
    return b"\x80\x03cdnnlib.tflib.network\nNetwork\n)\x81}(" + items + b"ub."


def with_arguments(items, pipeline="blindspot_pipeline"):
    """The state of a network without variables, whose function got these arguments."""
    start = text("version") + b"K\x03" + text("build_func_name") + text(pipeline) + text("variables") + b"]"
    return start + text("static_kwargs") + b"}(" + items + b"u"


def pickled(state):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return write_pickle(Path(folder) / "x", state).read_bytes()


def array_bytes(shape, data):
    """A network whose only variable claims a shape."""
    numbers = b"".join(b"\x8a" + bytes([len(b)]) + b for b in (pickle.encode_long(side) for side in shape))
    kind = (
        b"cnumpy\ndtype\n("
        + text("f4")
        + b"\x89\x88tR(K\x03"
        + text("<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    values = b"B" + struct.pack("<I", len(data)) + data
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR(K\x01(" + numbers + b"t" + kind
        + b"\x89" + values + b"tb"
    )  # fmt: skip
    state = b"}(" + text("version") + b"K\x03" + text("build_func_name") + text("blindspot_pipeline")
    state += text("static_kwargs") + b"}" + text("variables") + b"](" + text("a/W") + array + b"\x86e" + b"u"
    return b"\x80\x03cdnnlib.tflib.network\nNetwork\n)\x81" + state + b"b."


def test_hostile_files_run_nothing_and_end_in_one_line(tmp_path, model, capfd):
    canary = tmp_path / "ran"
    for name, content in attacks(canary, model).items():
        path = tmp_path / "network-final-gauss25-n2c.pickle"
        path.write_bytes(content)
        with pytest.raises(NetworkFileError) as refusal:
            configuration(read_network(path))
        assert len(str(refusal.value)) < 500, name
        fails(capfd, 1, str(path), "convert", path, tmp_path / "x.keras")
        assert not canary.exists(), name
        assert not (tmp_path / "x.keras").exists(), name


RUNNABLE = ("reduce", "protocol 0", "global", "stack global", "builtins", "instance", "object",
            "nested in the state", "nested in a variable", "an array of objects")  # fmt: skip
# What a machine with the authors' program would have.
STUBS = """
import sys, types
for name in ("dnnlib", "dnnlib.tflib", "dnnlib.tflib.network"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["dnnlib.tflib.network"].Network = type("Network", (), {})
"""


@pytest.mark.parametrize("name", RUNNABLE)
def test_the_canary_would_notice(tmp_path, model, name):
    """These files do run something in a plain unpickler: a test that could not fail would show nothing."""
    canary = tmp_path / "ran"
    (tmp_path / "x").write_bytes(attacks(canary, model)[name])
    load = f"import pickle, time; pickle.load(open({str(tmp_path / 'x')!r}, 'rb')); time.sleep(0.5)"
    subprocess.run([sys.executable, "-c", STUBS + load], capture_output=True)
    assert canary.exists()


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path, model):
    content = pickled(state_of(model))
    path = tmp_path / "x.pickle"
    for length in [*range(1, 400, 7), *np.linspace(400, len(content) - 1, 25).astype(int)]:
        path.write_bytes(content[:length])
        with pytest.raises(NetworkFileError):
            read_network(path)


def test_a_file_with_flipped_bytes_never_does_anything_but_read_or_refuse(tmp_path, model):
    content = bytearray(pickled(state_of(model, variables=state_of(model)["variables"][:2])))
    path, random = tmp_path / "x.pickle", np.random.RandomState(0)
    for _ in range(300):
        broken = bytearray(content)
        for _ in range(random.randint(1, 4)):
            broken[random.randint(0, 1200)] = random.randint(256)
        path.write_bytes(broken)
        try:
            read_network(path)
        except NetworkFileError:
            pass


@pytest.mark.parametrize(("changes", "message"), [
    ({"build_func_name": "another"}, "its pipeline is 'another'"),
    ({"static_kwargs": {"noise_style": "salt", "input_shape": [None, 3, None, None]}}, "its noise is 'salt'"),
    ({"static_kwargs": {"noise_style": "gauss", "input_shape": [None, 5, None, None]}}, "its input shape"),
    ({"static_kwargs": {"noise_style": "gauss", "input_shape": [None, 1, None, None]}}, "its noise_params is None"),
    ({"variables": [("enc_conv0/W", np.zeros((3, 3, 1, 48), "float32"))]}, "do not belong to this model"),
    ({"components": {"other": 1}}, "networks inside"),
])  # fmt: skip
def test_networks_of_other_programs_are_refused_with_the_reason(tmp_path, capfd, model, changes, message):
    path = write_pickle(tmp_path / "x.pickle", state_of(model, **changes))
    fails(capfd, 1, message, "convert", path, tmp_path / "x.keras")
    assert not (tmp_path / "x.keras").exists()


def test_weights_that_are_not_finite_are_refused(tmp_path, capfd, model):
    state = state_of(model)
    name, value = state["variables"][0]
    state["variables"][0] = (name, np.full_like(value, np.nan))
    fails(capfd, 1, "NaN", "convert", write_pickle(tmp_path / "x.pickle", state), tmp_path / "x.keras")


def test_usage_errors(tmp_path, capfd, model):
    path = write_pickle(tmp_path / "x.pickle", state_of(model))
    fails(capfd, 2, "give two files", "convert", path)
    fails(capfd, 2, "cannot convert", "convert", path, tmp_path / "x.h5")
    fails(capfd, 2, "was trained on gauss noise", "convert", path, tmp_path / "x.keras", "--noise=poisson30")
    fails(capfd, 2, "did you mean gauss25", "convert", path, tmp_path / "x.keras", "--noise=gaus25")
    fails(capfd, 1, "no such network file", "convert", tmp_path / "absent.pickle", tmp_path / "x.keras")
    (tmp_path / "y.keras").write_text("mine")
    fails(capfd, 2, "--overwrite", "convert", path, tmp_path / "y.keras")
    assert (tmp_path / "y.keras").read_text() == "mine"
    (tmp_path / "z.npz").write_text("mine")
    fails(capfd, 2, "--experiment", "convert", tmp_path / "z.npz", tmp_path / "x.keras")
    fails(capfd, 1, "not an .npz file", "convert", tmp_path / "z.npz", tmp_path / "x.keras", "--experiment=gauss25-n2c")
    fails(capfd, 2, "did you mean gauss25-n2c", "convert", tmp_path / "z.npz", tmp_path / "x.keras",
          "--experiment=gauss25-n2cc")  # fmt: skip
