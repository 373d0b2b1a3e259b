"""CUDA C on a processor: the same source as C, whose threads are fibers that take turns at every barrier.

A thread runs until its barrier before the next one begins, in odd launches from the last thread to the first. A barrier that
is missing therefore gives wrong numbers every time, and one that some threads do not reach is an error.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.training.compiled.build import load

FLAGS = ("-O1", "-fPIC", "-std=gnu11", "-w")
PARAMETERS = 8  # of a kernel, at most: numbers of 64 bits

TYPES = r"""
#define SHIM
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#define KERNEL void
#define DEVICE static
#define SHARED static
#define __device__
struct dim { int x, y; };
static uint64_t __umul64hi(uint64_t a, uint64_t b) { return (uint64_t)((unsigned __int128)a * b >> 64); }
typedef void (*kernel)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t);
"""

FIBERS = r"""
#include <ucontext.h>
#define STACK 131072
static struct dim threadIdx, blockIdx, gridDim;
static ucontext_t fibers[1024], caller;
static int count, running, ended, backwards;
static kernel called;
static const int64_t *given;
static void resume(int next) { running = next; threadIdx.x = backwards ? count - 1 - next : next; }
static void __syncthreads(void) {
  const int me = running, next = (me + 1) % count;
  if (ended) { swapcontext(&fibers[me], &caller); }
  resume(next);
  if (next != me) swapcontext(&fibers[me], &fibers[next]);
}
static void fiber(void) {
  called(given[0], given[1], given[2], given[3], given[4], given[5], given[6], given[7]);
  if (++ended < count && running + 1 < count) { resume(running + 1); setcontext(&fibers[running]); }
}
int launch(kernel function, const int64_t *grid, int64_t threads, const int64_t *arguments, int64_t odd) {
  char *stacks = malloc(threads * STACK);
  called = function; given = arguments; count = threads; backwards = odd; gridDim.x = grid[0]; gridDim.y = grid[1];
  for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++)
    for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++) {
      for (int i = 0; i < count; i++) {
        getcontext(&fibers[i]);
        fibers[i].uc_stack.ss_sp = stacks + i * STACK; fibers[i].uc_stack.ss_size = STACK; fibers[i].uc_link = &caller;
        makecontext(&fibers[i], fiber, 0);
      }
      ended = 0; resume(0);
      swapcontext(&caller, &fibers[0]);
      if (ended < count) { free(stacks); return 1; }
    }
  free(stacks);
  return 0;
}
"""


class DivergedError(RuntimeError):
    """Some threads of a block ended before others came to a barrier."""


class RawModule:
    """The module of a source, as `cupy.RawModule`.

    Args:
        xp: the substitute, which counts launches.
        code: CUDA C that is C too.
    """

    def __init__(self, xp: Any, code: str, options: Sequence[str] = ()) -> None:
        self.xp, self.library = xp, load("\n".join([TYPES, FIBERS, code]), FLAGS)

    def get_function(self, name: str) -> Any:
        """A kernel."""
        return functools.partial(self._launch, getattr(self.library, name))

    def _launch(self, kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any]) -> None:
        self.xp.launch("kernel")
        numbers = [a.data.ptr if hasattr(a, "data") and hasattr(a, "xp") else int(a) for a in args]
        given = np.array(numbers + [0] * (PARAMETERS - len(numbers)), np.int64)
        shape = np.array([*grid, 1][:2], np.int64)
        at = [ctypes.c_void_p(shape.ctypes.data), ctypes.c_int64(block[0]), ctypes.c_void_p(given.ctypes.data)]
        if self.library.launch(kernel, *at, ctypes.c_int64(self.xp.launches["kernel"] % 2)):
            raise DivergedError("some threads of a block ended before others came to a barrier")
