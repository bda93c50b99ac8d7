"""Several workers stop at the same step: one that went on alone would wait for the others for ever."""

import contextlib
from pathlib import Path

_FILE = ".stop-at"
# Workers are at most one step apart: each step ends with an exchange that all take part in.
_AHEAD = 2


class StopTogether:
    """Whether the training ends with this step, because a worker got a signal.

    Args:
        run_dir: folder that all workers see.
        replicas: of the training.
    """

    def __init__(self, run_dir, replicas):
        self._path, self._alone = Path(run_dir) / _FILE, replicas.workers == 1

    @staticmethod
    def forget(run_dir):
        """Remove what an earlier start has left; before the workers meet."""
        with contextlib.suppress(FileNotFoundError):
            (Path(run_dir) / _FILE).unlink()

    def due(self, step, signal_number):
        """Whether to stop after this step; `signal_number` is the signal that this worker got, or None."""
        if self._alone:
            return signal_number is not None
        if signal_number is not None and not self._path.exists():
            temporary = self._path.with_name(f"{_FILE}-{step}")
            temporary.write_text(str(step + _AHEAD))
            temporary.replace(self._path)  # whole or absent for the others
        try:
            return step >= int(self._path.read_text())
        except FileNotFoundError:
            return False
