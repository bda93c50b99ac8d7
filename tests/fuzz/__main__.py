"""python -m tests.fuzz: damaged files through the real readers."""

import argparse
import os
import sys

from .campaign import run, table
from .kinds import KINDS


def main():
    """Run by the command line; the exit code is 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition(": ")[2])
    parser.add_argument("--count", type=int, default=12_000, help="number of damaged files")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other files")
    parser.add_argument("--out", required=True, help="folder for the files that were not dealt with as they should be")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of files: %(default)s")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes at a time")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    unknown = set(kinds) - set(KINDS)
    if unknown:
        parser.error(f"unknown kinds {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    tallies = run(options.count, options.seed, kinds, options.out, options.workers)
    print(table(tallies))
    return 1 if any(tally.findings for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
