"""The process that reads damaged files: python -m fuzz.worker FOLDER.

It takes lines [kind, path] from standard input and answers each with a line that describes the `Outcome`.
"""

import dataclasses
import faulthandler
import json
import os
import sys

from . import outcome, readers


def main():
    """Answer until standard input ends."""
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print past Python does not get among the answers
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for line in sys.stdin:
        kind, path = json.loads(line)
        found = outcome.observe(lambda kind=kind, path=path: readers.read(kind, path))
        answers.write(json.dumps(dataclasses.asdict(found)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
