"""Damaged files through the real readers: python -m tests.fuzz --help.

seeds/ makes whole files of every kind, mutations/ damages them, readers.py reads them as the commands do, worker.py
does so in a process that may crash or hang, pool.py watches that process, campaign.py counts.
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
# The helpers of the tests and the package itself are found here whether pytest or `python -m` started.
for _folder in (str(FOLDER.parent), str(ROOT)):
    if _folder not in sys.path:
        sys.path.append(_folder)
