"""How a step runs on a GPU: a block of threads for each replica takes many steps in one launch, or many blocks share a
launch for each turn of a step.

    a block:     M / PER_BLOCK max(1, R / BLOCKS) + turns BARRIER
    launches:    R M / ON_GPU + launches LAUNCH

    M   arithmetic operations of a step of one replica, and R replicas

PER_BLOCK, BLOCKS, BARRIER and LAUNCH were NOT measured on a GPU: they follow from its clock, its multiprocessors and its
latencies as the makers give them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from framework.training.compiled.cost import cost
from framework.training.compiled.cuda.program import Launch, Repeat
from framework.training.compiled.products import Machine
from framework.training.compiled.schedule import Schedule

PER_BLOCK = 2e10  # operations per second of one block; a multiprocessor can do 2e11
BLOCKS = 200  # that run at once
BARRIER = 1e-6  # seconds of a turn: what it waits for in memory, and its barrier
LAUNCH = 6e-6  # seconds of a launch
ON_GPU = 2e12  # operations per second of the whole GPU
THREADS = 256  # of a block
SHARED = 40 << 10  # bytes of shared memory that a block may have
COUNTED = Machine(32, 6, 2)  # counting operations asks for a processor


@dataclass(frozen=True)
class Gpu:
    """What a source is made for.

    Args:
        xp: CuPy.
        replicas: of the stack.
        threads: of a block, a power of two.
        shared: bytes of shared memory that a block may have.
    """

    xp: Any
    replicas: int
    threads: int = THREADS
    shared: int = SHARED

    @classmethod
    def of(cls, xp: Any, replicas: int) -> Gpu:
        """The GPU that is used now."""
        most = int(xp.cuda.Device().attributes["MaxThreadsPerBlock"])
        return cls(xp, replicas, min(THREADS, 1 << most.bit_length() - 1), SHARED)


def takes_whole_steps(schedule: Schedule, plan: Sequence[Launch | Repeat], gpu: Gpu) -> bool:
    """Whether one launch takes many steps."""
    work, turns = sum(cost(kernel, schedule, COUNTED).flops for kernel in schedule.kernels), launches(plan)
    block = work / PER_BLOCK * max(1.0, gpu.replicas / BLOCKS) + turns * BARRIER
    return block <= gpu.replicas * work / ON_GPU + turns * LAUNCH


def launches(parts: Sequence[Launch | Repeat]) -> int:
    """How many kernels are launched for a step."""
    return sum(part.n * launches(part.parts) if isinstance(part, Repeat) else 1 for part in parts)
