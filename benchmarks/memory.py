"""Record the resident memory of a command over its time: for soak tests of trainings and of long lists of images.

python benchmarks/memory.py --output=soak --minutes=120 -- python -m ssdn_keras.train …

Writes OUTPUT.csv (seconds, MiB) and OUTPUT.png, and prints how far the memory moved after the warm-up: medians over
windows, so that what a validation needs for a moment does not count, and what stays does. `ps` is asked, which Linux
and macOS have.
"""

import argparse
import csv
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def resident(process):
    """MiB of resident memory of a process and its children; None when it has ended."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()]
    family, size = {process.pid}, 0
    while len(family) != size:
        size = len(family)
        family |= {pid for pid, parent, _ in rows if parent in family}
    return sum(kilobytes for pid, _, kilobytes in rows if pid in family) / 1024 if process.poll() is None else None


def watch(command, minutes, every, write):
    """Run a command, at most so many minutes; [(seconds, MiB)] and its exit status."""
    rows, start = [], time.monotonic()
    process = subprocess.Popen(command)
    while (size := resident(process)) is not None:
        rows.append((time.monotonic() - start, size))
        write(rows[-1])
        if minutes and rows[-1][0] > 60 * minutes:
            process.send_signal(signal.SIGTERM)
            break
        time.sleep(every)
    return rows, process.wait()


def windows(rows, start, width):
    """[(middle of a window in seconds, median MiB)] from `start` on; a last window less than half full is left out."""
    grouped = {}
    for seconds, size in rows:
        if seconds >= start:
            grouped.setdefault(int((seconds - start) // width), []).append((seconds, size))
    return [
        (start + (index + 0.5) * width, statistics.median(size for _, size in group))
        for index, group in grouped.items()
        if group[-1][0] - group[0][0] >= width / 2
    ]


def draw(rows, medians, path):
    """The memory against time, with the medians of the windows."""
    figure, axis = plt.subplots(figsize=(8, 3.5), layout="constrained")
    axis.plot([seconds / 60 for seconds, _ in rows], [size for _, size in rows], linewidth=0.8, label="resident")
    axis.plot([seconds / 60 for seconds, _ in medians], [size for _, size in medians], "o-", label="median of a window")
    axis.set(xlabel="minutes", ylabel="resident memory, MiB", ylim=(0, None))
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(path, dpi=120)


def main():
    """Flags, the command, the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True, type=Path, help="where the .csv and the .png go, without ending")
    parser.add_argument("--minutes", type=float, default=0, help="SIGTERM after so long; 0: until the command ends")
    parser.add_argument("--warm_up", type=float, default=300, help="seconds that do not count")
    parser.add_argument("--window", type=float, default=300, help="seconds of a window")
    parser.add_argument("--every", type=float, default=5, help="seconds between two looks")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    with args.output.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("seconds", "mebibytes"))

        def write(row):
            writer.writerow([f"{value:.1f}" for value in row])
            file.flush()

        rows, status = watch(args.command, args.minutes, args.every, write)
    medians = windows(rows, args.warm_up, args.window)
    print(f"exit status {status}, {rows[-1][0] / 60:.1f} minutes, largest {max(size for _, size in rows):.0f} MiB")
    if not medians:
        sys.exit("it ended before one window was full: give smaller --warm_up and --window")
    sizes = [size for _, size in medians]
    print(
        f"medians of {len(sizes)} windows: first {sizes[0]:.0f} MiB, last {sizes[-1]:.0f} MiB"
        f" ({100 * (sizes[-1] / sizes[0] - 1):+.2f} %), largest {100 * (max(sizes) / sizes[0] - 1):+.2f} % of the first"
    )
    draw(rows, medians, args.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
