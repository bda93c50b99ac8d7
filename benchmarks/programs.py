"""The programs that are measured side by side, each in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ssdn_keras.interop.original_program import OriginalProgram, last_error

HERE = Path(__file__).parent
PYTORCH_FILES = ("ssdn/ssdn/denoiser.py", "ssdn/ssdn/cfg.py")


class Worker:
    """A process that answers requests, see `worker.answer`.

    Raises:
        ValueError: it ended; the message holds its last words.
    """

    def __init__(self, name, command):
        self.name = name
        self._errors = tempfile.TemporaryFile()
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
                       "TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # fmt: skip
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment
        )
        self.process_id = self._process.pid
        try:
            self.requests = tuple(self._answer())
        except BaseException:
            self.close()
            raise

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            raise ValueError(f"{self.name} failed: {last_error(self._errors.read().decode(errors='replace'))}")
        return json.loads(line)

    def ask(self, *request):
        """Send a request and wait for its answer."""
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            pass  # `_answer` says why
        return self._answer()

    def close(self):
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            stream.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()


class Original:
    """The authors' program with the same requests."""

    requests = ("train", "denoise")

    def __init__(self, checkout, crop, minibatch):
        self._program = OriginalProgram(checkout, "gauss25")
        self.process_id = self._program.process_id
        random = np.random.default_rng(0)
        self._noisy = random.random((minibatch, crop, crop, 3), dtype=np.float32)
        self._level = np.full(minibatch, 25 / 255, "float32")

    def ask(self, request, *arguments):
        """See `Worker.ask`."""
        if request == "train":
            for _ in range(arguments[0]):
                self._program.train_on(self._noisy, self._level, 1e-4)
        elif request == "denoise":
            side = -(-max(arguments) // 32) * 32  # it works on squares
            image = np.random.default_rng(0).random((side, side, 3), dtype=np.float32)
            self._program.restore(image, 25 / 255)

    def close(self):
        """End the process."""
        self._program.close()


def check_pytorch(checkout):
    """Raise a ValueError if the folder does not hold the reimplementation."""
    missing = [name for name in PYTORCH_FILES if not (Path(checkout) / name).is_file()]
    if missing:
        raise ValueError(
            f"{checkout}: no {missing[0]} there; expected a checkout of "
            "github.com/COMP6248-Reproducability-Challenge/selfsupervised-denoising"
        )


def pytorch(checkout, interpreter, crop, minibatch):
    """The PyTorch reimplementation."""
    check_pytorch(checkout)
    settings = json.dumps({"crop": crop, "minibatch": minibatch})
    command = [interpreter, str(HERE / "pytorch_worker.py"), str(checkout), settings]
    return Worker("the PyTorch reimplementation", command)


def ours(precision, crop, minibatch, algorithm="ssdn", noise_parameter="known"):
    """This package."""
    settings = {"precision": precision, "algorithm": algorithm, "noise_parameter": noise_parameter, "crop": crop,
                "minibatch": minibatch}  # fmt: skip
    name = f"ssdn_keras ({algorithm}, {noise_parameter}, {precision})"
    return Worker(name, [sys.executable, str(HERE / "ours_worker.py"), json.dumps(settings)])
