"""A process of its own: short trainings of presets, compiled with the sanitizers. An error ends it."""

import os
import re
import sys
from collections import defaultdict

import numpy as np
import presets

from framework.training.compiled import build, step, trainer

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
QUICK = (
    "-O0",
    "--param=asan-instrumentation-with-call-threshold=0",
)  # checks as calls are compiled in two thirds of the time
FUNCTION = re.compile(r"^static NOINLINE void (\w+)\(.*?^}$", re.M | re.S)
CALL = re.compile(r"\b((?:kernel|product|part|block_|pack_)\w*)(.*)")
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


def main(names):
    """Train each preset for a few steps, and print its name."""
    del os.environ["LD_PRELOAD"]  # not for the compiler, which would take twice as long
    seen = set()
    build.FLAGS = (*QUICK, *SANITIZERS, *build.FLAGS[1:])
    build.LINK = (*SANITIZERS, *build.LINK)
    step.load = lambda source: build.load(only_new(source, seen))
    trainer.allocated = exactly
    for name in names:
        presets.trained(name, "compiled", 2, dtype="float32")
        print(name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
