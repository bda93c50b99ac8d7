"""What a training ran on: versions, machine, state of the source code."""

import functools
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import keras

from ssdn_keras.version import __version__

_PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "pillow", "h5py", "scikit-image")


@functools.cache
def versions():
    """Versions of the package, Python, the backend and the libraries that decide a training's numbers."""
    found = {"ssdn_keras": __version__, "python": platform.python_version(), "backend": keras.backend.backend()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def source_code():
    """Commit of the package's repository, and whether files of it were changed; None outside of a repository."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder.parent / ".git").exists():  # an installed package inside of somebody's repository is not ours
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_git(folder, "status", "--porcelain", "--", str(folder)))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder, *arguments):
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20, check=True
    )
    return done.stdout.strip()


def _devices():
    if keras.backend.backend() == "torch":  # for which Keras knows no list
        return [str(keras.ops.zeros(()).device)]
    return [str(device) for device in keras.distribution.list_devices()]


def describe():
    """All of it, as a dict for JSON."""
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "versions": versions(),
        "source_code": source_code(),
        "machine": {
            "system": platform.platform(),
            "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "devices": _devices(),
        },
    }
