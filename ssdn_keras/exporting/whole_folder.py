"""Folders that are whole or absent."""

import os
import tempfile
from pathlib import Path


def write_folder(path, write):
    """Call `write(temporary_folder)` and move the result to `path`; a folder that is there is replaced.

    If writing fails, nothing of it stays and the older folder is as it was.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as beside:
        fresh, older = Path(beside, "new"), Path(beside, "old")
        write(fresh)
        if path.exists():
            os.replace(path, older)
        try:
            os.replace(fresh, path)
        except BaseException:
            if older.exists():
                os.replace(older, path)
            raise
