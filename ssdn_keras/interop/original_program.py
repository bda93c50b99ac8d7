"""The authors' program (NVlabs/selfsupervised-denoising), run from the user's own checkout beside this package.

Nothing of it is part of this package. It runs in a process of its own, see `original_worker`.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ssdn_keras.interop.frames import read_frame, write_frame
from ssdn_keras.noise import parse_noise

_NEEDED = ("selfsupervised_denoising.py", "dnnlib/tflib/network.py")


class OriginalProgram:
    """A denoiser of the program with the contract of `Denoiser.restore`.

    Args:
        checkout: folder of the user's checkout.
        noise: name of noise and level, such as "gauss25".
        noise_parameter: "known", "global" or "per_image".
        channels: 3 or 1.
        seed: of the weights.
        algorithm: "ssdn", "ssdn_mean", "n2c" or "n2n".
        diagonal_covariance: a prior whose channels are independent.

    Raises:
        ValueError: the folder is not such a checkout, or the program failed; the message holds its last words.
    """

    # It squares images up before it adds noise, because it turns them by 90° within a batch.
    sees_padding = "square"

    def __init__(
        self, checkout, noise, noise_parameter="known", channels=3, seed=0, algorithm="ssdn", diagonal_covariance=False
    ):
        self.noise, self.noise_parameter, self.channels = parse_noise(noise), noise_parameter, channels
        check_checkout(checkout)
        self._errors = tempfile.TemporaryFile()
        worker = Path(__file__).with_name("original_worker.py")
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [sys.executable, str(worker), str(Path(checkout).resolve())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which ends the other when all is saved
        )  # fmt: skip
        try:
            self.parameters = int(
                self.ask(
                    "build", noise=self.noise.model.name, noise_parameter=noise_parameter, channels=channels,
                    diagonal=diagonal_covariance, seed=seed, algorithm=algorithm,
                )["parameters"]
            )  # fmt: skip
        except BaseException:
            self.close()
            raise

    @property
    def process_id(self):
        """Of the process in which it runs."""
        return self._process.pid

    @property
    def estimated(self):
        """Whether it estimates the noise parameter."""
        return self.noise_parameter != "known"

    def ask(self, action, **arrays):
        """Send a request and wait for its answer."""
        try:
            write_frame(self._process.stdin, {"action": action, **arrays})
            answer = read_frame(self._process.stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            self._process.wait()
            self._errors.seek(0)
            raise ValueError(f"the authors' program failed: {last_error(self._errors.read().decode(errors='replace'))}")
        return answer

    def train_on(self, noisy, level, rate, **beside):
        """One step of its optimiser; returns (loss, posterior mean N×H×W×C). Arguments as for `loss_map`."""
        answer = self.ask("train", rate=np.float32(rate), **_batch(noisy, level, **beside))
        return float(answer["loss"]), np.moveaxis(answer["denoised"], 1, -1)

    def restore(self, noisy, parameter=None):
        """Outputs for one square image H×W×C whose side is a multiple of 32."""
        return self.measured_restore(noisy, parameter)[0]

    def measured_restore(self, noisy, parameter=None):
        """(what `restore` returns, seconds, peak of its process's memory in bytes)."""
        answer = self.ask("denoise", **_batch(noisy[None], [0.0 if parameter is None else parameter]))
        seconds, memory = (answer.pop(name).item() for name in ("seconds", "memory"))
        outputs = {
            name: np.moveaxis(value[0], 0, -1) if value.ndim == 4 else value[0] for name, value in answer.items()
        }
        return outputs, seconds, memory

    def loss_map(self, noisy, level, reference=None, exponent=0.5):
        """Loss N×H×W×C or N×H×W.

        Args:
            noisy: N×H×W×C.
            level: N values, in the network's units.
            reference: what n2c, n2n and ssdn_mean learn, N×H×W×C; by default the noisy images.
            exponent: of a loss that is annealed.
        """
        loss = self.ask("losses", **_batch(noisy, level, reference, exponent))["loss"]
        return np.moveaxis(loss, 1, -1) if loss.ndim == 4 else loss

    def gradients(self, noisy, level, reference=None, exponent=0.5):
        """(loss, dict of variable name to gradient) of a minibatch, see `loss_map`."""
        answer = self.ask("differentiate", **_batch(noisy, level, reference, exponent))
        return float(answer.pop("loss")), answer

    def variables(self):
        """Its weights by name."""
        return self.ask("weights")

    def load_variables(self, arrays):
        """Set its weights from arrays by name."""
        self.ask("assign", **arrays)

    def save(self, path):
        """Write its variables, those of the optimiser too, as a TensorFlow 1 checkpoint."""
        self.ask("save", path=str(path))

    def load(self, path):
        """Read what `save` wrote."""
        self.ask("restore", path=str(path))

    def close(self):
        """End its process."""
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it is gone already, and its last words say more
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def _batch(noisy, level, reference=None, exponent=0.5):
    """A request's arrays from N×H×W×C images: the program works on N×C×H×W."""
    batch = {"noisy": np.moveaxis(noisy, -1, 1), "level": np.asarray(level, "float32"), "exponent": exponent}
    if reference is not None:
        batch["reference"] = np.moveaxis(reference, -1, 1)
    return batch


def last_error(text):
    """The line of a process's last words that says what went wrong."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or lines or ["it said nothing"])[-1].strip()


def check_checkout(checkout):
    """Raise a ValueError if the folder does not hold the program."""
    missing = [name for name in _NEEDED if not (Path(checkout) / name).is_file()]
    if missing:
        raise ValueError(
            f"{checkout}: no {missing[0]} there; expected a checkout of github.com/NVlabs/selfsupervised-denoising"
        )
