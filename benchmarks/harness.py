"""Runs implementations in separate processes, in turn, round after round; medians, spread, and ratios within a round.

A shared machine is noisy: only measurements of the same round are compared. A contestant is a function that prepares
everything and returns `run(steps)`. It is named as `module:function`, so that its process imports nothing of the others;
further parts of such a name, as in `module:function:adam:1000`, are the function's arguments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

# Variables that may pin OpenBLAS on a machine; by default, users get its own choice of kernels.
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
FEWEST = 500  # steps per request, unless the module sets fewer: each request sets up a new training
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass
class Contestant:
    """A process that measures on request.

    Attributes:
        label: its name in the table.
        where: `module:function`.
        absent: why it cannot take part, if it cannot.
    """

    label: str
    where: str
    process: subprocess.Popen[str]
    absent: str = ""

    def ask(self, seconds: float) -> float:
        """Seconds per step, measured over about `seconds` seconds."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        reply = self.process.stdout.readline()
        if not reply:
            raise RuntimeError(f"{self.label} ended during the measurement; see its output above")
        return float(json.loads(reply)["per_step"])


def pins() -> dict[str, str]:
    """The variables that pin OpenBLAS here."""
    return {name: os.environ[name] for name in PINS if name in os.environ}


def start(label: str, where: str, threads: int, pinned: bool = False) -> Contestant:
    """Start a contestant and wait until it has warmed up."""
    env = (
        {k: v for k, v in os.environ.items() if pinned or k not in PINS}
        | dict.fromkeys(POOLS, str(threads))
        | {"JAX_PLATFORMS": "cpu", "BENCH_THREADS": str(threads)}
    )
    if threads == 1:
        env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [sys.executable, "-m", "benchmarks.harness", where]
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    reply = json.loads(process.stdout.readline() or '{"absent": "its process ended; see its output above"}')
    return Contestant(label, where, process, reply.get("absent", ""))


def race(
    contestants: Mapping[str, str], threads: int, rounds: int, seconds: float, pinned: bool = False
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """label -> seconds per step in every round; and label -> why it is absent."""
    started = [start(label, where, threads, pinned) for label, where in contestants.items()]
    present = [c for c in started if not c.absent]
    times: dict[str, list[float]] = {c.label: [] for c in present}
    try:
        for _ in range(rounds):
            for c in present:
                times[c.label].append(c.ask(seconds))
    finally:
        for c in started:
            c.process.kill()
            c.process.wait()
    return times, {c.label: c.absent for c in started if c.absent}


def ratios(times: Mapping[str, Sequence[float]], label: str, reference: str) -> list[float]:
    """time of `label` / time of `reference`, round by round."""
    return [a / b for a, b in zip(times[label], times[reference], strict=True)]


def summary(times: Mapping[str, Sequence[float]], reference: str) -> list[dict[str, Any]]:
    """A row per contestant: median, 10 and 90 % quantiles, and the median ratio to the reference."""
    rows = []
    for label, seconds in times.items():
        low, high = np.quantile(seconds, [0.1, 0.9])
        ratio = median(ratios(times, label, reference))
        rows.append({"contestant": label, "median": median(seconds), "low": low, "high": high, "ratio": ratio})
    return rows


def worker(where: str) -> None:
    """The contestant's side: prepare, warm up, then reply to every line with a measurement."""
    name, function, *arguments = where.split(":")
    try:
        module = __import__(name, fromlist=[function])
        run = getattr(module, function)(*arguments)
    except ImportError as error:
        print(json.dumps({"absent": str(error)}), flush=True)
        return
    fewest = getattr(module, "FEWEST", FEWEST)
    run(fewest // 10 + 1)
    began = time.perf_counter()
    run(fewest // 2)
    per_step = (time.perf_counter() - began) / (fewest // 2)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        steps = max(fewest, round(float(line) / per_step))
        began = time.perf_counter()
        run(steps)
        per_step = (time.perf_counter() - began) / steps
        print(json.dumps({"per_step": per_step}), flush=True)


if __name__ == "__main__":
    worker(sys.argv[1])
