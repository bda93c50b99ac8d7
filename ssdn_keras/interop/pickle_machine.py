"""Follows the instructions of a pickle without running anything of it.

`pickletools` lists the instructions; a small machine follows those that make numbers, texts and containers. It imports
nothing and calls nothing that a file names. What else a kind of file may hold, a subclass says: which names it may
mention, and which plain values stand for what calling them would make.
"""

from dataclasses import dataclass

from ssdn_keras.interop.network_file import NetworkFileError, refuse

MOST_INSTRUCTIONS = 1_000_000


@dataclass(frozen=True)
class Name:
    """A class or function that the file names; never looked up."""

    text: str


class _Mark:
    pass


class Machine:
    """Follows a pickle's instructions with a stack and a memory of plain values.

    Attributes:
        known: the names that a file may mention, as "module name".
        key_kinds: what the keys of a dictionary may be, for the message about others.
        integer_bytes: size of the largest integer.
    """

    known = frozenset()
    key_kinds = "texts"
    integer_bytes = 8

    def __init__(self):
        self.stack, self.memory = [], {}

    # What a kind of file may hold beside plain values; by default nothing.

    def is_key(self, value):
        """Whether a value may be the key of a dictionary."""
        return isinstance(value, str)

    def made(self, name, arguments):
        """The value that stands for a call of a known name (`Name`) with arguments (tuple)."""
        refuse(f"calling {name.text.replace(' ', '.')}")

    def new(self, name):
        """The value that stands for a new object of a known class, made without arguments."""
        refuse("making an object")

    def give_state(self, target, state):
        """Give the value on top of the stack (None if there is none) a state."""
        refuse("giving an unexpected object a state")

    def stored(self, identifier):
        """The value that stands for something that the file stores outside the pickle."""
        refuse("the pickle instruction BINPERSID")

    # The machine.

    def run(self, instructions):
        """The value that the pickle describes."""
        for count, (operation, argument, _) in enumerate(instructions):
            if count > MOST_INSTRUCTIONS:
                refuse(f"more than {MOST_INSTRUCTIONS:,} instructions")
            if operation.name == "STOP":
                return self.pop()
            action = _ACTIONS.get(operation.name)
            if action is None:
                refuse(f"the pickle instruction {operation.name}")
            action(self, argument)
        raise NetworkFileError("the file ends too early")

    def push(self, value):
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self):
        """Take a value from the stack."""
        if not self.stack or isinstance(self.stack[-1], _Mark):
            raise NetworkFileError("damaged: a value is missing")
        return self.stack.pop()

    def _since_mark(self):
        for index in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[index], _Mark):
                values = self.stack[index + 1 :]
                del self.stack[index:]
                return values
        raise NetworkFileError("damaged: a mark is missing")

    def _top(self, kind):
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise NetworkFileError("damaged: a value is of the wrong kind")
        return self.stack[-1]

    def _integer(self, value):
        if abs(int(value)).bit_length() > 8 * self.integer_bytes:
            refuse("an integer of thousands of digits")
        self.push(int(value))

    def _tuple_of(self, count):
        self.push(tuple(reversed([self.pop() for _ in range(count)])))

    def _remember(self, place):
        if not self.stack:
            raise NetworkFileError("damaged: nothing to remember")
        if not 0 <= place <= MOST_INSTRUCTIONS:
            raise NetworkFileError("damaged: a place in memory that no file needs")
        self.memory[place] = self.stack[-1]

    def _recall(self, place):
        if place not in self.memory:
            raise NetworkFileError("damaged: a value was never stored")
        self.push(self.memory[place])

    def _name(self, text):
        if text not in self.known:
            refuse(f"it names {text.replace(' ', '.')[:80]!r}")
        self.push(Name(text))

    def _stack_name(self):
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise NetworkFileError("damaged: a name is no text")
        self._name(f"{module} {name}")

    def _append(self, values):
        self._top(list).extend(values)

    def _set_items(self, values):
        target = self._top(dict)
        if len(values) % 2 or not all(self.is_key(key) for key in values[::2]):
            raise NetworkFileError(f"damaged: keys must be {self.key_kinds}")
        target.update(zip(values[::2], values[1::2], strict=True))

    def _new_object(self):
        arguments, name = self.pop(), self.pop()
        if arguments != () or not isinstance(name, Name):
            refuse("making an object other than a network")
        self.push(self.new(name))

    def _call(self):
        arguments, name = self.pop(), self.pop()
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            refuse("calling something that is no known function")
        self.push(self.made(name, arguments))

    def _build(self):
        state = self.pop()
        self.give_state(self.stack[-1] if self.stack else None, state)


_ACTIONS = {
    "PROTO": lambda m, a: None,
    "FRAME": lambda m, a: None,
    "MARK": lambda m, a: m.push(_Mark()),
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "INT", "LONG", "LONG4"), lambda m, a: m._integer(a)),
    **dict.fromkeys(
        ("BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "SHORT_BINBYTES",
         "BINBYTES8"),
        lambda m, a: m.push(a),
    ),
    "BYTEARRAY8": lambda m, a: m.push(bytes(a)),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "EMPTY_LIST": lambda m, a: m.push([]),
    "EMPTY_DICT": lambda m, a: m.push({}),
    "TUPLE": lambda m, a: m.push(tuple(m._since_mark())),
    "TUPLE1": lambda m, a: m._tuple_of(1),
    "TUPLE2": lambda m, a: m._tuple_of(2),
    "TUPLE3": lambda m, a: m._tuple_of(3),
    "APPEND": lambda m, a: m._append([m.pop()]),
    "APPENDS": lambda m, a: m._append(m._since_mark()),
    "SETITEM": lambda m, a: m._set_items([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m, a: m._set_items(m._since_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "PUT"), lambda m, a: m._remember(int(a))),
    "MEMOIZE": lambda m, a: m._remember(len(m.memory)),
    **dict.fromkeys(("BINGET", "LONG_BINGET", "GET"), lambda m, a: m._recall(int(a))),
    "GLOBAL": lambda m, a: m._name(a),
    "STACK_GLOBAL": lambda m, a: m._stack_name(),
    "NEWOBJ": lambda m, a: m._new_object(),
    "REDUCE": lambda m, a: m._call(),
    "BUILD": lambda m, a: m._build(),
    "BINPERSID": lambda m, a: m.push(m.stored(m.pop())),
}  # fmt: skip
