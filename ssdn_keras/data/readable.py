"""Going on where an image of the training set turns out to be unreadable."""

import threading

from ssdn_keras.data.common import tell

_LOCK = threading.Lock()


def _tolerated(count):
    """How many of so many images may be unreadable: a tenth, or two if that leaves half of them."""
    return max(count // 10, min(2, count // 2))


class Readable:
    """The images of a source; in the place of one that cannot be read stands the next that can.

    The next in the source's order, after the last the first: it follows from the files alone, so every process that
    trains on them takes the same. An image is tried again whenever it is its turn, and named once.

    Args:
        source: see `ssdn_keras.data.sources`. It gets the attribute `known_unreadable`, the set of these images, which
            several pipelines on one source share.
    """

    def __init__(self, source):
        self.source = source
        with _LOCK:
            source.known_unreadable = getattr(source, "known_unreadable", set())

    def __call__(self, index):
        """(number, image): of image `index`, or of the one that stands for it.

        Raises:
            ValueError: too many cannot be read: more than a tenth of all and more than two, or more than half.
        """
        number = index
        while True:
            try:
                return number, self.source.image(number)
            except (ValueError, OSError) as error:
                self._note(number, error)
            number = (number + 1) % len(self.source)

    def _note(self, number, error):
        with _LOCK:
            known = number in self.source.known_unreadable
            self.source.known_unreadable.add(number)
            unreadable, count = len(self.source.known_unreadable), len(self.source)
        if unreadable > _tolerated(count):
            raise ValueError(f"{error}; {unreadable} of {count} images cannot be read, the training ends") from None
        if not known:
            tell(f"{error}; the next image takes its place")
