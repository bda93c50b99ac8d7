"""What a pickle inside a file of `torch.save` may hold: tensors of floats, and the enumerations of one program.

A tensor is described by its storage (kind, key, number of values), offset, shape and strides; the values themselves lie
outside the pickle. All of them are checked against one another here, before anything of their size is made.
"""

import math
import re
from dataclasses import dataclass

from ssdn_keras.interop.network_file import LARGEST_FILE, NetworkFileError, refuse
from ssdn_keras.interop.pickle_machine import Machine, Name

MOST_DIMENSIONS = 8
LONGEST_VALUE = 100
_FLOATS = {"torch FloatStorage": "f4", "torch HalfStorage": "f2", "torch DoubleStorage": "f8"}
_ENUMERATIONS = {
    f"ssdn.params {name}"
    for name in ("ConfigValue", "NoiseAlgorithm", "NoiseValue", "Pipeline", "Blindspot", "DatasetType")
}
_TENSOR = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_DICTIONARY = "collections OrderedDict"
_OF_A_TRAINING = {"ssdn.params StateValue", "ssdn.params HistoryValue"}

WHOLE_TRAINING = (
    "the state of a whole training (.training), not a .wt file: load it with the program that wrote it and save its "
    "denoiser's state_dict with torch.save"
)


@dataclass(frozen=True)
class Member:
    """A member of an enumeration: the name of its class and its value. The class is never looked up."""

    enumeration: str
    value: int | str


@dataclass(frozen=True)
class Storage:
    """Numbers in a row, kept elsewhere in the file under a key; `kind` is their type in NumPy's notation."""

    key: str
    kind: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage; strides and offset count values."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple


class TensorMachine(Machine):
    """Follows such a pickle. `storages` holds, by their keys, the storages that the pickle mentions."""

    known = frozenset({*_FLOATS, *_ENUMERATIONS, _TENSOR, _PARAMETER, _DICTIONARY})
    key_kinds = "texts or settings"
    integer_bytes = 10  # the number that such files start with

    def __init__(self):
        super().__init__()
        self.storages = {}

    def _name(self, text):
        if text in _OF_A_TRAINING:
            raise NetworkFileError(WHOLE_TRAINING)
        super()._name(text)

    def is_key(self, value):
        return isinstance(value, (str, Member))

    def made(self, name, arguments):
        if name.text == _DICTIONARY and arguments == ():
            return {}
        if name.text in _ENUMERATIONS and len(arguments) == 1:
            return _member(name, arguments[0])
        if name.text == _TENSOR and len(arguments) in (6, 7):
            return _tensor(arguments)
        if name.text == _PARAMETER and len(arguments) == 3 and isinstance(arguments[0], Tensor):
            _check_empty(arguments[2])
            return arguments[0]
        refuse(f"calling {name.text.replace(' ', '.')} with these arguments")

    def give_state(self, target, state):
        # The versions of the modules that a state dict came from.
        if not (type(target) is dict and type(state) is dict and list(state) == ["_metadata"]):
            refuse("giving an unexpected object a state")

    def stored(self, identifier):
        if not (isinstance(identifier, tuple) and len(identifier) in (5, 6) and identifier[0] == "storage"):
            refuse("something stored that is no tensor")
        _, kind, key, _, count = identifier[:5]
        if not isinstance(kind, Name) or kind.text not in _FLOATS:
            refuse("a tensor of anything but floats")
        if identifier[5:] not in ((), (None,)):
            refuse("a storage that is a part of another one")
        if not (isinstance(key, str) and re.fullmatch(r"[0-9]{1,24}", key)):
            raise NetworkFileError("damaged: a storage whose key is no number")
        if type(count) is not int or not 0 <= count <= LARGEST_FILE:
            raise NetworkFileError("damaged: a storage larger than any network")
        storage = Storage(key, _FLOATS[kind.text], count)
        if self.storages.setdefault(key, storage) != storage:
            raise NetworkFileError(f"damaged: two descriptions of storage {key}")
        return storage


def _member(name, value):
    # Bounds keep the cost of looking members up in dictionaries small whatever the file says.
    if not (type(value) is int and 0 <= value <= 1000 or type(value) is str and len(value) <= LONGEST_VALUE):
        refuse(f"a member of {name.text.replace(' ', '.')} that is neither a small number nor a short text")
    return Member(name.text.split()[-1], value)


def _check_empty(value):
    if not (value is None or type(value) is dict and not value):
        refuse("a tensor with functions or marks attached")


def _counts(values):
    if not isinstance(values, tuple) or len(values) > MOST_DIMENSIONS:
        return False
    return all(type(value) is int and value >= 0 for value in values)


def _tensor(arguments):
    storage, offset, shape, strides, _, *rest = arguments
    for value in rest:
        _check_empty(value)
    if not isinstance(storage, Storage):
        raise NetworkFileError("damaged: a tensor without values")
    if not (_counts(shape) and _counts(strides) and len(shape) == len(strides) and _counts((offset,))):
        raise NetworkFileError("damaged: a tensor whose shape, strides or offset make no sense")
    if 0 in shape or math.prod(shape) > storage.count:
        raise NetworkFileError(f"damaged: a tensor of shape {shape} in a storage of {storage.count} values")
    if offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True)) >= storage.count:
        raise NetworkFileError(f"damaged: a tensor that reaches beyond its storage of {storage.count} values")
    return Tensor(storage, offset, shape, strides)
