"""Trained networks that come with the package, by name.

They are made by the commands of their model cards, the .md files beside them. Each folder of them has a licence of its
own, which follows from the photographs that they learnt from.
"""

import difflib
from pathlib import Path

FOLDER = Path(__file__).parent / "networks"
COLOUR, GREY = "gauss-rgb", "gauss-mono"
# The folder of the networks that are taken without a choice.
LICENCE = "berkeley"


def _paths():
    return {path.stem: path for path in sorted(FOLDER.glob("*/*.keras"))}


def names():
    """Names of the networks, sorted."""
    return sorted(_paths())


def is_shipped(text):
    """Whether something is meant as the name of a network, not as the path of a file."""
    return isinstance(text, str) and Path(text).name == text and not Path(text).suffix and not Path(text).is_file()


def path_of(name):
    """The file of a network.

    Raises:
        FileNotFoundError: there is none of this name.
    """
    paths = _paths()
    if name not in paths:
        close = difflib.get_close_matches(name, paths, n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]}?" if close else ""
        known = ", ".join(names())
        raise FileNotFoundError(f"{name}: no such model file, and no network of the package ({known}){hint}")
    return paths[name]


def card_of(name):
    """The model card: how the network was made and what it was measured to do, as Markdown."""
    return path_of(name).with_suffix(".md").read_text(encoding="utf-8")


def licence_of(name):
    """The licence of a network, a text file whose first line says in short what it allows."""
    return path_of(name).with_name("LICENSE.txt")


def notice(name):
    """One line about the licence of a network."""
    licence = licence_of(name)
    return f"network {name}: {licence.read_text(encoding='utf-8').splitlines()[0]}; see {licence}"


def suited(channels, choice=None):
    """Name of the network of Gaussian noise for images of so many channels; the grey one takes each by itself.

    Args:
        channels: number of channels.
        choice: a name, which is returned, or a licence, the name of a folder of networks; by default `LICENCE`.
    """
    choice = choice or LICENCE
    kind = COLOUR if channels == 3 else GREY
    return next(
        (name for name, path in _paths().items() if name.startswith(kind) and path.parent.name == choice), choice
    )
