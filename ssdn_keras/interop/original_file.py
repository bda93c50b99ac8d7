"""The authors' network files, read without running them.

They are Python pickles whose loading executes source text that they hold; `original_pickle` follows such a pickle and
runs nothing, here its record is read.
"""

import re
from dataclasses import dataclass

from ssdn_keras.interop.network_file import NetworkFileError, read_file, shown
from ssdn_keras.interop.original_pickle import Array, follow

_ARGUMENTS = {"blindspot_pipeline": 2, "simple_pipeline": 3}


@dataclass(frozen=True)
class OriginalNetwork:
    """What a network file holds.

    Attributes:
        version: of the file's layout.
        pipeline: name of the function that builds the network.
        arguments: of that function: dict of texts, numbers and lists.
        inputs: number of the function's inputs by the file's source text, or None if it holds none.
        variables: dict of original name to float32 array.
    """

    version: int
    pipeline: str
    arguments: dict
    inputs: int | None
    variables: dict


def read_network(path):
    """Read a network file.

    Returns:
        `OriginalNetwork`.

    Raises:
        NetworkFileError: it is not such a file, is damaged, or holds what has no place in one.
        FileNotFoundError: there is no such file.
    """
    return read_file(path, lambda data: _network(follow(data).state), "the authors' program")


def _text(state, name):
    value = state.get(name)
    if not isinstance(value, str):
        raise NetworkFileError(f"damaged: no {name}")
    return value


def _network(state):
    version = state.get("version")
    if type(version) is not int or version not in (2, 3):
        raise NetworkFileError(f"layout version {shown(version)}: only versions 2 and 3 are known")
    pipeline, arguments, listed = _text(state, "build_func_name"), state.get("static_kwargs"), state.get("variables")
    if not isinstance(arguments, dict) or not isinstance(listed, list):
        raise NetworkFileError("damaged: no arguments or no variables")
    if state.get("components"):
        raise NetworkFileError("it has networks inside, which the authors' denoisers do not")
    variables = {}
    for item in listed:
        if not (isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)):
            raise NetworkFileError("damaged: a variable is no pair of name and array")
        if not isinstance(item[1], Array) or item[1].value is None:
            raise NetworkFileError(f"damaged: the variable {item[0]!r:.60} is no array")
        variables[item[0]] = item[1].value
    source = state.get("build_module_src")
    inputs = _input_count(source, pipeline) if isinstance(source, str) and source.strip() else None
    return OriginalNetwork(version, pipeline, arguments, inputs, variables)


def _input_count(source, pipeline):
    """Number of inputs of a function in the source text, which is searched and never run; None if it is not found."""
    if pipeline not in _ARGUMENTS:
        return None
    match = re.search(rf"^def {re.escape(pipeline)}\(([^()]{{0,2000}})\)", source, re.MULTILINE)
    if not match:
        return None
    lines = [line.split("#")[0] for line in match.group(1).splitlines()]
    parameters = [part.strip() for line in lines for part in line.split(",")]
    return sum(1 for part in parameters if re.fullmatch(r"\w+", part))


def expected_inputs(pipeline):
    """Number of inputs of the published version of a pipeline, or None if there is no such pipeline."""
    return _ARGUMENTS.get(pipeline)
