"""What came out, gathered from the folders of the rows: figures per method and data set, and curves."""

import csv
from dataclasses import dataclass, field

from ssdn_keras.evaluation import report


@dataclass
class Outcome:
    """Results of one row.

    Attributes:
        row: `Row`.
        averages: dict of data set name to averages over images and repeats.
        per_image: dict of (data set, image) to the row of its first repeat.
        images_seen, parameters: of a learned row.
        seconds_per_image: measured in turns with the others, see `reproduction.timing`.
        curve: list of dicts, the rows of metrics.csv.
    """

    row: object
    averages: dict = field(default_factory=dict)
    per_image: dict = field(default_factory=dict)
    images_seen: int | None = None
    parameters: int | None = None
    seconds_per_image: float | None = None
    curve: list = field(default_factory=list)

    def add(self, set_name, rows):
        """Take in the rows of an evaluated data set."""
        self.averages[set_name] = report.averages(rows)
        self.per_image.update({(set_name, row["image"]): row for row in rows if row["repeat"] == 0})


def read_curve(path):
    """Rows of metrics.csv as dicts of floats; what is empty is left out."""
    with open(path, newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def largest_fall(curve, figure="val_psnr"):
    """Largest fall in dB from the best value so far, over a training; 0 if it never fell. And at how many images."""
    best, fall, where = float("-inf"), 0.0, None
    for row in curve:
        if figure in row:
            best = max(best, row[figure])
            if best - row[figure] > fall:
                fall, where = best - row[figure], int(row["images"])
    return fall, where
