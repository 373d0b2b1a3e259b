"""The training loop: batch, forward, loss, backward, update, callbacks; for R networks at once.

A replica that has stopped, early or because its values are not finite, leaves the stack; the others continue.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.config.options import Tier
from framework.core.arrays import Array, keep_memory, to_host
from framework.core.blame import blamed
from framework.core.callback import Callback, Save, Snapshot, TrainingResult
from framework.core.errors import TierError
from framework.core.log import log
from framework.core.random import Key
from framework.core.signals import StopRequest
from framework.core.threads import blas_limited
from framework.data.dataset import Data
from framework.data.loader import DataLoader
from framework.training.check import checked_data
from framework.training.compiled import build
from framework.training.compiled.choice import is_worth_compiling
from framework.training.compiled.cuda.trainer import CudaTrainer
from framework.training.compiled.deferred import DeferredTrainer
from framework.training.compiled.trainer import CompiledTrainer
from framework.training.device import chosen_device, is_worth_cuda
from framework.training.learner import Learner, parts
from framework.training.pruning import Rungs
from framework.training.state import Trainer
from framework.training.step import TrainState

CANNOT = "tier: 'compiled' cannot be used here: "

__all__ = ["Callback", "Snapshot", "TrainingResult", "train"]


def train(
    learners: Sequence[Learner],
    data: Sequence[Data],
    keys: Sequence[Key],
    *,
    xp: Any = np,
    dtype: Any = np.float32,
    threads: int | None = None,
    tier: Tier = "auto",
    callbacks: Sequence[Callback] = (),
    save: Save | None = None,
    resume: Snapshot | None = None,
    save_end: Save | None = None,
    stop: StopRequest | None = None,
    rungs: Rungs | None = None,
    choose_device: bool = False,
) -> list[TrainingResult]:
    """Train a stack of networks.

    Args:
        learners: one per member; they may differ in stackable options only.
        data: one data set for all members, or one for each (of equal shapes).
        keys: one random key per member.
        xp, dtype: array module and precision.
        threads: on the CPU, the number that the training may use; None: as many as BLAS uses.
        tier: `array`; `compiled`, where the step becomes C; `auto`, compiled where this saves time and is possible.
        callbacks: objects that receive losses, metrics and results.
        save: receives a snapshot every `checkpoint_every` steps.
        resume: such a snapshot, to continue from; `auto` then keeps its tier.
        save_end: receives a snapshot at the end, from which a longer training can continue.
        stop: ends the training after the step, or the block of compiled steps, in which a signal comes.
        rungs: decide with `trainer.prune` which members are pruned; by default they are compared with one another.
        choose_device: train on the CPU where `xp`, a GPU, would hardly save time.

    Returns:
        One result per member, in order.

    Raises:
        CannotStackError: the learners differ in something else.
        ConfigError: an option is not what its component declares, or learner and data do not fit together.
        TierError: tier=compiled, and the step cannot be compiled.
        DataError: the data are not what their fields declare.
        ValueError: the data lack what the options need, or a network cannot be built.
    """
    keep_memory()
    data = checked_data(learners, data, tier)
    xp = chosen_device(xp, learners, data, len(learners), threads, resume) if choose_device else xp
    with blamed(parts(learners[0])):
        stack = TrainState(learners, data, keys, xp, dtype, threads)
        run = _trainer(stack, callbacks, save, tier, takes_compiled(tier, learners, data, resume, xp=xp))
        everything = run.stack.learner
        if resume is not None:
            run.restore(*resume)
            run.end_restored(resume[1].get("left", {}) if stop is not None and stop.shared else {})
        run.save_end, run.rungs = save_end, rungs or run.rungs
        with blas_limited(run.stack.blas_threads(run.plan.update_size)), np.errstate(all="ignore"):  # `read` finds nan
            with contextlib.nullcontext() if stop is None or stop.shared else stop:
                _take_steps(run, stop or StopRequest())
            _test(run, everything, data, keys)
        return [run.outcomes[member] for member in range(len(keys))]


def _take_steps(run: Trainer, stop: StopRequest) -> None:
    """Train until every member has ended, or a signal came."""
    run.clock = (time.perf_counter(), run.step)
    while run.stack.members.size:
        for batch in run.batches():
            if run.step >= run.total or not run.stack.members.size or stop.name:
                break
            run.update(batch)
        if stop.name and run.step < run.total and run.done < run.plan.updates_per_epoch:
            if not run.step and not stop.shared:
                stop.pass_on()
            return run.stop(stop.name, measure=not stop.shared)
        _end_epoch(run, stop.shared)
        run.epoch, run.done = run.epoch + 1, 0
    return run.end_rungs()


def _end_epoch(run: Trainer, saves: bool = False) -> None:
    """Validate where it is time to, and end the members after the last step.

    Args:
        saves: before a rung.
    """
    is_last = run.step >= run.total
    if is_last or (run.validates and run.epoch % run.options.validate_every == 0):
        run.read()
        if is_last and run.save_end and run.stack.members.size:
            run.save_end(*run.snapshot())  # before a validation that a longer training may not have here
        if saves and run.rungs and run.epoch in run.rungs.options.at and run.save and run.stack.members.size:
            run.save(*run.snapshot())  # a slice may wait for others there, and be stopped
        run.validate()
    if is_last:
        run.leave(np.ones(run.stack.members.size, bool), "finished", "")


def takes_compiled(
    tier: Tier,
    learners: Sequence[Learner],
    data: Sequence[Data],
    resume: Snapshot | None = None,
    replicas: int | None = None,
    xp: Any = np,
) -> bool:
    """Whether to try the compiled tier.

    Args:
        replicas: of the whole stack, if these are a part of it.
        xp: the array module: NumPy for C, CuPy for CUDA C.
    """
    if tier == "auto" and resume is not None:
        return resume[1].get("tier") in ("compiled", "cuda")
    if tier != "auto":
        return tier == "compiled"
    if xp is not np:
        return is_worth_cuda(learners[0], data[0], replicas or len(learners))
    return is_worth_compiling(learners[0], data[0], replicas or len(learners))


def check_tier(learners: Sequence[Learner], data: Sequence[Data], *, xp: Any, dtype: Any, threads: int | None) -> None:
    """Compile the step as `train` does with tier=compiled, before anything is recorded.

    Raises:
        TierError: that is not possible.
    """
    _trainer(TrainState(learners, data, range(len(learners)), xp, dtype, threads), [], None, "compiled", True)


def fall_back(error: TierError) -> None:
    """Report why a training with tier=auto runs in the array tier."""
    _report(f"tier: the array tier is used, since {str(error).removeprefix(CANNOT)}")


@functools.cache
def _report(line: str) -> None:
    """Print a line once in this process: a sweep has many stacks."""
    log.info(line)


def _trainer(stack: TrainState, callbacks: Sequence[Callback], save: Save | None, tier: Tier, compiled: bool) -> Trainer:
    if not compiled:
        return Trainer(stack, callbacks, save)
    before, started = build.seconds(), time.perf_counter()
    try:
        kind: type[DeferredTrainer] = CompiledTrainer if stack.xp is np else CudaTrainer
        made = kind(stack, callbacks, save)
    except TierError as error:
        if tier == "compiled":
            raise TierError(f"{CANNOT}{error}") from error
        fall_back(error)
        return Trainer(stack, callbacks, save)
    took = time.perf_counter() - started
    if build.seconds() > before or (stack.xp is not np and took > 1):  # several libraries are compiled side by side
        log.info(f"tier: the training step was compiled in {took:.1f} s; later runs load it")
    return made


def _test(run: Trainer, learner: Learner, data: Sequence[Data], keys: Sequence[Key]) -> None:
    """Measure the test split once, at the weights that training ended with."""
    outcomes = [run.outcomes[member] for member in range(len(keys))]
    if "test" not in data[0].splits or any(outcome.status == "killed" for outcome in outcomes):
        return
    s = run.stack
    w: Array = s.xp.asarray(s.arena.fill([outcome.weights for outcome in outcomes], s.dtype))
    values = run.evaluated(learner, w, keys, DataLoader(data, "test", s.xp, s.dtype))
    host = {f"test/{name}": to_host(value) for name, value in values.items()}
    for r, outcome in enumerate(outcomes):
        if outcome.status != "diverged":
            outcome.metrics.update({name: float(value[r]) for name, value in host.items()})
            for callback in run.callbacks:
                callback.on_metrics(r, outcome.step, {name: float(value[r]) for name, value in host.items()})
