"""What the benchmarks share: methods in processes of their own, finished rows kept in a log.

A worker is another process, with another interpreter if need be, that runs one method at a time
and asks for values through a local socket; the game stays here, so its time and memory do not
count. A script that uses workers calls ``serve`` with its methods when it is started as one.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from multiprocessing.connection import Client, Listener
from pathlib import Path

import numpy as np

MEMORY = 12 * 2**30  # bytes a worker may have; beyond, its method is refused
RESULTS = Path(__file__).parent / "results"
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "MKL_NUM_THREADS"), "1"
)


class Worker:
    """The methods of a script in another process.

    Args:
        python: Its interpreter.
        role: What the script is to serve.
    """

    def __init__(self, python, role):
        self.start = [python, sys.argv[0], "--serve", role]
        self._open()

    def _open(self):
        listener = Listener()
        self.process = subprocess.Popen(
            [*self.start, "--address", listener.address],
            env=os.environ | ONE_THREAD,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.line = listener.accept()
        self.versions = self.line.recv()

    def __call__(self, job, game, limit_s=600):
        """Run a job on a game; what the method gave with seconds and megabytes, or a refusal.

        Seconds are those of the method, without the game; cpu_seconds those its process computed;
        megabytes the peak above the level after import. With ``job["fresh"]`` the run has a process
        of its own, forked after the imports, and is made so many times there; seconds_again, those
        of the last one, then leave out what a process pays but once. Such a process may have
        limits: ``job["cpu_s"]`` seconds of computing, ``job["bytes"]`` of memory above the level
        after import. What a method returns under "later", a function of the game, is called when
        all this has been measured, and adds to what was found.
        """
        self.line.send(job)
        deadline = time.perf_counter() + limit_s
        while True:
            if not self.line.poll(max(0.0, deadline - time.perf_counter())):
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                self._open()
                return {"refused": f"not done after {limit_s} s"}
            message = self.line.recv()
            if not isinstance(message, tuple):
                return message
            bits, n = message
            start = time.perf_counter()
            values = game(np.unpackbits(bits, axis=1, count=n).astype(bool))
            self.line.send(np.asarray(values, dtype=np.float64))
            deadline += time.perf_counter() - start

    def close(self):
        self.line.send(None)
        self.process.wait()


def serve(address, versions, methods):
    """A worker's life: run jobs until told to stop."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with Client(address) as line:
        line.send(versions)
        while (job := line.recv()) is not None:
            if times := job.get("fresh"):
                if (child := os.fork()) == 0:
                    _limit(job)
                    line.send(_run(line, job, methods, times))
                    os._exit(0)
                if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                    line.send({"refused": _death(code, job)})
            else:
                line.send(_run(line, job, methods, times=1))


def _limit(job):
    if "cpu_s" in job:
        resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_s"], resource.RLIM_INFINITY))
    if "bytes" in job:
        most = min(MEMORY, _pages(0) * os.sysconf("SC_PAGE_SIZE") + job["bytes"])
        resource.setrlimit(resource.RLIMIT_AS, (most, MEMORY))


def _death(code, job):
    if code == -signal.SIGXCPU:
        return f"over {job['cpu_s']} s of CPU time"
    return f"ended by signal {-code}" if code < 0 else f"ended with code {code}"


def _run(line, job, methods, times):
    spent = [0.0, 0]

    def game(coalitions):
        start = time.perf_counter()
        coalitions = np.asarray(coalitions)
        line.send((np.packbits(coalitions.astype(bool), axis=1), coalitions.shape[1]))
        values = line.recv()
        spent[0] += time.perf_counter() - start
        spent[1] += len(values)
        return values

    level, seconds = _resident(), []
    for _ in range(times):
        spent[:] = [0.0, 0]
        start, cpu = time.perf_counter(), time.process_time()
        try:
            found = methods[job["method"]](job, game)
        except MemoryError as error:
            return {"refused": f"over the memory allowed: {error}", "masks": spent[1]}
        except Exception as error:  # a refusal is a result
            return {"refused": str(error) or traceback.format_exc(limit=1), "masks": spent[1]}
        cpu_seconds = time.process_time() - cpu
        seconds.append(time.perf_counter() - start - spent[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found |= {"seconds": seconds[0], "seconds_again": seconds[-1], "cpu_seconds": cpu_seconds}
    found |= {"megabytes": peak - level, "masks": spent[1]}
    if "later" in found:
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        found |= found.pop("later")(game)
    return found


def _resident():
    """Megabytes this process holds now."""
    return _pages(1) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _pages(column):
    """Pages of this process: 0 of its addresses, 1 in memory."""
    return int(Path("/proc/self/statm").read_text().split()[column])


class Log:
    """Finished rows, one JSON object a line, so that a run that broke off goes on where it was."""

    def __init__(self, path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.rows = [json.loads(line) for line in lines]
        self.keys = {self._key(row["cell"]) for row in self.rows}

    @staticmethod
    def _key(cell):
        return json.dumps(cell, sort_keys=True)

    def add(self, cell, run):
        """Run a cell unless its row is there."""
        if self._key(cell) in self.keys:
            return
        row = {"cell": cell} | run()
        self.rows.append(row)
        self.keys.add(self._key(cell))
        with self.path.open("a", encoding="utf-8") as file:
            print(json.dumps(row), file=file)

    def select(self, **which):
        """The rows whose cell agrees."""
        return [r for r in self.rows if all(r["cell"].get(k) == v for k, v in which.items())]


def table(head, rows):
    """A table in Markdown."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [head, *rows]]
    return [lines[0], "|---" * len(head) + "|", *lines[1:]]
