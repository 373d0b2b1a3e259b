"""A process of its own: short trainings of presets in both tiers, compiled with the sanitizers.

A read or write beside an array ends it with the report of the sanitizer. Undefined behaviour ends it by SIGILL, as its
reports double the time of compiling; without `TRAP`, there is a report of that too.
"""

import os
import re
import sys
import traceback
from collections import defaultdict

import numpy as np
import presets
from compiling import LAYOUTS, products_at_edges
from composing import compose_once

from framework.training.compiled import build, function, step, trainer

TRAP = "-fsanitize-undefined-trap-on-error"
SANITIZERS = (
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", TRAP),
    "--param=asan-instrumentation-with-call-threshold=0",  # checks as calls are compiled in two thirds of the time
)
FUNCTION = re.compile(r"^static NOINLINE void (\w+)\(.*?^}$", re.M | re.S)
CALL = re.compile(r"\b((?:kernel|product|part|block_|pack_)\w*)(.*)")
PRODUCTS = "products"  # beside the presets: products of single precision at the edges of their blocks
TIERS = ("array", "compiled")
NUMBERED = re.compile(r"\b(kernel|product|part)\d+\b")  # as they come


def exactly(size):
    """Memory without a number to spare, so that one too many is noticed."""
    return np.empty(size, np.uint8)


def only_new(source, seen):
    """The source, in which a function is not sanitized that a former source has letter by letter, with the same calls."""
    calls = defaultdict(set)
    for name, given in CALL.findall(source):
        calls[name].add(NUMBERED.sub(r"\1", given))

    def marked(function):
        key = (NUMBERED.sub(r"\1", function[0]), frozenset(calls[function[1]]))
        if key not in seen:
            seen.add(key)
            return function[0]
        return function[0].replace("static ", 'static __attribute__((no_sanitize("address", "undefined"))) ', 1)

    return FUNCTION.sub(marked, source)


def same(one, other):
    """Both outcomes have the same end, weights and metrics."""
    assert (one.status, one.step) == (other.status, other.step)
    assert one.metrics.keys() == other.metrics.keys()
    for name, value in one.metrics.items():
        np.testing.assert_allclose(other.metrics[name], value, rtol=1e-9, atol=1e-9, err_msg=name)
    for node, tensors in one.weights.items():
        for tensor, w in tensors.items():
            np.testing.assert_allclose(other.weights[node][tensor], w, rtol=1e-9, atol=1e-9, err_msg=f"{node}.{tensor}")


def main(names):
    """Train each preset for some steps in both tiers, and print the names of those that give the same numbers."""
    sanitizers = SANITIZERS if os.environ.pop("LD_PRELOAD", "") else ()  # not for the compiler: it would take twice as long
    seen = set()
    compose_once()
    build.FLAGS = ("-O0", *sanitizers, *build.FLAGS[1:])
    build.LINK = (*sanitizers, *build.LINK)
    step.load = lambda source: build.load(only_new(source, seen))
    trainer.allocated = function.allocated = exactly
    for name in names:
        if name == PRODUCTS:
            for layouts in LAYOUTS:
                products_at_edges(*layouts, "float32")
            print(name, flush=True)
            continue
        try:
            for outcomes in zip(*(presets.trained(name, tier, presets.STEPS[name]) for tier in TIERS), strict=True):
                same(*outcomes)
            if name in presets.SINGLE:
                presets.trained(name, "compiled", 2, dtype="float32")
            print(name, flush=True)
        except AssertionError:
            print(name, traceback.format_exc(), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
