"""Wall time, processor time and memory of another process, from /proc; Linux only."""

import os
import re
import time
from pathlib import Path


def processor_seconds(process_id):
    """Processor time that all threads of a process have taken."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process_id, name="VmHWM"):
    """Resident memory of a process in bytes: its peak, or with "VmRSS" what it is now."""
    return int(re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{process_id}/status").read_text()).group(1)) * 1024


def forget_peak(process_id):
    """Count the peak of its memory anew from here."""
    Path(f"/proc/{process_id}/clear_refs").write_text("5")


def measured(program, *request):
    """(seconds, processor seconds) of a request to a program."""
    before, began = processor_seconds(program.process_id), time.perf_counter()
    program.ask(*request)
    return time.perf_counter() - began, processor_seconds(program.process_id) - before
