"""Follows the instructions of a pickle without running anything of it.

`pickletools` lists the instructions; a small machine follows those that make numbers, texts, containers, arrays and one
record. It imports nothing and calls nothing that a file names.
"""

import math
import pickletools
from dataclasses import dataclass, field

import numpy as np

LARGEST_FILE = 256 * 2**20
LARGEST_INTEGER_BYTES = 8
MOST_INSTRUCTIONS = 1_000_000
MOST_DIMENSIONS = 8
LARGEST_RESULT = 2 * LARGEST_FILE
_KINDS = {"f2", "f4", "f8"}
_ARRAY_MAKERS = {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
_BUFFER_READERS = {"numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"}  # of pickle protocol 5
_NETWORK = "dnnlib.tflib.network Network"
_DICTIONARY = "dnnlib.util EasyDict"
_KNOWN = {_NETWORK, _DICTIONARY, "numpy ndarray", "numpy dtype", "_codecs encode", *_ARRAY_MAKERS, *_BUFFER_READERS}


class NetworkFileError(ValueError):
    """The file is not a network file of the authors' program, or not one that can be read; the message says why."""


@dataclass(frozen=True)
class _Name:
    """A class or function that the file names; never looked up."""

    text: str


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


class _Mark:
    pass


def _refuse(what):
    raise NetworkFileError(f"{what}: a network file has no need of that; nothing of the file was run")


class _Machine:
    """Follows a pickle's instructions with a stack and a memory of plain values."""

    def __init__(self):
        self.stack, self.memory, self.made = [], {}, 0

    def run(self, instructions):
        """The value that the pickle describes."""
        for count, (operation, argument, _) in enumerate(instructions):
            if count > MOST_INSTRUCTIONS:
                _refuse(f"more than {MOST_INSTRUCTIONS:,} instructions")
            if operation.name == "STOP":
                return self.pop()
            action = _ACTIONS.get(operation.name)
            if action is None:
                _refuse(f"the pickle instruction {operation.name}")
            action(self, argument)
        raise NetworkFileError("the file ends too early")

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        if not self.stack or isinstance(self.stack[-1], _Mark):
            raise NetworkFileError("damaged: a value is missing")
        return self.stack.pop()

    def since_mark(self):
        for index in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[index], _Mark):
                values = self.stack[index + 1 :]
                del self.stack[index:]
                return values
        raise NetworkFileError("damaged: a mark is missing")

    def top(self, kind):
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise NetworkFileError("damaged: a value is of the wrong kind")
        return self.stack[-1]

    def integer(self, value):
        if abs(int(value)).bit_length() > 8 * LARGEST_INTEGER_BYTES:
            _refuse("an integer of thousands of digits")
        self.push(int(value))

    def tuple_of(self, count):
        self.push(tuple(reversed([self.pop() for _ in range(count)])))

    def remember(self, place):
        if not self.stack:
            raise NetworkFileError("damaged: nothing to remember")
        self.memory[place] = self.stack[-1]

    def recall(self, place):
        if place not in self.memory:
            raise NetworkFileError("damaged: a value was never stored")
        self.push(self.memory[place])

    def name(self, text):
        if text not in _KNOWN:
            _refuse(f"it names {text.replace(' ', '.')[:80]!r}")
        self.push(_Name(text))

    def stack_name(self):
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise NetworkFileError("damaged: a name is no text")
        self.name(f"{module} {name}")

    def append(self, values):
        self.top(list).extend(values)

    def set_items(self, values):
        target = self.top(dict)
        if len(values) % 2 or not all(isinstance(key, str) for key in values[::2]):
            raise NetworkFileError("damaged: keys must be texts")
        target.update(zip(values[::2], values[1::2], strict=True))

    def new_object(self):
        arguments, name = self.pop(), self.pop()
        if arguments != () or not isinstance(name, _Name) or name.text not in (_NETWORK, _DICTIONARY):
            _refuse("making an object other than a network")
        self.push(Record() if name.text == _NETWORK else {})

    def count(self, data):
        """Bytes may be copied again and again by a file that names them once: all of them are counted."""
        self.made += len(data) if isinstance(data, (bytes, str)) else 0
        if self.made > LARGEST_RESULT:
            _refuse("more values than any network has")

    def call(self):
        arguments, name = self.pop(), self.pop()
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            _refuse("calling something that is no function of NumPy's")
        if name.text in _ARRAY_MAKERS and arguments[:1] == (_Name("numpy ndarray"),):
            self.push(Array())
        elif name.text in _BUFFER_READERS and len(arguments) == 4:
            data, kind, shape, order = arguments
            self.count(data)
            self.push(Array(_array((1, shape, kind, order == "F", data))))
        elif name.text == "numpy dtype" and arguments and isinstance(arguments[0], str) and arguments[0] in _KINDS:
            self.push(_Kind(arguments[0]))
        elif (
            name.text == "_codecs encode" and len(arguments) == 2 and isinstance(arguments[0], str)
            and arguments[1] == "latin1"
        ):  # fmt: skip
            self.count(arguments[0])
            self.push(arguments[0].encode("latin1"))
        elif name.text == _DICTIONARY and arguments == ():
            self.push({})
        else:
            _refuse(f"calling {name.text.replace(' ', '.')} with these arguments")

    def build(self):
        state, target = self.pop(), self.stack[-1] if self.stack else None
        if isinstance(target, Record) and isinstance(state, dict):
            target.state = state
        elif isinstance(target, _Kind) and isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "="):
            target.order = state[1]
        elif isinstance(target, Array):
            self.count(state[-1] if isinstance(state, tuple) and state else b"")
            target.value = _array(state)
        elif not (type(target) is dict and state in ({}, None)):
            _refuse("giving an unexpected object a state")


def _array(state):
    """An array from the state that NumPy gives it: version, shape, type, order in memory, bytes."""
    if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[1], tuple)):
        raise NetworkFileError("damaged: an array without shape and values")
    _, shape, kind, by_columns, data = state
    if not isinstance(kind, _Kind) or not isinstance(data, bytes):
        _refuse("an array of anything but floats")
    if len(shape) > MOST_DIMENSIONS or not all(type(side) is int and side >= 0 for side in shape):
        raise NetworkFileError(f"damaged: an array of {len(shape)} dimensions, or with a side that is no count")
    dtype = np.dtype(kind.order + kind.code)
    if math.prod(shape) * dtype.itemsize != len(data):
        raise NetworkFileError(f"damaged: {len(data)} bytes for an array of shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns is True else "C").astype("float32")


_ACTIONS = {
    "PROTO": lambda m, a: None,
    "FRAME": lambda m, a: None,
    "MARK": lambda m, a: m.push(_Mark()),
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "INT", "LONG", "LONG4"), lambda m, a: m.integer(a)),
    **dict.fromkeys(
        ("BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "SHORT_BINBYTES",
         "BINBYTES8"),
        lambda m, a: m.push(a),
    ),
    "BYTEARRAY8": lambda m, a: m.push(bytes(a)),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "EMPTY_LIST": lambda m, a: m.push([]),
    "EMPTY_DICT": lambda m, a: m.push({}),
    "TUPLE": lambda m, a: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, a: m.tuple_of(1),
    "TUPLE2": lambda m, a: m.tuple_of(2),
    "TUPLE3": lambda m, a: m.tuple_of(3),
    "APPEND": lambda m, a: m.append([m.pop()]),
    "APPENDS": lambda m, a: m.append(m.since_mark()),
    "SETITEM": lambda m, a: m.set_items([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m, a: m.set_items(m.since_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "PUT"), lambda m, a: m.remember(int(a))),
    "MEMOIZE": lambda m, a: m.remember(len(m.memory)),
    **dict.fromkeys(("BINGET", "LONG_BINGET", "GET"), lambda m, a: m.recall(int(a))),
    "GLOBAL": lambda m, a: m.name(a),
    "STACK_GLOBAL": lambda m, a: m.stack_name(),
    "NEWOBJ": lambda m, a: m.new_object(),
    "REDUCE": lambda m, a: m.call(),
    "BUILD": lambda m, a: m.build(),
}  # fmt: skip


def follow(data):
    """The record that a pickle describes.

    Args:
        data: bytes of the pickle.

    Raises:
        NetworkFileError: it holds what has no place in a network file, or is damaged. Of a file that is no pickle at
            all the errors are those of `pickletools`.
    """
    record = _Machine().run(pickletools.genops(data))
    if not isinstance(record, Record):
        raise NetworkFileError("a pickle, but not of a network of the authors' program")
    return record
