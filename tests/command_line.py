"""Running commands in this process, as a user would meet them."""

import importlib

import pytest


def run(capfd, command, *arguments):
    """(exit code, standard output, standard error) of `python -m ssdn_keras.<command>`, in this process."""
    module = importlib.import_module(f"ssdn_keras.{command}")
    capfd.readouterr()
    with pytest.raises(SystemExit) as stop:
        module.COMMAND.run(module.main, [command, *map(str, arguments)])
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return stop.value.code, out, err


def fails(capfd, code, message, command, *arguments):
    """The command ends with the code and one line of error that holds the message."""
    actual, _, err = run(capfd, command, *arguments)
    last = err.strip().splitlines()[-1]
    assert actual == code, err
    assert last.startswith(f"{command}: error: ") and message in last, last
