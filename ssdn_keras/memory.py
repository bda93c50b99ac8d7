"""How much memory there is, and how much this process uses."""

import ctypes
import os
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


def resident_memory():
    """Bytes that this process has in memory, or 0 if the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def give_back():
    """Give the system what was freed but is kept for later, where the C library can (glibc); it takes milliseconds.

    Otherwise it grows for a long time when many images of many sizes are denoised: each leaves gaps of other sizes.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return
