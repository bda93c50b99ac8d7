"""The settings of a training: all that decides its result, as one record and as a flag file."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ssdn_keras import shipped
from ssdn_keras.choices import OPTIMIZERS

# What may change between two starts of the same training without changing its result.
_FREE = (
    "val_clean", "val_images", "checkpoint_every", "validate_every", "keep_checkpoints", "max_bad_steps", "strategy",
    "devices",
)  # fmt: skip


@dataclass(frozen=True)
class TrainSettings:
    """See the flags of `python -m ssdn_keras.train`, which have the same names and meanings."""

    noise: str = "gauss25"
    noise_parameter: str = "known"
    algorithm: str = "ssdn"
    channels: int = 3
    diagonal_covariance: bool = False
    blindspot_size: int = 1
    filters: int = 48
    estimator_filters: int | None = None
    mean_start: str = "none"
    train_clean: str | None = None
    train_noisy: str | None = None
    freeze_noise: bool = False
    clip_noise: bool = False
    n2v_box: int = 8
    n2v_percentage: float | None = None
    n2v_neighbourhood: int = 5
    images: int = 2_000_000
    augment: bool = False
    crop: int = 256
    minibatch: int = 4
    optimizer: str = "adam"
    learning_rate: float | None = None
    ramp_up: float = 0.1
    ramp_down: float = 0.3
    value_range: str = "auto"
    clipped: str = "auto"
    seed: int = 0
    precision: str = "float32"
    ema: float | None = None
    init: str | None = None
    val_clean: str | None = None
    val_images: int = 4
    checkpoint_every: int = 4000
    validate_every: int = 4000
    keep_checkpoints: int = 3
    max_bad_steps: int = 25
    strategy: str = "one"
    devices: str = "all"

    def __post_init__(self):
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", OPTIMIZERS[self.optimizer])

    @property
    def steps(self):
        """Number of minibatches. (The original makes one more, with a rate of 0, which changes nothing.)"""
        return -(-self.images // self.minibatch)

    @property
    def short_name(self):
        """For a folder: noise, method and kind of the noise parameter, such as "gauss25-ssdn-known"."""
        parts = [self.noise, self.algorithm] + ([self.noise_parameter] if self.algorithm == "ssdn" else [])
        return "-".join(parts) + ("-mono" if self.channels == 1 else "")

    def as_dict(self):
        """All settings by name."""
        return dataclasses.asdict(self)

    def as_flags(self):
        """Lines of a flag file that repeats the training."""
        lines = []
        for name, value in self.as_dict().items():
            if isinstance(value, bool):
                lines.append(f"--{name}" if value else f"--no{name}")
            elif value is not None:
                lines.append(f"--{name}={value}")
        return "\n".join(lines) + "\n"

    def differences(self, other):
        """Names and both values of settings that make it another training than the settings dict `other`."""
        # A setting that an older version did not have was at its default there.
        other = {**{field.name: field.default for field in dataclasses.fields(self)}, **other}
        return {
            name: (other[name], value)
            for name, value in self.as_dict().items()
            if name not in _FREE and other[name] != value
        }

    @classmethod
    def with_absolute_paths(cls, **values):
        """Settings whose paths do not depend on the current folder."""
        for name in ("train_clean", "train_noisy", "val_clean", "init"):
            # A network of the package is given by its name.
            if values.get(name) and not (name == "init" and values[name] in shipped.names()):
                values[name] = str(Path(values[name]).resolve())
        return cls(**values)
