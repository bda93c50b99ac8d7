"""What a comparison writes: images.csv, steps.csv, gradients.csv, comparison.json, table.md and index.html."""

import dataclasses
from pathlib import Path

import jinja2
import numpy as np

from ssdn_keras.atomic import write_atomically
from ssdn_keras.comparison import figures, summary
from ssdn_keras.evaluation import drawing, metrics, report
from ssdn_keras.evaluation.picture import data_uri
from ssdn_keras.version import __version__

_LOSSLESS = ("PNG", {"optimize": False})
# Where there is no difference at all, any gain shows black.
_GAINS = [step * 10.0**power for power in range(1, 10) for step in (1, 2, 5)]


def amplified(ours, theirs):
    """(uint8 picture of |ours − theirs| × gain, gain): the largest of 10, 20, 50, 100 … that clips nothing."""
    difference = np.abs(np.asarray(ours, "float64") - theirs)
    gain = max((gain for gain in _GAINS if difference.max() * gain <= 1.0), default=1.0)
    return metrics.to_uint8(difference * gain), gain


class Report:
    """Collects what was found and writes it.

    Args:
        out: folder.
        settings: `Settings`.
    """

    def __init__(self, out, settings):
        self._out, self._settings = out, settings
        self._weights, self._images, self._steps, self._gradients, self._curves = {}, {}, {}, {}, {}
        self._pictures = []

    def add_image(self, subject, row, pictures):
        """An image's figures, and its pictures if they are to be shown."""
        name = subject.experiment.name
        self._weights[name] = subject.weights
        self._images.setdefault(name, []).append(row)
        if pictures is not None:
            self._pictures.append(self._shown(name, pictures, row))

    def add_steps(self, experiment, gradients, rows):
        """What `steps.train_steps` found."""
        self._gradients[experiment.name], self._steps[experiment.name] = gradients, rows

    def add_curve(self, experiment, rows):
        """What `curves.LongTraining` found."""
        self._curves[experiment.name] = rows

    @staticmethod
    def _shown(experiment, pictures, row):
        difference, gain = amplified(pictures.ours, pictures.theirs)
        stem = Path(pictures.name).stem
        parts = [
            ("clean", metrics.to_uint8(pictures.clean), "clean"),
            ("noisy", metrics.to_uint8(pictures.noisy), "noisy"),
            ("theirs", metrics.to_uint8(pictures.theirs), f"authors' program, {row['psnr_theirs']:.3f} dB"),
            ("ours", metrics.to_uint8(pictures.ours), f"ssdn_keras, {row['psnr_ours']:.3f} dB"),
            ("difference", difference, f"|difference| × {gain:,.0f}, largest {row['denoised_max']:.1e}"),
        ]
        return {
            "experiment": experiment, "name": pictures.name,
            "parts": [
                {"uri": data_uri(image, *_LOSSLESS), "caption": caption, "file": f"{stem}-{kind}.png"}
                for kind, image, caption in parts
            ],
        }  # fmt: skip

    def lines(self):
        """(lines of the image table, lines of the training table)."""
        return (
            [summary.of_images(name, rows) for name, rows in self._images.items()],
            [summary.of_steps(name, self._gradients[name], rows) for name, rows in self._steps.items()],
        )

    def misses(self):
        """Sentences on what lies farther apart than it should."""
        return [miss for lines in self.lines() for line in lines for miss in summary.misses(line)]

    def notes(self):
        """Sentences on how the figures came about."""
        settings = self._settings
        weights = ", ".join(sorted(set(self._weights.values())))
        images = len(next(iter(self._images.values())))
        notes = [
            f"{images} image{'s' * (images > 1)} of {Path(settings.images).name}, noise seed {settings.seed}; "
            f"{weights}. Differences: largest / mean over all pixels, the reflected padding to a square included; "
            "values are of nominal range 0 to 1.",
            "PSNR (dB) of the image without padding, rounded to 8 bits. Seconds per image and peak memory of each "
            "process (TensorFlow itself included) while it denoises, after a first run that is not counted.",
        ]
        if self._steps:
            notes.append(
                f"Training: minibatches of {settings.minibatch} crops of {settings.crop}×{settings.crop}, rate "
                f"{settings.rate:g} from the first step on. Gradients: norm of the difference over the norm, of the "
                "worst variable, at the first step. Adam moves a weight by the whole rate even where its gradient is "
                f"all rounding, so weights may lie {2 * settings.rate:g} apart after one step. One bit: how far this "
                "package parts from itself if half of its weights start with another last bit."
            )
        return notes

    def write(self):
        """Write all files."""
        images, training = self.lines()
        header, lines = summary.table(images, summary.COLUMNS)
        training_header, training_lines = summary.table(training, summary.TRAINING_COLUMNS)
        text = [summary.markdown(header, lines)]
        if training_lines:
            text.append(summary.markdown(training_header, training_lines))
        text.append("\n".join(f"- {note}" for note in self.notes()))
        write_atomically(self._out / "table.md", lambda path: Path(path).write_text("\n\n".join(text) + "\n"))
        for name, groups in (
            ("images.csv", self._images), ("steps.csv", self._steps), ("gradients.csv", self._gradients),
        ):  # fmt: skip
            rows = [row for rows in groups.values() for row in rows]
            if rows:
                columns = dict.fromkeys(column for row in rows for column in row)
                report.write_csv(self._out / name, [{column: row.get(column) for column in columns} for row in rows])
        settings = dataclasses.asdict(self._settings)
        del settings["checkout"]
        record = {
            "version": __version__, "settings": settings, "weights": self._weights, "goals": summary.GOALS,
            "farther_apart": self.misses(), "images": images, "training": training, "per_image": self._images,
            "steps": self._steps, "gradients": self._gradients, "curves": self._curves,
        }  # fmt: skip
        report.write_json(self._out / "comparison.json", record)
        self._write_page(header, lines, training_header, training_lines)

    def _drawings(self):
        for name, rows in self._steps.items():
            yield f"{name}: {len(rows)} steps", drawing.svg(figures.steps(rows, self._gradients[name]))
        for name, rows in self._curves.items():
            yield f"{name}: {rows[-1]['images']:,.0f} images", drawing.svg(figures.curves(rows))

    def _write_page(self, header, lines, training_header, training_lines):
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("ssdn_keras.comparison"), autoescape=True, undefined=jinja2.StrictUndefined
        )
        goals = summary.GOALS
        page = environment.get_template("comparison.html").render(
            title="ssdn_keras beside the authors' program", header=header, lines=lines, notes=self.notes(),
            training_header=training_header, training_lines=training_lines, drawings=list(self._drawings()),
            pictures=self._pictures, misses=self.misses(),
            goals=f"posterior mean {goals['denoised']:g}, PSNR {goals['psnr']:g} dB, training loss "
            f"{goals['training']:g} relative",
        )  # fmt: skip
        write_atomically(self._out / "index.html", lambda path: Path(path).write_text(page, encoding="utf-8"))
