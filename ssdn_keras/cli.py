"""What all commands share: grouped flags, help, and errors as one clear line.

Exit codes: 0 done, 1 the data or files are at fault, 2 the command line is, 130 interrupted, 143 told to end (SIGTERM).
"""

import contextlib
import copy
import difflib
import os
import shutil
import signal
import sys
import textwrap

from absl import flags

from ssdn_keras.choices import FOUND_OR_GIVEN, NOISE_OF_MODEL
from ssdn_keras.flag_types import Choice, Finite, Level
from ssdn_keras.startup import start_backend
from ssdn_keras.termination import TerminatedError, unwound_by_sigterm

_LONGEST = 1000  # characters of a message


class UsageError(Exception):
    """The command line is at fault."""


class Command:
    """A command line: its flags in groups, its help, and the way it ends.

    Args:
        name: as the user types it, such as "python -m ssdn_keras.train".
        description: what it does; the first thing that --help prints.
        arguments: what may follow the flags, such as "FILES_OR_FOLDERS", or "".
        needs_backend: whether it runs networks.
        tidy: SIGTERM ends it as Ctrl-C does, so that it removes what it has half written. Not for trainings: they write
            a checkpoint first, and may wait for other workers where no Python runs that could end them.
    """

    def __init__(self, name, description, arguments="", needs_backend=True, tidy=False):
        self.name, self.description, self.arguments = name, description, arguments
        self.needs_backend, self.tidy = needs_backend, tidy
        self.flags = flags.FlagValues()
        self.groups = {}
        self._group = None

    def group(self, title):
        """The flags that are defined next belong to this group."""
        self._group = self.groups.setdefault(title, [])

    def _define(self, name, definer, *args, **kwargs):
        definer(name, *args, flag_values=self.flags, **kwargs)
        self._group.append(name)

    def string(self, name, default, text):
        """Define a flag that takes text."""
        self._define(name, flags.DEFINE_string, default, text)

    def integer(self, name, default, text, lowest=None, highest=None):
        """Define a flag that takes an integer within bounds."""
        self._define(name, flags.DEFINE_integer, default, text, lower_bound=lowest, upper_bound=highest)

    def number(self, name, default, text, lowest=None, highest=None):
        """Define a flag that takes a finite number."""
        parser = Finite(lowest, highest)
        self._define(
            name, lambda *a, **k: flags.DEFINE(parser, *a, serializer=flags.ArgumentSerializer(), **k), default, text
        )

    def switch(self, name, default, text):
        """Define a flag that is on or off."""
        self._define(name, flags.DEFINE_boolean, default, text)

    def level(self, name, text):
        """Define a flag that takes a noise level, None by default."""
        parser = Level(lower_bound=0)
        self._define(
            name, lambda *a, **k: flags.DEFINE(parser, *a, serializer=flags.ArgumentSerializer(), **k), None, text
        )

    def choice(self, name, default, choices, text):
        """Define a flag that takes one of a few words."""
        parser = Choice(choices)
        self._define(
            name,
            lambda *a, **k: flags.DEFINE(parser, *a, serializer=flags.ArgumentSerializer(), **k),
            default,
            f"{text} One of {', '.join(parser.choices)}.",
        )

    def noise_of_model(self, when=""):
        """Define the flags by which a model takes the noise otherwise than it was trained for; see `load`.

        Args:
            when: what the help begins with.
        """
        self.choice(
            "noise_parameter", None, FOUND_OR_GIVEN, f"{when}Instead of what the model was trained for: "
            "maximum_likelihood finds of each image the level under which it is most likely, known takes it as given.",
        )  # fmt: skip
        self.choice(
            "noise_model", None, NOISE_OF_MODEL, f"{when}Instead of the noise that the model was made for: its "
            "network with the likelihood of another; with -clipped, of values that were clipped and rounded to 8 bits.",
        )  # fmt: skip

    def help(self):
        """The text that --help prints."""
        width = min(shutil.get_terminal_size((100, 24)).columns, 100)
        tail = f" {self.arguments}" if self.arguments else ""
        lines = [f"usage: {self.name} [--flag=value ...]{tail}", "", *textwrap.wrap(self.description, width)]
        for title, names in self.groups.items():
            lines += ["", f"{title}:"]
            for name in names:
                flag = self.flags[name]
                left = f"--[no]{name}" if flag.boolean else f"--{name}"
                default = (
                    "" if flag.default in (None, False, "") else f" Default: {flag.default_as_str.strip(chr(39))}."
                )
                lines.append(f"  {left}")
                lines += textwrap.wrap(
                    f"{flag.help}{default}", width - 6, initial_indent=" " * 6, subsequent_indent=" " * 6
                )
        lines += [
            "",
            "Flag files:",
            "  --flagfile",
            "      A file with one flag per line; flags that follow override it.",
        ]
        return "\n".join(lines)

    def parse(self, argv):
        """Parse `argv` (with the program's name first); returns (flags, positional arguments).

        Raises:
            UsageError: unknown flag or value, with the nearest name; positional arguments where none are taken.
        """
        values = copy.deepcopy(self.flags)  # so that a second command line starts from the defaults
        try:
            rest = values(list(argv))[1:]
        except flags.UnrecognizedFlagError as error:
            close = difflib.get_close_matches(error.flagname, list(self.flags), n=1, cutoff=0.5)
            hint = f"; did you mean --{close[0]}?" if close else ""
            raise UsageError(f"unknown flag --{error.flagname}{hint}") from None
        except flags.Error as error:
            raise UsageError(" ".join(str(error).split())) from None
        except RecursionError:  # absl looks for similar names, one letter deeper at a time
            raise UsageError("unknown flag: its name has hundreds of letters") from None
        except UnicodeDecodeError as error:
            files = ", ".join(argument.partition("=")[2] for argument in argv if "flagfile=" in argument)
            raise UsageError(f"{files}: not a flag file, which is UTF-8 text ({error})") from None
        if rest and not self.arguments:
            raise UsageError(f"unexpected argument {rest[0]!r}: flags are written --name=value; see --help")
        return values, rest

    def run(self, main, argv=None):
        """Parse, call main(flags, arguments), and leave with the right exit code."""
        argv = sys.argv if argv is None else argv
        if any(argument in ("--help", "-help", "-h", "--helpfull") for argument in argv[1:]):
            say(self.help())
            sys.exit(0)
        try:
            parsed, rest = self.parse(argv)
            if self.needs_backend:
                start_backend()
            with unwound_by_sigterm() if self.tidy else contextlib.nullcontext():
                code = main(parsed, rest)
        except UsageError as error:
            self._fail(error, 2, " (see --help)" if "--help" not in str(error) else "")
        except KeyboardInterrupt:
            self._fail("interrupted", 130)
        except TerminatedError:
            self._fail("told to end (SIGTERM)", 128 + signal.SIGTERM)
        except (ValueError, OSError) as error:
            if os.environ.get("SSDN_KERAS_TRACEBACK"):
                raise
            self._fail(error, 1)
        sys.exit(code or 0)

    def _fail(self, error, code, tail=""):
        self._say_error(error, tail)
        sys.exit(code)

    def _say_error(self, error, tail=""):
        print(
            f"{self.name.removesuffix('.py').replace('/', '.').split('.')[-1]}: error: {describe(error)}{tail}",
            file=sys.stderr,
        )

    def leave(self, error, code):
        """End the process at once with an error, where Python's own way out would wait for something that is lost."""
        self._say_error(error)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def say(text):
    """Print to standard output; a reader that has left, such as `head`, is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends


def describe(error):
    """An exception as one line; for the operating system's errors, the path and the reason.

    What a damaged or hostile file put into it is neither endless nor anything that a terminal obeys.
    """
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in " ".join(text.split()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 4 :]}"


def make_folder(path):
    """Create an output folder and check that it can be written to.

    Raises:
        UsageError: it has no name, or exists and is not a folder.
        OSError: it cannot be created or written.
    """
    if not str(path):
        raise UsageError("the folder for the output has no name: give one as --output=FOLDER")
    if os.path.exists(path) and not os.path.isdir(path):
        raise UsageError(f"{path}: exists and is not a folder")
    os.makedirs(path, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(13, "the folder cannot be written to", str(path))
    return path


def checked(function, *args, **kwargs):
    """Call a check of flag values; its ValueError becomes a UsageError."""
    try:
        return function(*args, **kwargs)
    except ValueError as error:
        raise UsageError(str(error)) from None
