"""A whole comparison: train, evaluate and time every row, then write what came out. Resumable at any point."""

import hashlib
from pathlib import Path

from PIL import Image

from ssdn_keras.data.read import read_image
from ssdn_keras.data.sources import open_source
from ssdn_keras.evaluation.protocol import REPEATS, TestSet
from ssdn_keras.evaluation.rows_file import RowsFile
from ssdn_keras.evaluation.run import evaluate_set
from ssdn_keras.noise import parse_noise
from ssdn_keras.reproduction import output, timing
from ssdn_keras.reproduction.methods import make_method
from ssdn_keras.reproduction.overall import Overall
from ssdn_keras.reproduction.results import Outcome
from ssdn_keras.reproduction.rows import ROWS
from ssdn_keras.training.validation import Validation

# A pixel that is denoised costs about a third of one that is trained on.
_FORWARD = 1 / 3


def digest(test_set):
    """Text that changes with the images of a test set or their order, from which their noise follows."""
    total = hashlib.sha256()
    for path in test_set.paths():
        total.update(str(path.relative_to(test_set.folder)).encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


class Interrupted(Exception):
    """A training was stopped by the user after it had written a checkpoint."""


class Comparison:
    """All rows of one `Reproduction` in the folder `out`.

    Args:
        settings: `Reproduction`.
        names: rows, in the order of training.
        out: folder.
        picture: SET/FILE of the image whose crop is shown under all methods; the first if None.
        page_megabytes: the size that index.html should stay below.
        checkout: folder of a checkout of the authors' program, for the row "original".

    Raises:
        ValueError, FileNotFoundError: an optional package, training image or test image is missing, or the folder
            belongs to another comparison. Nothing has been written then.
    """

    def __init__(self, settings, names, out, picture=None, page_megabytes=250.0, checkout=None):
        self.settings, self.out, self.machine = settings, Path(out), ""
        self.picture, self.page_megabytes = picture, page_megabytes
        self.rows = [ROWS[name] for name in names]
        self.spec = parse_noise(settings.noise)
        self.sets = [self._test_set(name, folder) for name, folder in settings.evaluate]
        self._methods = {row.name: make_method(row, settings, self.folder(row), checkout) for row in self.rows}
        self._digests = {test_set.name: digest(test_set) for test_set in self.sets}
        self._pixels = {test_set.name: self._count_pixels(test_set) for test_set in self.sets}
        if any(row.learned for row in self.rows):  # refuses a folder that has nothing to validate with
            Validation(settings.val_clean, self.spec, settings.channels, settings.val_images)
        self.source = open_source(settings.train_clean, settings.channels, smallest=settings.crop)

        if picture is not None and picture not in self._image_names():
            raise ValueError(f"no evaluated image {picture!r}: name one as SET/FILE, such as {self._image_names()[0]}")

    def _image_names(self):
        return [
            f"{test_set.name}/{path.relative_to(test_set.folder)}"
            for test_set in self.sets
            for path in test_set.paths()[: self.settings.limit]
        ]

    @property
    def validated_on(self):
        """Where the validation images come from, in words."""
        count = self.settings.val_images
        return f"{count} image{'s' * (count > 1)} of {Path(self.settings.val_clean).name}"

    def _test_set(self, name, folder):
        test_set = TestSet(name, Path(folder), self._repeats(name))
        test_set.paths()
        return test_set

    def _repeats(self, name):
        return self.settings.repeats or REPEATS.get(name, 1)

    def _count_pixels(self, test_set):
        """Pixels of the images that will be evaluated; at least one of them must be readable."""
        total, readable, reason = 0, False, None
        for path in test_set.paths()[: self.settings.limit]:
            try:
                with Image.open(path) as image:
                    total += image.width * image.height
                if not readable:
                    read_image(path, self.settings.channels)
                    readable = True
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
                reason = reason or f"{path}: {error}"
        if not readable:
            raise ValueError(f"{test_set.folder}: no readable image ({reason})")
        return total

    def folder(self, row):
        """Where a row keeps its training and evaluation."""
        return self.out / "rows" / row.name

    def _training_work(self, row):
        return self.settings.crop**2 * row.cost * self.settings.minibatch

    def _evaluation_work(self, row):
        return row.cost * (_FORWARD if row.learned else 1.0)

    def _work(self, row):
        """(all work, training work done) of a row."""
        method, per_step = self._methods[row.name], self._training_work(row)
        total = per_step * method.steps
        for test_set in self.sets:
            total += self._evaluation_work(row) * self._pixels[test_set.name] * test_set.repeats
        return total, per_step * method.done()

    def run(self):
        """Train and evaluate all rows, then write the outputs; returns the list of `Outcome`.

        Raises:
            Interrupted: the user stopped a training.
        """
        self.settings.remember(self.out)
        work = [self._work(row) for row in self.rows]
        overall = Overall(sum(total for total, _ in work), sum(done for _, done in work))
        outcomes = []
        try:
            for number, row in enumerate(self.rows, 1):
                overall.start(f"{row.name} ({number} of {len(self.rows)})")
                (self.folder(row) / "evaluation").mkdir(parents=True, exist_ok=True)
                if not self._methods[row.name].train(
                    lambda row=row: overall.add(self._training_work(row)), self.source
                ):
                    raise Interrupted(f"interrupted while training {row.name}")
                outcomes.append(self._evaluate(row, overall))
        finally:
            overall.close()
        learned = {row.name: self._methods[row.name] for row in self.rows if row.learned}
        if learned:
            record = timing.load_or_measure(self.out, learned, self.source, self.settings.minibatch)
            self.machine = record["machine"]
            for outcome in outcomes:
                outcome.seconds_per_image = record["seconds_per_image"].get(outcome.row.name)
        output.write(self, outcomes)
        return outcomes

    def _evaluate(self, row, overall):
        folder, method, outcome = self.folder(row), self._methods[row.name], Outcome(row)
        denoiser, identity = method.open()
        method.describe(outcome, denoiser)
        subject = {"denoiser": identity, "noise": str(self.spec), "seed": self.settings.seed}
        subject["channels"] = self.settings.channels
        work = self._evaluation_work(row)
        for test_set in self.sets:
            rows_file = RowsFile(
                folder / "evaluation" / f"{test_set.name}.jsonl", {**subject, "images": self._digests[test_set.name]}
            )
            rows, _, _ = evaluate_set(
                denoiser, test_set, self.spec, seed=self.settings.seed, limit=self.settings.limit,
                picture_folder=folder / "images", kinds=("denoised", "std"), done=rows_file,
                on_image=lambda pixels, new: (overall.add if new else overall.skip)(pixels * work),
            )  # fmt: skip
            outcome.add(test_set.name, rows)
        if hasattr(denoiser, "close"):
            denoiser.close()
        return outcome
