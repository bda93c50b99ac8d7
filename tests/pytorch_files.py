"""Weights files as the PyTorch reimplementation saves them, in both formats of `torch.save` and without PyTorch.

A pickle names the classes and functions of the program and of PyTorch. Here stand-ins bear their names; what a reader
sees is the same. Where PyTorch is installed, `python tests/pytorch_files.py` makes it write such files itself, for
tests/golden.
"""

import contextlib
import enum
import io
import lzma
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

# The authors' names of the layers, in their order, and the program's.
LAYERS = {
    "enc_conv0": "encode_block_1.0", "enc_conv1": "encode_block_1.2", "enc_conv2": "encode_block_2.0",
    "enc_conv3": "encode_block_3.0", "enc_conv4": "encode_block_4.0", "enc_conv5": "encode_block_5.0",
    "enc_conv6": "encode_block_6.0", "dec_conv5a": "decode_block_5.0", "dec_conv5b": "decode_block_5.2",
    "dec_conv4a": "decode_block_4.0", "dec_conv4b": "decode_block_4.2", "dec_conv3a": "decode_block_3.0",
    "dec_conv3b": "decode_block_3.2", "dec_conv2a": "decode_block_2.0", "dec_conv2b": "decode_block_2.2",
    "dec_conv1a": "decode_block_1.0", "dec_conv1b": "decode_block_1.2", "nin_a": "output_block.0",
    "nin_b": "output_block.2", "nin_c": "output_block.4",
}  # fmt: skip
NETWORKS = {"": "denoiser_model", "param_estimation_net/": "sigma_estimation_model"}


def _enumeration(name, members):
    made = enum.Enum(name, members, module="ssdn.params", qualname=name)
    return made


SETTINGS = _enumeration(
    "ConfigValue",
    "INFER_CFG ALGORITHM BLINDSPOT PIPELINE IMAGE_CHANNELS NOISE_STYLE LEARNING_RATE LR_RAMPUP_FRACTION "
    "LR_RAMPDOWN_FRACTION NOISE_VALUE DIAGONAL_COVARIANCE EVAL_INTERVAL PRINT_INTERVAL SNAPSHOT_INTERVAL "
    "TRAIN_ITERATIONS DATALOADER_WORKERS TRAIN_DATASET_NAME TRAIN_DATASET_TYPE TRAIN_DATA_PATH TRAIN_PATCH_SIZE "
    "TRAIN_MINIBATCH_SIZE TEST_DATASET_NAME TEST_DATASET_TYPE TEST_DATA_PATH TEST_MINIBATCH_SIZE PIN_DATA_MEMORY",
)
ALGORITHM = _enumeration(
    "NoiseAlgorithm", {name.upper(): name for name in ("ssdn", "ssdn_u_only", "n2n", "n2c", "n2v")}
)
NOISE_VALUE = _enumeration("NoiseValue", {name.upper(): name for name in ("const", "var", "known")})
PIPELINE = _enumeration("Pipeline", {name.upper(): name for name in ("mse", "ssdn", "mask_mse")})
DATASET = _enumeration("DatasetType", "HDF5 FOLDER")
STATE = _enumeration("StateValue", "INITIALISED MODE ITERATION REFERENCE HISTORY")
_PIPELINES = {"ssdn": "ssdn", "n2v": "mask_mse"}


def settings(algorithm, style, channels, parameter=None, **changes):
    """A configuration as the program keeps it in its files; `changes` replace values, None leaves a setting out."""
    values = {
        "TRAIN_ITERATIONS": 2_000_000, "TRAIN_MINIBATCH_SIZE": 4, "IMAGE_CHANNELS": channels, "LEARNING_RATE": 3e-4,
        "LR_RAMPDOWN_FRACTION": 0.1, "PIN_DATA_MEMORY": False, "DIAGONAL_COVARIANCE": False,
        "TRAIN_DATA_PATH": "ilsvrc_val.h5", "TRAIN_DATASET_TYPE": DATASET.HDF5, "TRAIN_DATASET_NAME": "ilsvrc",
        "ALGORITHM": ALGORITHM(algorithm), "NOISE_STYLE": style, "BLINDSPOT": algorithm.startswith("ssdn"),
        "PIPELINE": PIPELINE(_PIPELINES.get(algorithm, "mse")),
    }  # fmt: skip
    if parameter is not None:
        values["NOISE_VALUE"] = NOISE_VALUE(parameter)
    values.update(changes)
    return {SETTINGS[name]: value for name, value in values.items() if value is not None}


class Storage:
    """Numbers in a row, which a pickle mentions by a key."""

    def __init__(self, values, kind=None, key=None, count=None):
        self.values = np.ascontiguousarray(values).reshape(-1)
        self.kind = (
            kind or {"f2": "HalfStorage", "f4": "FloatStorage", "f8": "DoubleStorage"}[self.values.dtype.str[1:]]
        )
        self.key, self.count = key, self.values.size if count is None else count


class Tensor:
    """A view of a storage."""

    def __init__(self, storage, shape, strides=None, offset=0, rest=None):
        self.storage, self.shape, self.offset = storage, tuple(shape), offset
        self.strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape))) if strides is None else strides
        self.rest = (False, OrderedDict()) if rest is None else rest

    def __reduce__(self):
        arguments = (self.storage, self.offset, self.shape, self.strides, *self.rest)
        return sys.modules["torch._utils"]._rebuild_tensor_v2, arguments


def tensor(values):
    """A tensor of its own storage."""
    return Tensor(Storage(values), np.shape(values))


def state_of(variables, configuration, make=tensor):
    """A state dict as the program saves it, from variables by the authors' names: every network twice, and its last
    layer twice in each, all of one storage.
    """
    state = OrderedDict()
    for part in ("models.{}.module", "_models.{}"):
        for prefix, network in NETWORKS.items():
            for original, layer in LAYERS.items():
                for suffix, kind in (("/W", "weight"), ("/b", "bias")):
                    value = variables.get(prefix + original + suffix)
                    if value is None:
                        continue
                    first = f"models.{network}.module.{layer}.{kind}"
                    if first not in state:
                        value = np.array(value, "float32")
                        state[first] = make(value.transpose(3, 2, 0, 1).copy() if kind == "weight" else value)
                    for name in (layer, *["output_conv"] * (original == "nin_c")):
                        state[f"{part.format(network)}.{name}.{kind}"] = state[first]
    if "noise_data" in variables:
        state["l_params.estimated_sigma"] = make(np.array(variables["noise_data"], "float32"))
    state["cfg"] = configuration
    state._metadata = OrderedDict({"": {"version": 1}, "models": {"version": 1}})
    return state


@contextlib.contextmanager
def stand_ins():
    """Modules of the names that pickles of these files mention."""
    made = {name: types.ModuleType(name) for name in ("ssdn", "ssdn.params")}
    for enumeration in (SETTINGS, ALGORITHM, NOISE_VALUE, PIPELINE, DATASET, STATE):
        setattr(made["ssdn.params"], enumeration.__name__, enumeration)
    if "torch" not in sys.modules:
        made["torch"], made["torch._utils"] = types.ModuleType("torch"), types.ModuleType("torch._utils")
        for name in ("FloatStorage", "HalfStorage", "DoubleStorage", "LongStorage"):
            setattr(made["torch"], name, type(name, (), {"__module__": "torch"}))
        for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            function = types.FunctionType((lambda *arguments: None).__code__, {}, name)
            function.__module__, function.__qualname__ = "torch._utils", name
            setattr(made["torch._utils"], name, function)
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


def _pickled(value, protocol, view):
    """(pickle, storages by key) of a value; `view` ends the description of a storage."""
    storages = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, found):
            if not isinstance(found, Storage):
                return None
            key = found.key or next((k for k, known in storages.items() if known is found), str(len(storages)))
            storages[key] = found
            return ("storage", getattr(sys.modules["torch"], found.kind), key, "cpu", found.count, *view)

    stream = io.BytesIO()
    with stand_ins():
        Pickler(stream, protocol).dump(value)
    return stream.getvalue(), storages


def older_format(value, protocol=2):
    """Bytes of a file of PyTorch up to 1.5."""
    content, storages = _pickled(value, protocol, (None,))
    return older_around(content, {key: storage.values for key, storage in storages.items()}, protocol)


def older_around(content, values, protocol=2):
    """The older format around a pickle and values by their keys."""
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    start = b"".join(pickle.dumps(part, protocol) for part in (0x1950A86A20F9469CFC6C, 1001, machine))
    keys = sorted(values)
    rows = b"".join(struct.pack("<q", values[key].size) + values[key].tobytes() for key in keys)
    return start + content + pickle.dumps(keys, protocol) + rows


def newer_format(value, protocol=2, order="<"):
    """Bytes of a file of PyTorch since 1.6."""
    content, storages = _pickled(value, protocol, ())
    rows = {key: storage.values.astype(storage.values.dtype.newbyteorder(order)) for key, storage in storages.items()}
    return newer_around(content, rows, {"<": b"little", ">": b"big"}[order])


def newer_around(content, values, order=b"little"):
    """The newer format around a pickle and values by their keys."""
    members = {"data.pkl": content, "byteorder": order, **{f"data/{k}": v.tobytes() for k, v in values.items()}}
    return archive([(f"model/{name}", data) for name, data in {**members, "version": b"3\n"}.items()])


def archive(members, compression=zipfile.ZIP_STORED):
    """Bytes of a zip file of (name, bytes)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, data in members:
            file.writestr(name, data)
    return stream.getvalue()


FORMATS = {"older": older_format, "newer": newer_format}


def golden_variables():
    """Variables by the authors' names of an N2C network for grey images, whose values follow from their places."""
    inputs = {"enc_conv0": 1, "dec_conv5a": 96, "dec_conv1a": 97, **{f"dec_conv{level}a": 144 for level in (4, 3, 2)}}
    variables = {}
    for index, name in enumerate(LAYERS):
        size, before = (
            (1, 96) if name.startswith("nin") else (3, inputs.get(name, 96 if name.startswith("dec") else 48))
        )
        after = 1 if name == "nin_c" else 96 if size == 1 or name.startswith("dec") else 48
        for suffix, shape in (("/W", (size, size, before, after)), ("/b", (after,))):
            places = np.arange(np.prod(shape), dtype="int64")
            variables[name + suffix] = ((places % 13 - 6) * 0.01 + index * 0.001).astype("float32").reshape(shape)
    return variables


def _write_golden():
    import torch

    made = state_of(golden_variables(), settings("n2c", "gauss25_nc", 1), torch.from_numpy)
    for name, newer in (("older", False), ("newer", True)):
        stream = io.BytesIO()
        with stand_ins():
            torch.save(made, stream, _use_new_zipfile_serialization=newer)
        path = Path(__file__).parent / "golden" / f"pytorch-{name}.wt.xz"
        path.write_bytes(lzma.compress(stream.getvalue(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    _write_golden()
