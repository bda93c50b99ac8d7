"""Rows of an evaluation that grow image by image, so that one that is cut off goes on where it was."""

import json
from pathlib import Path

from ssdn_keras.atomic import write_atomically


class RowsFile:
    """A file of JSON lines: first what was evaluated, then one row per image and repeat.

    Args:
        path: the file; created when the first row is added.
        subject: dict that says what is evaluated. A file about something else is started anew.
    """

    def __init__(self, path, subject):
        self._path, self._subject, self._rows = Path(path), subject, {}
        if self._path.exists():
            self._read()

    def _read(self):
        lines = self._path.read_text().splitlines()
        try:
            if json.loads(lines[0]) != json.loads(json.dumps(self._subject)):
                return
        except (IndexError, ValueError):
            return
        for line in lines[1:]:
            try:
                row = json.loads(line)
                self._rows[row["image"], row["repeat"]] = row
            except (ValueError, KeyError, TypeError):
                break  # the last line of a run that was cut off

    def get(self, image, repeat):
        """The row of an image and repeat, or None."""
        return self._rows.get((image, repeat))

    def add(self, row):
        """Add a row and write the file."""
        self._rows[row["image"], row["repeat"]] = row
        text = "\n".join(json.dumps(item) for item in (self._subject, *self._rows.values())) + "\n"
        write_atomically(self._path, lambda temporary: Path(temporary).write_text(text))
