"""The authors' 46 experiments by name, such as gauss25-blindspot_diag-sigma_known or poisson5_50-n2c-mono."""

import difflib
import re
from dataclasses import dataclass

_PIPELINES = {"n2c": "n2c", "n2n": "n2n", "blindspot": "ssdn", "blindspot_diag": "ssdn", "blindspot_mean": "ssdn_mean"}
_SINGLE = {"gauss25", "poisson30", "impulse50"}
_LONG = {"n2c": 16_000_000, "n2n": 16_000_000, "ssdn_mean": 8_000_000, "ssdn": 4_000_000}


@dataclass(frozen=True)
class Experiment:
    """What a name says. `images` is the published length of the training."""

    name: str
    noise: str
    algorithm: str
    noise_parameter: str
    diagonal_covariance: bool
    channels: int

    @property
    def images(self):
        """Published length of the training, in images."""
        return _LONG[self.algorithm] if self.noise.startswith("impulse") else 2_000_000


def _names():
    for noise in ("gauss25", "gauss5_50", "poisson30", "poisson5_50", "impulse50", "impulse0_100"):
        estimated = "global" if noise in _SINGLE else "per_image"
        for pipeline in _PIPELINES:
            if pipeline == "blindspot_diag" and not noise.startswith("gauss"):
                continue
            if _PIPELINES[pipeline] == "ssdn":
                for parameter in ("known", estimated):
                    yield f"{noise}-{pipeline}-sigma_{parameter}"
            else:
                yield f"{noise}-{pipeline}"
        if not noise.startswith("impulse"):
            yield from (f"{noise}-n2c-mono", *(f"{noise}-blindspot-sigma_{p}-mono" for p in ("known", estimated)))


EXPERIMENTS = tuple(_names())


def parse_experiment(name):
    """What an experiment's name says.

    Raises:
        ValueError: it is not one of the 46; the message names the nearest.
    """
    if name not in EXPERIMENTS:
        close = difflib.get_close_matches(str(name), EXPERIMENTS, n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"unknown experiment {name!r}{hint}")
    noise, pipeline, *rest = name.split("-")
    parameter = next((part.removeprefix("sigma_") for part in rest if part.startswith("sigma_")), "known")
    return Experiment(
        name, noise, _PIPELINES[pipeline], parameter, pipeline == "blindspot_diag", 1 if "mono" in rest else 3
    )


def experiment_of_file(path):
    """The experiment that a file's name ends with, as in network-final-gauss25-n2c.pickle, or None."""
    match = re.search(r"network-(?:[0-9]+|final)-(.+)$", path.stem)
    return parse_experiment(match.group(1)) if match and match.group(1) in EXPERIMENTS else None
