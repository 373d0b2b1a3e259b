"""The choice of `tier=auto`: the compiled tier where it saves more time than compiling takes.

    steps S > L C,   and at most 20 million multiplications in a step

    S   seconds that a step saves for each of its operations: 1 µs, or 0.15 µs for each replica of a stack; times 1 + T / 2
        where a layer goes through T time steps one by one, which the array tier does with calls of NumPy for each
    C   seconds that one operation takes to compile
    L   libraries: a step for each batch size; half a step for each evaluated split, which has no backward pass

Both sides have the number of operations as a factor, so that nothing needs to be traced for the choice.

The choice does not read the cache of compiled steps: the tiers agree up to rounding only, and a run would give other numbers
the second time. For the same reason a job of a sweep may differ from the job alone in its last digits, if only the sweep is
compiled; both record their tier.
"""

from __future__ import annotations

import math
from math import prod

from framework.data.dataset import Data
from framework.training.learner import Learner
from framework.training.plan import TrainingPlan

# Measured with MLPs, a CNN and a recurrent network (94 to 220 operations) on two x86 servers, one thread:
SAVED = 1e-6  # 1 to 2.6 µs, the time of a call of NumPy
SAVED_BY_REPLICA = 0.15e-6  # 0.16 µs in a network 1-32-1, 2 µs in an MLP 64-128-64-10
# 0.6 to 0.9 of what an LSTM of 56 and of 300 steps, and of 5 in a sentence, saved (13 to 4.5 ms, 70 to 9.8, 1.5 to 0.1).
IN_LOOPS = 0.5
COMPILING = 15e-3  # 5 to 18 ms of the compiler's own time, with GCC 12
# Above, the array tier may be as fast, since NumPy's products use all cores. One thread each, a step with 10 million
# multiplications took 0.81 ms in the array tier and 0.47 compiled; one with 30 million took 4.8 and 3.8. In a loop over time
# those of one time step count: a GRU of 50 times 7 million took half as long compiled, with two threads in both tiers.
PRODUCTS = 20_000_000


def is_worth_compiling(learner: Learner, data: Data, replicas: int) -> bool:
    """Whether the compiled tier saves time for a stack."""
    plan = TrainingPlan.of(learner.options, data)
    sizes = {plan.update_size, plan.n % plan.update_size or plan.update_size}
    libraries, times = len(sizes) + 0.5 * (len(data.splits) - 1), loop_steps(learner, data)
    saved = max(SAVED, replicas * SAVED_BY_REPLICA) * (1 + times * IN_LOOPS if times > 1 else 1)
    if certain_steps(learner, plan) * saved <= libraries * COMPILING:
        return False
    return replicas > 1 or multiplications(learner, data, plan.update_size) // times <= PRODUCTS


def certain_steps(learner: Learner, plan: TrainingPlan) -> float:
    """Steps that run compiled in any case: early stopping may end a run, and steps that probes see run in the array tier."""
    options, steps = learner.options, plan.steps
    if options.early_stopping.patience or options.early_stopping.goal is not None:
        validations = (options.early_stopping.patience or 0) + 1 if options.early_stopping.goal is None else 1
        steps = min(steps, validations * options.validate_every * plan.updates_per_epoch)
    watched = 2 if any(getattr(probe, "previous", False) for probe in learner.probes.values()) else 1
    return steps * max(0.0, 1 - watched / options.probe_every) if learner.probes else steps


def loop_steps(learner: Learner, data: Data) -> int:
    """Time steps that a recurrent layer goes through one by one; 1 without such a layer."""
    nodes, trained = learner.network.nodes.items(), {name for name, _ in learner.network.tensor_shapes}
    if not any(hasattr(node.layer, "cell") or (hasattr(node.layer, "carry") and name in trained) for name, node in nodes):
        return 1
    return _longest(learner, data)


def _longest(learner: Learner, data: Data) -> int:
    longest = max((data.splits["train"][name].shape[1] for name, f in data.fields.items() if f.time_major), default=1)
    return int(min(longest, learner.options.bptt.chunk or longest))


def multiplications(learner: Learner, data: Data, examples: int) -> int:
    """An estimate for the matrix products of a step: forward, and twice as many backward."""
    network = learner.network
    longest, total = _longest(learner, data), 0
    for (name, _), shape in network.tensor_shapes.items():
        if len(shape) > 1 and shape[0] > 1:  # no bias
            total += prod(shape) * _positions(learner, name, longest)
    return 3 * examples * total


def _positions(learner: Learner, name: str, longest: int) -> int:
    """How often the matrices of a node are used for one example: at every time step, and at every pixel of an image."""
    shapes, sources = learner.network.shapes, learner.network.nodes[name].sources
    read = [shapes[source] for source in sources]
    if all(shape in ((), (None,)) for shape in read):  # a table, from which rows are taken
        return 0
    times = longest if any(None in shape for shape in (*read, shapes[name])) else 1
    pixels = math.prod(shapes[name][1:]) if len(shapes[name]) > 2 and None not in shapes[name] else 1
    return times * pixels
