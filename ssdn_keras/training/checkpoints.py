"""The checkpoints of a run: the last few and the best one, and which of them is to be used."""

import contextlib
import re
from pathlib import Path

from ssdn_keras.data.sources import tell
from ssdn_keras.training import checkpoint
from ssdn_keras.training.checkpoint import DamagedCheckpoint

BEST = "best.npz"


class Checkpoints:
    """Files `NNNNNNNNN.npz`, named by the images seen, and `best.npz`.

    Args:
        folder: where they lie; created with the first.
        settings: `TrainSettings` of the training.
        data: fingerprint of its images; None: not compared.
    """

    def __init__(self, folder, settings, data=None):
        self._folder, self._settings, self._data = Path(folder), settings, data

    def _files(self):
        """(images seen, path), the newest first."""
        found = [(int(path.stem), path) for path in self._folder.glob("*.npz") if re.fullmatch(r"\d+", path.stem)]
        return sorted(found, reverse=True)

    def __len__(self):
        return len(self._files())

    def newest(self, acceptable=lambda state: True):
        """Path and `State` of the newest whole one that is acceptable, or None; damaged ones are reported.

        Raises:
            ValueError: it belongs to another training, or all there are are damaged.
        """
        damaged = None
        for _, path in self._files():
            try:
                state = checkpoint.read(path)
            except FileNotFoundError:  # another worker's chief has just removed it
                continue
            except DamagedCheckpoint as error:
                tell(f"{error}; looking for the one before")
                damaged = error
                continue
            state.check(path, self._settings, self._data)
            if acceptable(state):
                return path, state
        if damaged is not None:
            raise ValueError(f"{damaged}, and there is none before; {checkpoint.REMEDY}")
        return None

    def write(self, state):
        """Write a state, then remove all but the last few."""
        self._folder.mkdir(exist_ok=True)
        images = state.position.step * self._settings.minibatch
        checkpoint.write(self._folder / f"{images:09d}.npz", state)
        for _, path in self._files()[self._settings.keep_checkpoints :]:
            path.unlink(missing_ok=True)

    def write_best(self, state):
        """Write a state as the best one so far."""
        self._folder.mkdir(exist_ok=True)
        checkpoint.write(self._folder / BEST, state)

    def newest_good(self):
        """As `newest`, of those that were not written among skipped steps."""
        return self.newest(lambda state: not state.position.bad_steps)

    def forget_after(self, step):
        """Remove those of a later step, which the training has gone back from."""
        for images, path in self._files():
            if images > step * self._settings.minibatch:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
