"""A store of images that stays within the memory that there is."""

import threading
from collections import OrderedDict

from ssdn_keras.memory import free_memory

__all__ = ["Cache", "free_memory"]


class Cache:
    """Values that were used last, up to a number of bytes; any number of threads may ask.

    Args:
        limit: in bytes, or None for no limit. The newest value is kept even if it alone is above it.
        size: function of a value to its bytes.
    """

    def __init__(self, limit, size=lambda array: array.nbytes):
        self._limit, self._size = limit, size
        self._values, self._bytes, self._lock = OrderedDict(), 0, threading.Lock()

    def get(self, key, make):
        """The value of `key`, from `make()` if it is not here. Two threads may make the same one at once."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self._bytes += self._size(value)
            while self._limit is not None and self._bytes > self._limit and len(self._values) > 1:
                _, old = self._values.popitem(last=False)
                self._bytes -= self._size(old)
        return value
