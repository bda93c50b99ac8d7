"""Many damaged files: what came of them, in figures, and those that were not dealt with as they should."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from tqdm import tqdm

from .kinds import KINDS, case, counts
from .outcome import READ, REFUSED
from .pool import Worker


@dataclass
class Tally:
    """What came of the cases of one kind."""

    cases: int = 0
    read: int = 0
    refused: int = 0
    findings: list = field(default_factory=list)
    seconds: float = 0.0
    mib: float = 0.0

    def add(self, found, name):
        """Count an `Outcome`."""
        self.cases += 1
        self.read += found.end == READ
        self.refused += found.end == REFUSED
        self.seconds, self.mib = max(self.seconds, found.seconds), max(self.mib, found.mib)
        if not found.accepted:
            self.findings.append((name, found))


def first_of(kind):
    """A whole file of a kind."""
    return next(seed.data for seed in KINDS[kind].whole if seed.whole)


def read_case(worker, kind, data, whole=False):
    """The `Outcome` of data, which a reader has to accept if it is whole.

    What ends in anything but an answer is tried again, for the machine may be at fault.
    """
    found = worker.read(kind, KINDS[kind].filename, data, first_of(kind))
    if found.end in ("hang", "crash", "memory"):
        found = worker.read(kind, KINDS[kind].filename, data, first_of(kind))
    return dataclasses.replace(found, end="refused, though whole") if whole and found.end == REFUSED else found


def run(count, seed, kinds, out=None, workers=1):
    """Read `count` damaged files.

    Args:
        count: of cases, shared out among the kinds.
        seed: from which they follow.
        kinds: list of names.
        out: folder for the files of findings, or None.
        workers: processes at a time.

    Returns:
        Dict of kind to `Tally`.
    """
    numbers = counts(count, kinds)
    for kind in tqdm(kinds, desc="making whole files", leave=False, delay=2):
        KINDS[kind].whole  # noqa: B018
    tallies, idle = {kind: Tally() for kind in kinds}, SimpleQueue()
    # The kinds take turns, so that an interrupted run has seen something of all.
    order = sorted((number / numbers[kind], kind, number) for kind in kinds for number in range(numbers[kind]))

    def one(kind, number):
        data, what, whole = case(kind, number, seed)
        worker = idle.get()
        try:
            return kind, number, data, what, read_case(worker, kind, data, whole)
        finally:
            idle.put(worker)

    started = [Worker() for _ in range(workers)]
    for worker in started:
        idle.put(worker)
    try:
        with ThreadPoolExecutor(workers) as pool:
            results = pool.map(lambda place: one(*place[1:]), order)
            for kind, number, data, what, found in tqdm(results, total=len(order), unit="case", delay=2):
                name = f"{kind}-{seed}-{number}"
                tallies[kind].add(found, name)
                if out is not None and not found.accepted:
                    keep(Path(out), name, kind, data, what, found)
    finally:
        for worker in started:
            worker.__exit__()
    return tallies


def keep(out, name, kind, data, what, found):
    """Write a finding: the file, and what is known about it."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}{Path(KINDS[kind].filename).suffix}").write_bytes(data)
    record = {"kind": kind, "mutation": what, "outcome": found.end, "seconds": round(found.seconds, 1),
              "mib": round(found.mib), "message": found.message.splitlines()}  # fmt: skip
    (out / f"{name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=True))


def table(tallies):
    """A table of the tallies as text."""
    lines = [f"{'kind':11}{'cases':>7}{'read':>7}{'refused':>9}{'findings':>10}{'slowest s':>11}{'largest MiB':>13}"]
    total = Tally()
    for kind, tally in tallies.items():
        total.cases, total.read, total.refused = (
            total.cases + tally.cases, total.read + tally.read, total.refused + tally.refused,
        )  # fmt: skip
        total.findings += tally.findings
        total.seconds, total.mib = max(total.seconds, tally.seconds), max(total.mib, tally.mib)
        lines.append(_line(kind, tally))
    return "\n".join([*lines, _line("all", total)])


def _line(name, tally):
    return (
        f"{name:11}{tally.cases:7}{tally.read:7}{tally.refused:9}{len(tally.findings):10}{tally.seconds:11.1f}"
        f"{tally.mib:13.0f}"
    )
