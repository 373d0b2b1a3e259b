"""How many threads a matrix product runs on."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from threadpoolctl import ThreadpoolController

# Multiplications. Measured: below, a second thread saves 10 us where cores are idle, and costs milliseconds where not.
SHARED = 10_000_000


def blas_limited(threads: int | None) -> AbstractContextManager[Any]:
    """Matrix products on that many threads; None leaves it as it is."""
    return nullcontext() if threads is None else ThreadpoolController().limit(limits=threads)


def blas_threads() -> int:
    """How many threads a matrix product may use here; the usual environment variables decide it."""
    return max((int(library["num_threads"]) for library in ThreadpoolController().info()), default=1)


def blas_in_loop(multiplications: int) -> AbstractContextManager[Any]:
    """For a loop over products of that size, each of which waits for the one before: small ones stay on one thread.

    Two threads meet at the end of every product. If another process has the second core just then, the first one waits for a
    whole time slice, hundreds of times in a training step.
    """
    return nullcontext() if multiplications > SHARED else _blas().limit(limits=1)


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")  # NumPy's is loaded by now; to look for it takes a millisecond
