"""Trained networks that come with the package, by name.

They are made by the commands of their model cards, the .md files beside them, and have a licence of their own.
"""

import difflib
from pathlib import Path

FOLDER = Path(__file__).parent / "networks"
COLOUR, GREY = "gauss-rgb", "gauss-mono"
NOTICE = "network {name}: for non-commercial research only, as the images it learnt from; see {licence}"
LICENCE = FOLDER / "LICENSE.txt"


def names():
    """Names of the networks, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.keras"))


def is_shipped(text):
    """Whether something is meant as the name of a network, not as the path of a file."""
    return isinstance(text, str) and Path(text).name == text and not Path(text).suffix and not Path(text).is_file()


def path_of(name):
    """The file of a network.

    Raises:
        FileNotFoundError: there is none of this name.
    """
    if name not in names():
        close = difflib.get_close_matches(name, names(), n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]}?" if close else ""
        known = ", ".join(names())
        raise FileNotFoundError(f"{name}: no such model file, and no network of the package ({known}){hint}")
    return FOLDER / f"{name}.keras"


def card_of(name):
    """The model card: how the network was made and what it was measured to do, as Markdown."""
    return path_of(name).with_suffix(".md").read_text(encoding="utf-8")


def notice(name):
    """One line about the licence of a network."""
    return NOTICE.format(name=name, licence=LICENCE)


def suited(channels):
    """Name of the network for images of so many channels; the grey one takes each channel by itself."""
    return COLOUR if channels == 3 else GREY
