"""The number of threads of a matrix product."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from threadpoolctl import ThreadpoolController

# Multiplications. Measured: below, a second thread saves 10 us on idle cores, and takes milliseconds longer on busy ones.
SHARED = 10_000_000


def blas_limited(threads: int | None) -> AbstractContextManager[Any]:
    """Limit matrix products to `threads` threads; None changes nothing."""
    return nullcontext() if threads is None else ThreadpoolController().limit(limits=threads)


def blas_threads() -> int:
    """The number of threads that a matrix product may use; the usual environment variables set it."""
    return max((int(library["num_threads"]) for library in ThreadpoolController().info()), default=1)


def blas_in_loop(multiplications: int) -> AbstractContextManager[Any]:
    """Limit threads in a loop over dependent products of that size: small ones use one thread.

    Two threads synchronize at the end of every product. If another process holds the second core, the first thread waits for
    a whole time slice, hundreds of times in a training step.
    """
    return nullcontext() if multiplications > SHARED else _blas().limit(limits=1)


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")  # NumPy's is loaded by now; the search takes a millisecond
