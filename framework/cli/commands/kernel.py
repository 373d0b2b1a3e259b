"""`stackprop kernel [overrides]`: the training step that the compiled tier makes, as formulas, as C or as CUDA C."""

from __future__ import annotations

import argparse
import ctypes
import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from framework.config.composition import compose
from framework.core.errors import ConfigError, TierError
from framework.experiments.experiment import Experiment, prepare
from framework.training.compiled.build import machine
from framework.training.compiled.cost import Cost, times
from framework.training.compiled.cuda.choice import Gpu
from framework.training.compiled.cuda.passes import CudaStep
from framework.training.compiled.listing import Formulas, Listing, noting_origins
from framework.training.compiled.step import CompiledStep
from framework.training.compiled.traced import c_name
from framework.training.compiled.trainer import CompiledTrainer
from framework.training.step import TrainState

WIDTH = 100
STEPS = 300  # that --time takes


def main(arguments: Sequence[str]) -> int:
    """Print every kernel with its formulas, operations, bytes and time."""
    parser = argparse.ArgumentParser("stackprop kernel", description=__doc__)
    parser.add_argument("--c", action="store_true", help="print the C instead")
    parser.add_argument("--cuda", action="store_true", help="print the CUDA C for a GPU instead; none needs to be there")
    parser.add_argument("--time", action="store_true", help=f"measure every part, over {STEPS} steps")
    parser.add_argument("overrides", nargs="*", help="key=value, as for a training")
    chosen = parser.parse_args(arguments)
    experiment = prepare(compose(list(chosen.overrides)))
    step, trainer = traced(experiment, timed=chosen.time)
    if chosen.c or chosen.cuda:
        print(step.text if chosen.c else for_gpu(trainer), end="")
        return 0
    seconds = measured(step, trainer) if chosen.time else None
    for line in listing(experiment, step, trainer, seconds):
        print(line)
    return 0


def traced(experiment: Experiment, timed: bool = False) -> tuple[CompiledStep, CompiledTrainer]:
    """The compiled step of one replica, and what trains with it.

    Raises:
        ConfigError: the step cannot be compiled.
    """
    settings = experiment.settings
    stack = TrainState([experiment.learner], [experiment.data], [settings.seed], np, settings.dtype, 1)
    try:
        with noting_origins():
            trainer = CompiledTrainer(stack, [], timed=timed)
    except TierError as error:
        raise ConfigError(f"kernel: this step cannot be shown: {error}") from error
    return next(iter(trainer.steps.values())), trainer


def for_gpu(trainer: CompiledTrainer) -> str:
    """The step of one replica as CUDA C."""
    stack, kind = trainer.stack, next(iter(trainer.steps))
    measures = stack.learner.measures if trainer.options.train_metrics else {}
    return CudaStep(Gpu(np, stack.members.size), stack, len(trainer.columns), measures, kind, {}).text


def measured(step: CompiledStep, trainer: CompiledTrainer) -> list[float]:
    """Seconds that each kernel takes in one step."""
    while trainer.step < STEPS:
        for batch in trainer.batches():
            trainer.update(batch)
        trainer.read()
        trainer.epoch += 1
        trainer.done = 0
    ticks = (ctypes.c_int64 * len(step.schedule.kernels)).in_dll(step.library, "ticks")
    return [nanoseconds / trainer.step * 1e-9 for nanoseconds in ticks]


def listing(
    experiment: Experiment, step: CompiledStep, trainer: CompiledTrainer, seconds: Sequence[float] | None
) -> Iterator[str]:
    """The lines of the listing."""
    fields = {c_name("x", name): name for name in step.arrays}
    fields |= {c_name("s", name): name for name in step.slots} | {c_name("c", name): name for name in step.counts}
    fields |= {f"u{i}": f"{draw.name}.random" for i, draw in enumerate(step.draws)}
    shown = list(Listing(step.schedule, trainer.stack.arena, trainer.columns, fields).kernels(machine()))
    whole = [kernel for kernel in shown if "." not in kernel.number]  # a loop's cost has that of its parts
    measured = {kernel.number: time for kernel, time in zip(whole, seconds or [], strict=False) if not kernel.within}
    yield f"One step of one replica: {step.n} examples, {step.dtype}"
    yield "x' is x with its last two axes exchanged. Values named alike share memory. Times are microseconds."
    yield ""
    yield f"{'':40} {'operations':>12} {'bytes':>12} {'predicted':>10}" + ("" if seconds is None else f" {'measured':>10}")
    part = ""
    for kernel in shown:
        title = ", ".join(kernel.parts)
        if title != part:
            yield f"{title}:"
            part = title
        yield from _kernel(kernel, measured.get(kernel.number))
    yield ""
    yield _total([kernel.cost for kernel in whole], seconds)
    yield f"{step.workspace:,} bytes of memory beside weights, state and data"


def _kernel(kernel: Formulas, seconds: float | None) -> Iterator[str]:
    inside = "  " * kernel.number.count(".")
    head = f"  {inside}[{kernel.number}] {kernel.form}" + (f", with [{kernel.within}]" if kernel.within else "")
    yield f"{head:40} {_price(kernel.cost, seconds)}"
    for line in kernel.lines:
        yield from textwrap.wrap(line, WIDTH, initial_indent=inside + " " * 8, subsequent_indent=inside + " " * 12)


def _total(costs: Sequence[Cost], seconds: Sequence[float] | None) -> str:
    return f"{f'{len(costs)} kernels':40} {_price(times(1, costs), None if seconds is None else sum(seconds))}"


def _price(price: Cost, seconds: float | None) -> str:
    own = "" if seconds is None else f" {seconds * 1e6:>10.2f}"
    return f"{price.flops:>12,} {price.bytes:>12,} {price.seconds * 1e6:>10.2f}{own}"
