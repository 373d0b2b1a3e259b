"""The choice of `device=auto`: a GPU where it saves more time than its start takes.

    steps x (C - G) > START,   C = M R / (PER_CORE threads),   G = LAUNCH launches + M R / ON_GPU

    M   multiplications of a step of one replica, and R replicas
    C   seconds of a step on the CPU: its arithmetic alone, since the compiled tier has no other costs
    G   seconds of a step on the GPU. Launches do not depend on the width of a stack, so that wide stacks pay most

Where the GPU is used, `tier=auto` compiles steps if `is_worth_cuda`.

LAUNCH, ON_GPU and START were NOT measured on a GPU: they are the usual figures of the literature, on the side of the CPU.
`device=gpu` and `device=cpu` choose without them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.core.callback import Snapshot
from framework.core.log import log
from framework.core.threads import blas_threads
from framework.data.dataset import Data
from framework.training.compiled.choice import certain_steps, loop_steps, multiplications
from framework.training.learner import Learner
from framework.training.plan import TrainingPlan

PER_CORE = 1e10  # multiplications per second; measured, see PRODUCTS in compiled/choice.py: 0.8 to 2.1
LAUNCH = 8e-6  # seconds in Python and in the driver; not measured: NumPy's call takes 1 to 2.6 us, CuPy's 5 to 10
LAUNCHES = 40  # of a node with tensors, and of a time step of a recurrent layer; tests/training/test_device.py counts them
ON_GPU = 1e12  # multiplications per second; not measured: a tenth of what a data-centre GPU can do in float32
FUSED = 0.6  # of the launches, which compiled steps save at least; the substitute for CuPy counts them
COMPILING = 5.0  # seconds for a step; measured: NVRTC takes 1 to 2 of one core for an MLP or an LSTM, 2 to 5 for a small CNN
START = 5.0  # seconds; not measured: the context of CUDA, and the first compilation of some dozen kernels


def chosen_device(
    xp: Any,
    learners: Sequence[Learner],
    data: Sequence[Data],
    replicas: int,
    threads: int | None,
    resume: Snapshot | None = None,
) -> Any:
    """The array module for a stack of `replicas`, where `xp` is the one that could be used. A training that was compiled for
    the CPU continues there."""
    if resume is not None and resume[1].get("tier") == "compiled":
        return np
    if xp is np or is_worth_a_gpu(learners[0], data[0], replicas, threads or blas_threads()):
        return xp
    _report("device: the CPU is used, since the GPU would hardly save time in so small a training; device=gpu uses it")
    return np


def is_worth_a_gpu(learner: Learner, data: Data, replicas: int, threads: int) -> bool:
    """Whether a GPU saves time for a stack."""
    plan, times = TrainingPlan.of(learner.options, data), loop_steps(learner, data)
    work = replicas * multiplications(learner, data, plan.update_size)
    saved = work / (PER_CORE * threads) - (LAUNCH * _launches(learner, times) + work / ON_GPU)
    return certain_steps(learner, plan) * saved > START


def is_worth_cuda(learner: Learner, data: Data, replicas: int) -> bool:
    """Whether compiled steps on a GPU save more launches than compiling and slower products take time: those of cuBLAS, in
    the array tier, are assumed to take half as long."""
    plan = TrainingPlan.of(learner.options, data)
    sizes = {plan.update_size, plan.n % plan.update_size or plan.update_size}
    libraries = len(sizes) + 0.5 * (len(data.splits) - 1)
    products = replicas * multiplications(learner, data, plan.update_size) / ON_GPU
    saved = LAUNCH * FUSED * _launches(learner, loop_steps(learner, data)) - products
    return certain_steps(learner, plan) * saved > libraries * COMPILING


def _launches(learner: Learner, times: int) -> int:
    nodes = len({node for node, _ in learner.network.tensor_shapes}) + (times if times > 1 else 0)
    return LAUNCHES * nodes


@functools.cache
def _report(line: str) -> None:
    """Print a line once in this process: a sweep has many stacks."""
    log.info(line)
