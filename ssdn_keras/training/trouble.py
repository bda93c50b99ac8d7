"""Trainings that turn bad: steps without a finite gradient are skipped; too many in a row mean that it must go back."""

from ssdn_keras.model import apply

# Reading a value waits for an accelerator: then only every so many steps.
_EVERY = 8


class Trouble:
    """Counts skipped steps in a row.

    Args:
        most: how many in a row are too many; 0 for no limit.
        bad_steps: how many there were before.
    """

    def __init__(self, most, bad_steps=0):
        self._most, self._in_a_row, self._count, self._steps = most, bad_steps, 0.0, 0
        self._every = _EVERY if apply.use_compiler() else 1

    def begin(self, count):
        """Start from so many skipped steps in all."""
        self._count = count

    def after_step(self, logs):
        """Skipped steps in a row up to this step, from the logs of `fit`."""
        self._steps += 1
        if self._steps % self._every == 0:
            count = float(logs["skipped_steps"])
            new, self._count = count - self._count, count
            self._in_a_row = self._in_a_row + self._every if new >= self._every else 0
        return self._in_a_row

    @property
    def too_much(self):
        """Whether the training has to go back."""
        return 0 < self._most <= self._in_a_row
