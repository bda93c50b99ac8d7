"""The weights files (.wt) of the PyTorch reimplementation, read without PyTorch and without running them.

`torch.save` writes one of two formats. Up to PyTorch 1.5: five pickles (a number that marks the format, its version,
the machine, the object, the keys of the storages) and then each storage, its length before its values. Since 1.6: an
archive (zip, not compressed) with the object in NAME/data.pkl and each storage in NAME/data/KEY.
"""

import io
import pickletools
import re
import struct
import zipfile
from dataclasses import dataclass

import numpy as np

from ssdn_keras.interop.network_file import LARGEST_FILE, NetworkFileError, read_file, refuse
from ssdn_keras.interop.pytorch_pickle import WHOLE_TRAINING, Member, Tensor, TensorMachine

PROGRAM = "the PyTorch reimplementation"
MOST_MEMBERS = 10_000
_MARK, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_ARCHIVE_START, _ARCHIVE_ENTRY = b"PK\x03\x04", b"PK\x01\x02"
_BYTE_ORDERS = {b"little": "<", b"big": ">"}


@dataclass(frozen=True)
class PytorchNetwork:
    """What a weights file holds.

    Attributes:
        tensors: dict of name to array, which is read-only and may have any strides.
        settings: dict of the number of a setting to its value: text, number, None or `Member`.
    """

    tensors: dict
    settings: dict


def read_network(path):
    """Read a weights file.

    Returns:
        `PytorchNetwork`.

    Raises:
        NetworkFileError: it is not such a file, is damaged, or holds what has no place in one.
        FileNotFoundError: there is no such file.
    """
    return read_file(path, _network, PROGRAM)


def _network(data):
    state, values = (_from_archive if data.startswith(_ARCHIVE_START) else _from_pickles)(data)
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise NetworkFileError("a file of torch.save, but not of a network's weights")
    if "denoiser" in state:
        raise NetworkFileError(WHOLE_TRAINING)
    state = dict(state)
    settings = state.pop("cfg", None)
    if not isinstance(settings, dict):
        raise NetworkFileError(f"a file of torch.save, but without the configuration (cfg) that {PROGRAM} writes")
    numbered = {}
    for key, value in settings.items():
        if not (isinstance(key, Member) and key.enumeration == "ConfigValue" and type(key.value) is int):
            raise NetworkFileError("damaged: a configuration with something else than settings")
        numbered[key.value] = value
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor):
            raise NetworkFileError(f"damaged: {name!r:.60} is no tensor")
    return PytorchNetwork({name: _view(tensor, values) for name, tensor in state.items()}, numbered)


def _view(tensor, values):
    """The tensor as an array: no values are copied, and its bounds were checked when it was described."""
    row = values[tensor.storage.key][tensor.offset :]
    # The stride of a side of 1 leads nowhere and may be any number.
    steps = [
        stride * row.itemsize if side > 1 else 0 for side, stride in zip(tensor.shape, tensor.strides, strict=True)
    ]
    return np.lib.stride_tricks.as_strided(row, tensor.shape, steps, writeable=False)


def _from_pickles(data):
    """The object, and the storages by their keys, of a file of the older format."""
    file = io.BytesIO(data)
    for expected in (_MARK, _VERSION):
        found = TensorMachine().run(pickletools.genops(file))
        if type(found) is not int or found != expected:
            raise NetworkFileError("a pickle, but not a file of torch.save")
    TensorMachine().run(pickletools.genops(file))  # the machine: values are little-endian whatever it was
    machine = TensorMachine()
    state = machine.run(pickletools.genops(file))
    keys = TensorMachine().run(pickletools.genops(file))
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise NetworkFileError("damaged: no list of storages")
    if len(set(keys)) != len(keys) or set(keys) != set(machine.storages):
        raise NetworkFileError("damaged: its storages are not those that its tensors need")
    values, position = {}, file.tell()
    for key in keys:
        storage = machine.storages[key]
        (count,) = struct.unpack_from("<q", data, position)
        if count != storage.count:
            raise NetworkFileError(f"damaged: storage {key} has {count} values instead of {storage.count}")
        values[key] = np.frombuffer(data, "<" + storage.kind, count, position + 8)
        position += 8 + values[key].nbytes
    if position != len(data):
        raise NetworkFileError(f"damaged: {len(data) - position} bytes after its last storage")
    return state, values


def _from_archive(data):
    """The object, and the storages by their keys, of a file of the newer format."""
    if data.count(_ARCHIVE_ENTRY) > MOST_MEMBERS:
        refuse(f"an archive of more than {MOST_MEMBERS:,} members")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {}
        for entry in archive.infolist():
            if entry.filename in members:
                raise NetworkFileError(f"damaged: two members are named {entry.filename!r:.60}")
            members[entry.filename] = entry
        folders = [name.removesuffix("data.pkl") for name in members if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(folders) != 1:
            raise NetworkFileError("an archive, but not a file of torch.save: it has no data.pkl, or several")
        (folder,) = folders
        machine = TensorMachine()
        state = machine.run(pickletools.genops(_read(archive, members[folder + "data.pkl"], len(data))))
        order = _read(archive, members[folder + "byteorder"], 16) if folder + "byteorder" in members else b"little"
        if order not in _BYTE_ORDERS:
            raise NetworkFileError("damaged: an unknown order of bytes")
        types = {key: np.dtype(_BYTE_ORDERS[order] + storage.kind) for key, storage in machine.storages.items()}
        # Members may share their place in the file: it is not the file that bounds what they are together.
        if sum(types[key].itemsize * storage.count for key, storage in machine.storages.items()) > LARGEST_FILE:
            raise NetworkFileError(f"larger than any network of {PROGRAM}")
        values = {}
        for key, storage in machine.storages.items():
            entry = members.get(f"{folder}data/{key}")
            if entry is None or entry.file_size != types[key].itemsize * storage.count:
                raise NetworkFileError(f"damaged: storage {key} is missing or has another size than its tensors say")
            values[key] = np.frombuffer(_read(archive, entry, entry.file_size), types[key])
    return state, values


def _read(archive, entry, limit):
    """A member's bytes."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        refuse(f"the compressed member {entry.filename!r:.60}")
    if entry.file_size > limit:
        raise NetworkFileError(f"damaged: the member {entry.filename!r:.60} is too large")
    return archive.read(entry)
