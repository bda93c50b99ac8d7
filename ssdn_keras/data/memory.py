"""How much memory there is for images, and a store of images that stays within it."""

import os
import threading
from collections import OrderedDict
from pathlib import Path


def _number(path):
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):  # absent, or "max"
        return None


def _reclaimable(path):
    """Bytes of files that a control group holds in memory and would give up."""
    try:
        entries = dict(line.split() for line in Path(path).read_text().splitlines())
        return int(entries.get("total_inactive_file", entries.get("inactive_file", 0)))
    except (OSError, ValueError):
        return 0


def free_memory(root="/"):
    """Bytes that can still be had, or None if the system does not say.

    What a container may have is often far below what its machine has.
    """
    limits = []
    try:
        lines = Path(root, "proc/meminfo").read_text().splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        pass
    groups = Path(root, "sys/fs/cgroup")
    for limit, used, kinds in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        limit, used = _number(groups / limit), _number(groups / used)
        if limit is not None and used is not None:
            limits.append(limit - used + _reclaimable(groups / kinds))
    if limits:
        return max(min(limits), 0)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


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
