"""What SLURM knows of jobs, through its commands. None of it needs accounting (`sacct`), which many clusters lack."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable, Mapping

POLL = 10.0  # seconds between two questions: each costs the scheduler time
TIMEOUT = 60.0  # seconds that a command may take
ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
    *("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
)
# Reasons with which a job waits until somebody changes something.
STUCK = (
    *("BadConstraints", "DependencyNeverSatisfied", "InvalidAccount", "InvalidQOS", "JobHeldAdmin", "JobHeldUser"),
    *("JobHoldMaxRequeue", "PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "launch failed requeued held"),
    *("AssocMaxWallDurationPerJobLimit", "QOSMaxWallDurationPerJobLimit"),
)
FINAL = re.compile(r"invalid|unrecognized|not permitted|unknown|denied|too large|must be", re.I)
LIMIT = re.compile(r"\w*Submit\w*Limit\w*")  # QOSMaxSubmitJobPerUserLimit, AssocMaxSubmitJobLimit ...
TEMPORARY = re.compile(
    r"timed out|unable to contact|temporarily unable|temporarily unavailable|connection (refused|reset)|endpoint", re.I
)


class Queue:
    """The states of jobs, asked for at most every `POLL` seconds for all of them together."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.known: dict[str, tuple[str, str]] = {}
        self.asked, self.fault = -POLL, ""
        self.said: set[str] = set()

    def state(self, job: str) -> str:
        """The state of a job, `GONE` if SLURM does not know it; empty if SLURM does not answer."""
        if job not in self.ids or time.monotonic() - self.asked >= POLL:
            self.ids.add(job)
            self.ask()
        return "" if self.fault else self.known.get(job, ("GONE", ""))[0]

    def ask(self) -> None:
        """Ask for the states of all jobs."""
        self.asked = time.monotonic()
        try:
            self.known, self.fault = states(self.ids), ""
        except (OSError, subprocess.SubprocessError) as error:
            self.fault = _fault(error)

    def forget(self, job: str) -> None:
        """Ask no more for a job."""
        self.ids.discard(job)

    def news(self) -> list[str]:
        """Lines about jobs that cannot start, and about a SLURM that does not answer; each once."""
        lines = [
            f"stackprop: SLURM job {job} cannot start ({reason.strip('()')}); scontrol show job {job}"
            for job, (state, reason) in self.known.items()
            if state not in ENDED and reason.strip("()") in STUCK
        ]
        lines += [f"stackprop: SLURM does not answer ({self.fault}); the sweep waits"] if self.fault else []
        new = [line for line in lines if line not in self.said]
        self.said |= set(new)
        return new


def states(jobs: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Job -> state and reason, of those that SLURM still knows.

    Raises:
        OSError, subprocess.SubprocessError: it does not answer.
    """
    command = ["squeue", "--noheader", "--states=all", "--format=%i|%T|%r", f"--jobs={','.join(sorted(jobs))}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, errors="replace")
    if done.returncode and "invalid job id" not in done.stderr.lower():  # that of a single job which it has forgotten
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    lines = [line.strip().split("|", 2) for line in done.stdout.splitlines()]
    return {line[0]: (line[1].partition(" ")[0], line[2]) for line in lines if len(line) == 3}


def final_state(job: str) -> str:
    """The state in which an ended job is recorded, by the accounting or the controller; empty if neither knows it."""
    accounting = ["sacct", "--noheader", "--parsable2", "--allocations", "--format=State", f"--jobs={job}"]
    for command, pattern in ((accounting, r"^([A-Z_]{4,})"), (["scontrol", "show", "job", job], r"JobState=([A-Z_]+)")):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True, errors="replace")
        except (OSError, subprocess.SubprocessError):
            continue
        if found := re.findall(pattern, done.stdout, re.M):
            return str(found[-1])
    return ""


def refusal(text: str) -> tuple[str, bool]:
    """The reason in an error message of `sbatch`, and whether a later attempt may succeed."""
    lines = [re.sub(r"^sbatch: (error|fatal): ", "", line.strip()) for line in text.strip().splitlines()]
    lines = [line for line in dict.fromkeys(lines) if line and not line.startswith("sbatch: ")]
    whole = "; ".join(lines) or "no reason is given"
    if limit := LIMIT.search(whole):
        return limit[0], True
    return whole, bool(TEMPORARY.search(whole))


def check(script: str) -> None:
    """Let SLURM validate a script, without submitting it.

    Raises:
        ValueError: SLURM refuses it, and would do so later.
    """
    try:
        done = subprocess.run(
            ["sbatch", "--test-only"],
            input=script,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ValueError(f"sbatch: {_fault(error)}") from error
    if done.returncode:
        reason, later = refusal(done.stderr)
        if not later and FINAL.search(reason):  # otherwise the machines may be down or reserved, and the job can wait
            raise ValueError(reason)


def is_cancelled(job: str) -> bool:
    """Whether a job that received a signal was cancelled; it may also have to make room for another one."""
    try:
        return states([job]).get(job, ("CANCELLED", ""))[0] == "CANCELLED"
    except (OSError, subprocess.SubprocessError):
        return False


def requeue(job: str) -> str:
    """Let SLURM start a job again; returns the reason if it does not."""
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return _fault(error)
    return refusal(done.stderr)[0] if done.returncode else ""


def _fault(error: Exception) -> str:
    text = getattr(error, "stderr", None) or getattr(error, "strerror", None) or str(error)
    return next(iter(str(text).strip().splitlines()), type(error).__name__)


def reasons(state: str) -> str:
    """What a final state says, for a message."""
    known: Mapping[str, str] = {
        "TIMEOUT": "its time limit was reached; hydra.launcher.parameters.timeout_min=MINUTES sets it",
        "OUT_OF_MEMORY": "it needed more memory; hydra.launcher.parameters.mem_gb=GB sets it",
        "NODE_FAIL": "its machine failed",
        "PREEMPTED": "a job of higher priority took its place",
        "CANCELLED": "it was cancelled",
    }
    return f"{state}: {known[state]}" if state in known else state
