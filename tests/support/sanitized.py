"""A process of its own: short trainings of presets, compiled with the sanitizers. An error ends it."""

import sys

import numpy as np
import presets

from framework.training.compiled import build, trainer

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def exactly(size):
    """Memory without a number to spare, so that one too many is noticed."""
    return np.empty(size, np.uint8)


def main(names):
    """Train each preset for a few steps, and print its name."""
    build.FLAGS = ("-O0", *SANITIZERS, *build.FLAGS[1:])
    build.LINK = (*SANITIZERS, *build.LINK)
    trainer.aligned = exactly
    for name in names:
        presets.trained(name, "compiled", 5, dtype="float32")
        print(name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
