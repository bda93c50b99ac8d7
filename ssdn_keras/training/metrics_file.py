"""metrics.csv: what a training measured, a row for every record."""

import csv
import io
from pathlib import Path

from ssdn_keras.atomic import write_atomically
from ssdn_keras.noise.parameters import ONE


def columns(level_names=ONE):
    """The columns, of noise whose level has these names."""
    return (
        "images", "seconds", "loss", "psnr", "psnr_mean", *level_names, "skipped_steps", "learning_rate",
        "val_psnr", "val_psnr_mean", "val_psnr_noisy", *(f"val_{name}" for name in level_names),
    )  # fmt: skip


class MetricsFile:
    """metrics.csv: a row per record; started again, rows past the checkpoint are dropped.

    Args:
        path: of the file.
        images: number of images that the checkpoint has seen.
        level_names: see `NoiseSpec`.
    """

    def __init__(self, path, images, level_names=ONE):
        self._path, self._rows, self._columns = Path(path), [], columns(level_names)
        if self._path.exists():
            try:
                with open(self._path, newline="") as file:
                    self._rows = [row for row in csv.DictReader(file) if int(row["images"]) <= images]
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}: not a metrics.csv of ours ({error}); move it away") from None

    def append(self, row):
        """Add a row (a dict) and write the file; raises OSError if that fails, and writes the row with the next."""
        self._rows = [old for old in self._rows if int(old["images"]) < row["images"]] + [row]
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self._path, lambda temporary: Path(temporary).write_text(text.getvalue()))

    @property
    def seconds(self):
        """Training time up to the last row."""
        return float(self._rows[-1]["seconds"]) if self._rows else 0.0
