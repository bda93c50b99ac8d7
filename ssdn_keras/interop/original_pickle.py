"""What a pickle of the authors' program may hold: NumPy arrays of floats and one network object."""

import math
import pickletools
from dataclasses import dataclass, field

import numpy as np

from ssdn_keras.interop.network_file import LARGEST_RESULT, NetworkFileError, refuse
from ssdn_keras.interop.pickle_machine import Machine, Name

MOST_DIMENSIONS = 8
_KINDS = {"f2", "f4", "f8"}
_ARRAY_MAKERS = {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
_BUFFER_READERS = {"numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"}  # of pickle protocol 5
_NETWORK = "dnnlib.tflib.network Network"
_DICTIONARY = "dnnlib.util EasyDict"


@dataclass
class _Kind:
    """A NumPy type in the making."""

    code: str
    order: str = "="


@dataclass
class Array:
    """A NumPy array in the making."""

    value: np.ndarray | None = None


@dataclass
class Record:
    """The network object: its state and nothing else."""

    state: dict = field(default_factory=dict)


class _NetworkMachine(Machine):
    known = frozenset(
        {_NETWORK, _DICTIONARY, "numpy ndarray", "numpy dtype", "_codecs encode", *_ARRAY_MAKERS, *_BUFFER_READERS}
    )

    def __init__(self):
        super().__init__()
        self.bytes_made = 0

    def count(self, data):
        """Bytes may be copied again and again by a file that names them once: all of them are counted."""
        self.bytes_made += len(data) if isinstance(data, (bytes, str)) else 0
        if self.bytes_made > LARGEST_RESULT:
            refuse("more values than any network has")

    def new(self, name):
        if name.text not in (_NETWORK, _DICTIONARY):
            refuse("making an object other than a network")
        return Record() if name.text == _NETWORK else {}

    def made(self, name, arguments):
        if name.text in _ARRAY_MAKERS and arguments[:1] == (Name("numpy ndarray"),):
            return Array()
        if name.text in _BUFFER_READERS and len(arguments) == 4:
            data, kind, shape, order = arguments
            self.count(data)
            return Array(_array((1, shape, kind, order == "F", data)))
        if name.text == "numpy dtype" and arguments and isinstance(arguments[0], str) and arguments[0] in _KINDS:
            return _Kind(arguments[0])
        if (
            name.text == "_codecs encode" and len(arguments) == 2 and isinstance(arguments[0], str)
            and arguments[1] == "latin1"
        ):  # fmt: skip
            self.count(arguments[0])
            return arguments[0].encode("latin1")
        if name.text == _DICTIONARY and arguments == ():
            return {}
        refuse(f"calling {name.text.replace(' ', '.')} with these arguments")

    def give_state(self, target, state):
        if isinstance(target, Record) and isinstance(state, dict):
            target.state = state
        elif isinstance(target, _Kind) and isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "="):
            target.order = state[1]
        elif isinstance(target, Array):
            self.count(state[-1] if isinstance(state, tuple) and state else b"")
            target.value = _array(state)
        elif not (type(target) is dict and state in ({}, None)):
            refuse("giving an unexpected object a state")


def _array(state):
    """An array from the state that NumPy gives it: version, shape, type, order in memory, bytes."""
    if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[1], tuple)):
        raise NetworkFileError("damaged: an array without shape and values")
    _, shape, kind, by_columns, data = state
    if not isinstance(kind, _Kind) or not isinstance(data, bytes):
        refuse("an array of anything but floats")
    if len(shape) > MOST_DIMENSIONS or not all(type(side) is int and side >= 0 for side in shape):
        raise NetworkFileError(f"damaged: an array of {len(shape)} dimensions, or with a side that is no count")
    dtype = np.dtype(kind.order + kind.code)
    if math.prod(shape) * dtype.itemsize != len(data):
        raise NetworkFileError(f"damaged: {len(data)} bytes for an array of shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns is True else "C").astype("float32")


def follow(data):
    """The record that a pickle describes.

    Args:
        data: bytes of the pickle.

    Raises:
        NetworkFileError: it holds what has no place in a network file, or is damaged. Of a file that is no pickle at
            all the errors are those of `pickletools`.
    """
    record = _NetworkMachine().run(pickletools.genops(data))
    if not isinstance(record, Record):
        raise NetworkFileError("a pickle, but not of a network of the authors' program")
    return record
