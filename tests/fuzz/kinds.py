"""The kinds of files: their names, seeds, damage, and share of the cases."""

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass

from .mutations import archive, checkpoints, flag_files, jpeg, png, raw, records
from .seeds import checkpoints as checkpoint_seeds
from .seeds import disguised, hdf5, networks, shards
from .seeds import flag_files as flag_seeds
from .seeds import jpeg as jpeg_seeds
from .seeds import png as png_seeds


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        filename: what the file is called, as far as its reader cares.
        seeds: function that yields `Seed`s.
        damage: what knows its structure, or None.
        share: of the cases, relative to other kinds.
    """

    filename: str
    seeds: Callable
    damage: Callable | None
    share: int

    @functools.cached_property
    def whole(self):
        """Its seeds, made once."""
        return list(self.seeds())

    @functools.cached_property
    def distinct(self):
        """Its seeds, each once."""
        return list(dict.fromkeys(self.whole))


def _pictures(first):
    """Pictures of one format and, less often, files of other formats under its name."""

    def seeds():
        own = list(first())
        yield from own * 4
        yield from disguised.seeds()

    return seeds


KINDS = {
    "png": Kind("image.png", _pictures(png_seeds.seeds), png.damage, 20),
    "jpeg": Kind("image.jpg", _pictures(jpeg_seeds.seeds), jpeg.damage, 17),
    "hdf5": Kind("images.h5", hdf5.seeds, None, 14),
    "tfrecord": Kind("images.tfrecord", shards.seeds, records.damage, 10),
    "checkpoint": Kind("000000100.npz", checkpoint_seeds.seeds, checkpoints.damage, 10),
    "keras": Kind("model.keras", networks.keras_seeds, archive.damage, 6),
    "pickle": Kind("network-final-gauss25-n2c.pickle", networks.pickle_seeds, None, 5),
    "wt": Kind("final.wt", networks.wt_seeds, archive.damage, 5),
    "npz": Kind("variables.npz", networks.npz_seeds, archive.damage, 3),
    "flags": Kind("flags.cfg", flag_seeds.seeds, flag_files.damage, 10),
}


def counts(total, kinds):
    """How many of `total` cases each kind gets."""
    shares = sum(KINDS[kind].share for kind in kinds)
    return {kind: max(round(total * KINDS[kind].share / shares), 1) for kind in kinds}


def case(kind, number, seed):
    """Case `number` of a kind: (bytes, what was done, whether it is still whole).

    The same for the same arguments, as far as the whole files are. The first cases are these files themselves.
    """
    chosen = KINDS[kind]
    if number < len(chosen.distinct):
        start = chosen.distinct[number]
        return start.data, f"{start.name}: nothing", start.whole
    generator = random.Random(f"{seed}/{kind}/{number}")
    start, other = generator.choice(chosen.whole), generator.choice(chosen.whole)
    structured = chosen.damage and start.whole and generator.random() < 0.6
    try:
        data, what = (chosen.damage if structured else raw.damage)(generator, start.data, other.data)
    except (ValueError, KeyError):  # what knows the structure does not find it in the other file
        data, what = raw.damage(generator, start.data, other.data)
    return bytes(data), f"{start.name}: {what}", False
