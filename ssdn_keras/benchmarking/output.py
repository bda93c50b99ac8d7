"""The files of a benchmark."""

import json
from pathlib import Path

from ssdn_keras.atomic import write_atomically
from ssdn_keras.benchmarking.report import markdown


def write(results, folder):
    """Write benchmark.md and benchmark.json."""
    for name, text in (("benchmark.md", markdown(results)), ("benchmark.json", json.dumps(results, indent=2) + "\n")):
        write_atomically(Path(folder, name), lambda path, text=text: Path(path).write_text(text))
