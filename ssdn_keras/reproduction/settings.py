"""What defines a comparison, kept beside its results so that it is not mixed with another."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ssdn_keras.atomic import write_atomically
from ssdn_keras.choices import OPTIMIZERS
from ssdn_keras.training.settings import TrainSettings

FILE = "reproduction.json"
# What may change when a comparison is started again: rows share none of it, and evaluations grow with it.
_FREE = ("val_clean", "val_images", "validate_every", "repeats", "limit", "evaluate")


@dataclass(frozen=True)
class Reproduction:
    """See the flags of `python -m ssdn_keras.reproduce`, which have the same names and meanings.

    `evaluate` is a tuple of (name, folder).
    """

    train_clean: str
    evaluate: tuple
    noise: str = "gauss25"
    images: int = 200_000
    crop: int = 256
    minibatch: int = 4
    channels: int = 3
    filters: int = 48
    optimizer: str = "adam"
    learning_rate: float | None = None
    freeze_noise: bool = False
    seed: int = 0
    precision: str = "float32"
    ema: float | None = None
    repeats: int | None = None
    limit: int | None = None
    val_clean: str | None = None
    val_images: int = 4
    validate_every: int = 4000

    def __post_init__(self):
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", OPTIMIZERS[self.optimizer])

    def training(self, row):
        """`TrainSettings` of a row: alike but for the method."""
        shared = {field.name for field in dataclasses.fields(TrainSettings)}
        values = {name: value for name, value in dataclasses.asdict(self).items() if name in shared}
        return TrainSettings.with_absolute_paths(
            **values,
            algorithm="ssdn" if row.algorithm == "original" else row.algorithm,
            noise_parameter=row.noise_parameter,
            checkpoint_every=self.validate_every,
        )

    def remember(self, out):
        """Write the definition to the folder `out`, or check that what lies there is of the same comparison.

        Raises:
            ValueError: the folder belongs to another comparison, or to something else.
        """
        path = Path(out) / FILE
        mine = json.loads(json.dumps(dataclasses.asdict(self)))
        mine["train_clean"] = str(Path(self.train_clean).resolve())
        if path.exists():
            try:
                # What an older version did not have was at its default there.
                defaults = {field.name: field.default for field in dataclasses.fields(self)}
                theirs = {**defaults, **dict(json.loads(path.read_text()))}
            except (ValueError, TypeError) as error:
                raise ValueError(f"{path}: damaged ({error}); give another --out") from None
            different = [
                f"--{name} was {theirs[name]}, is {value}"
                for name, value in mine.items()
                if name not in _FREE and theirs[name] != value
            ]
            if different:
                raise ValueError(f"{out}: belongs to another reproduction ({', '.join(different)}); give another --out")
        write_atomically(path, lambda temporary: Path(temporary).write_text(json.dumps(mine, indent=2) + "\n"))
