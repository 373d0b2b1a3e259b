"""How many threads a matrix product runs on, and how many heaps the threads share."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from framework import Context, discover
from framework.core.threads import blas_in_loop, blas_limited


def fewest():
    """Threads of NumPy's BLAS. Others may have been loaded later, by SciPy; they have more."""
    return min(library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info())


def test_small_products_in_a_loop_stay_on_one_thread():
    with blas_limited(2):
        with blas_in_loop(32 * 128 * 512):
            assert fewest() == 1
        assert fewest() == 2
        with blas_in_loop(20 * 650 * 2600):
            assert fewest() == 2


def test_a_small_recurrent_layer_steps_on_one_thread(monkeypatch):
    get, seen = discover().get, []
    gru = get("cell", "gru")
    step, back = gru.step, gru.back
    monkeypatch.setattr(gru, "step", lambda *args: (seen.append(fewest()), step(*args))[1])
    monkeypatch.setattr(gru, "back", lambda *args: (seen.append(fewest()), back(*args))[1])
    layer, ctx, generator = get("layer", "recurrent")(gru(2)), Context(), np.random.default_rng(0)
    with blas_limited(2):
        p, _ = layer.init(generator, (None, 3))
        y, cache = layer.forward(p, generator.standard_normal((4, 5, 3)), ctx)
        layer.backward(p, cache, y, ctx)
        assert fewest() == 2
    assert seen == [1] * 8


HEAPS = """
import ctypes, multiprocessing, os, sys, threading
if sys.argv[1:] == ["command"]:
    from framework.core.process import limit_heaps
    limit_heaps()
elif sys.argv[1:] == ["worker"]:
    from framework.sweeps.executors.processes import work
    ours, theirs = multiprocessing.Pipe()
    theirs.close()  # there is nothing to train
    work(ours, 0, 1)
C, together, threads = ctypes.CDLL(None), threading.Barrier(4 * os.cpu_count()), []
C.malloc.restype, C.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
for _ in range(together.parties):  # all hold memory of their heaps at the same time
    threads.append(threading.Thread(target=lambda: (C.malloc(100_000), together.wait())))
    threads[-1].start()
for thread in threads:
    thread.join()
C.fopen.restype, C.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
C.malloc_info(0, C.fopen(b"/dev/stdout", b"w"))
C.fflush(None)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="another library of C")
def test_threads_share_a_heap_for_each_core():
    own = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    heaps = [
        subprocess.run([sys.executable, "-c", HEAPS, *words], env=own, stdout=subprocess.PIPE, check=True).stdout.count(
            b"<heap "
        )
        for words in ([], ["command"], ["worker"])
    ]
    assert max(heaps[1:]) <= (os.cpu_count() or 1) < heaps[0]
