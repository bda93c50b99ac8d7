"""A process that reads damaged files, watched from outside: it is ended when it takes too long or too much."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import FOLDER, ROOT
from .outcome import MOST_MIB, MOST_SECONDS, Outcome

# A process that has other work beside it may take long on the clock without doing much: its own time counts first.
_MOST_ON_THE_CLOCK = 6 * MOST_SECONDS
_START = 300  # seconds for the first file of a kind, which is whole: libraries are loaded with it
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def _processor_seconds(process):
    """Processor time of a process and of those that it has waited for."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICK
    except (OSError, ValueError):
        return None


def _resident_mib(process):
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, ValueError, IndexError):
        return 0.0


class Worker:
    """Reads one file after another; started anew when it had to be ended. Use it with `with`."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        self._process, self._warm = None, set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop()
        self._folder.cleanup()

    def _start(self):
        self._log = open(Path(self._folder.name) / "log", "w+")  # noqa: SIM115
        paths = os.pathsep.join([str(FOLDER.parent), str(ROOT), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fuzz.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            cwd=self._folder.name, env={**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "-1"},
            start_new_session=True,
        )  # fmt: skip
        self._warm, self._rest = set(), b""

    def _stop(self):
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)  # with the processes that it started itself
        except ProcessLookupError:
            pass
        self._process.wait()
        self._process.stdin.close(), self._process.stdout.close(), self._log.close()
        self._process = None

    def _line(self, seconds, on_the_clock):
        """The answer; or the kind of finding and how long it took."""
        begin, cpu, size = time.monotonic(), _processor_seconds(self._process.pid), _resident_mib(self._process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if selector.select(0.1):
                    part = os.read(self._process.stdout.fileno(), 65536)
                    if not part:
                        return "crash"
                    self._rest += part
                used = None if cpu is None else (_processor_seconds(self._process.pid) or cpu) - cpu
                if (used is not None and used > seconds) or time.monotonic() - begin > on_the_clock:
                    return "hang"
                if _resident_mib(self._process.pid) - size > MOST_MIB + 200:
                    return "memory"
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def _ask(self, kind, path, seconds=MOST_SECONDS, on_the_clock=_MOST_ON_THE_CLOCK):
        begin = time.monotonic()
        try:
            self._process.stdin.write(json.dumps([kind, str(path)]).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._line(seconds, on_the_clock)
        except BrokenPipeError:
            answer = "crash"
        if isinstance(answer, dict):
            return Outcome(**answer)
        self._process.poll() if answer != "crash" else self._process.wait(60)
        self._log.seek(0)
        message = f"exit code {self._process.returncode}; {self._log.read()[-2000:]}"
        grown = _resident_mib(self._process.pid)
        self._stop()
        return Outcome(answer, message, time.monotonic() - begin, grown)

    def read(self, kind, filename, data, whole):
        """The `Outcome` of reading data as a file of this kind and name; `whole` is a whole one for the first time."""
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._start()
        folder = Path(self._folder.name) / kind
        folder.mkdir(exist_ok=True)
        path = folder / filename
        if kind not in self._warm:
            path.write_bytes(whole)
            first = self._ask(kind, path, _START, _START)
            if first.end != "read":
                raise RuntimeError(f"{kind}: a whole file was not read: {first}")
            self._warm.add(kind)
        path.write_bytes(data)
        return self._ask(kind, path)
