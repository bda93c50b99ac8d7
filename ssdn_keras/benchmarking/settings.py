"""What to measure."""

from dataclasses import dataclass

PARTS = ("device", "training", "inference", "input")
PRECISIONS = {"float32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
COMPILERS = {"auto": "auto", "on": True, "off": False}


@dataclass
class Settings:
    """See the flags of `python -m ssdn_keras.benchmark`; the names are the same."""

    parts: tuple[str, ...] = PARTS
    train_clean: str | None = None
    noise: str = "gauss25"
    noise_parameter: str = "known"
    algorithm: str = "ssdn"
    channels: int = 3
    diagonal_covariance: bool = False
    blindspot_size: int = 1
    filters: int = 48
    estimator_filters: int | None = None
    mean_start: str = "none"
    freeze_noise: bool = False
    crop: int = 64
    minibatch: int = 4
    optimizer: str = "adam"
    image: tuple[int, int] = (512, 768)
    precision: str = "float32"
    xla: str = "auto"
    steps_per_execution: int = 1
    repeats: int = 7
    steps: int = 4
    warm_up: int = 2
    seconds: float = 10.0


def parse_parts(text):
    """ "training,inference" to a tuple.

    Raises:
        ValueError: a part that there is not.
    """
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        raise ValueError(f"--parts takes {', '.join(PARTS)}, joined by commas; received {text!r}")
    return parts


def parse_size(text):
    """ "768x512", width and height as photographers write them, to (height, width).

    Raises:
        ValueError: anything else.
    """
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) <= 65536 and 0 < int(height) <= 65536):
        raise ValueError(f"--image takes WIDTHxHEIGHT in pixels, such as 768x512; received {text!r}")
    return int(height), int(width)
