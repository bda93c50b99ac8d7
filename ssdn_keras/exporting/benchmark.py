"""Time and memory of every format beside the Python model, each in a process of its own, measured in turns."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ssdn_keras.exporting.extras import require
from ssdn_keras.exporting.formats import FORMATS
from ssdn_keras.exporting.inference import default_level, takes_level
from ssdn_keras.interop.measured import Measured


@dataclass
class Row:
    """What was measured of one format.

    Attributes:
        write, load, first: seconds to write the file, to import the packages and open it, and of the first image.
        seconds: of each further image.
        size: of the file or folder in bytes.
        memory: peak of the process that runs it, in bytes.
    """

    name: str
    size: int
    write: float
    load: float = 0.0
    first: float = 0.0
    seconds: list[float] = field(default_factory=list)
    memory: int = 0


class _Client:
    """The process that runs one file, and its answers."""

    def __init__(self, kind, path, settings):
        command = [sys.executable, "-m", "ssdn_keras.exporting.client", kind, str(path), json.dumps(settings)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._kind = kind
        self.memory = 0

    def answer(self):
        """Seconds of the step that is under way."""
        line = self._process.stdout.readline()
        if not line:
            raise ValueError(f"the process that runs the format {self._kind} ended early")
        record = json.loads(line)
        self.memory = max(self.memory, record["memory"])
        return record["seconds"]

    def denoise(self):
        """Seconds of one image."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _size(path):
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _installed(kind):
    try:
        require(kind.extra, (*kind.packages, *(("onnxruntime",) if kind.name == "onnx" else ())))
    except ValueError:
        return False
    return True


def settings_of(model, side):
    """What a client needs to know: shape of the image, its values' range, and the noise level or None."""
    level, noise = default_level(model), model.noise
    if takes_level(model) and level is None:
        # Of a model for any level: σ = 10 of 255, λ = 10 or α = 10 %. The time does not depend on it.
        level = noise.levels[0] if noise.levels else 10.0 * noise.level_scale / noise.model.level_scale
    return {"shape": (1, side, side, model.channels), "range": model.value_range or (0.0, 1.0), "level": level}


def measure(model, folder, side, rounds):
    """Write the denoiser in every format whose packages are installed, and run each `rounds` times in turns.

    Args:
        model: `Denoiser`.
        folder: where the files go.
        side: height and width of the image, in pixels.
        rounds: images per format, not counting the first one.

    Returns:
        List of `Row`, the Python model's first.
    """
    writers = {"python": ("model.keras", model.save)}
    for kind in FORMATS.values():
        if _installed(kind):
            name = f"model{kind.suffix or ''}"
            writers[kind.name] = (name, lambda path, kind=kind: kind.write(model, path))
    rows, clients, settings = [], [], settings_of(model, side)
    try:
        for name, (file, write) in writers.items():
            path = Path(folder, file)
            with Measured() as measured:
                write(path)
            rows.append(Row(name, _size(path), measured.seconds))
            clients.append(_Client(name, path, settings))
            rows[-1].load, rows[-1].first = clients[-1].answer(), clients[-1].denoise()
        # In turns, so that a machine that is busier at one time than at another favours nobody.
        for _ in range(rounds):
            for row, client in zip(rows, clients, strict=True):
                row.seconds.append(client.denoise())
        for row, client in zip(rows, clients, strict=True):
            row.memory = client.memory
    finally:
        for client in clients:
            client.close()
    return rows


def table(rows):
    """Rows as a table in Markdown; times are medians, ratios those of the same round."""
    lines = [
        "| format | size, MB | written, s | opened, s | first image, s | an image, ms | lowest to highest | "
        "beside Python | peak memory, MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        times = np.array(row.seconds) * 1e3
        ratio = np.median(np.array(row.seconds) / np.array(rows[0].seconds))
        lines.append(
            f"| {row.name} | {row.size / 1e6:.1f} | {row.write:.1f} | {row.load:.1f} | {row.first:.2f} | "
            f"{np.median(times):.0f} | {times.min():.0f} to {times.max():.0f} | {ratio:.2f} | {row.memory / 1e6:.0f} |"
        )
    return "\n".join(lines)
