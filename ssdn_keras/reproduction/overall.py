"""One bar over everything a comparison still has to do, with the time left."""

import sys

from tqdm import tqdm


class Overall:
    """Progress of the whole comparison in units of work: one pixel of a plain network's training.

    Args:
        total: all of it.
        done: what earlier runs did.
    """

    def __init__(self, total, done):
        interactive = sys.stderr.isatty()
        self._bar = tqdm(
            total=total, initial=min(done, total), desc="reproduce", dynamic_ncols=interactive, smoothing=0.02,
            mininterval=0.5 if interactive else 60.0, leave=True,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed} elapsed, {remaining} left",
        )  # fmt: skip

    def start(self, what):
        """Say what is worked on."""
        self._bar.set_description_str(f"reproduce, {what}")

    def add(self, work):
        """Work was done."""
        self._bar.update(min(work, self._bar.total - self._bar.n))

    def skip(self, work):
        """An earlier run did this: it must not make this one look fast."""
        work = min(work, self._bar.total - self._bar.n)
        for name in ("initial", "n", "last_print_n"):
            setattr(self._bar, name, getattr(self._bar, name) + work)

    def close(self):
        """Leave the bar as it stands."""
        self._bar.close()
