"""Each update in one pass over memory, compiled by Numba. Imported only if the compiled tier runs.

The kernels do the arithmetic of the array forms in the same order, separately for each element of w; so the results are the
same for any number of threads. Arrays are (R, P), with any stride between rows; `c` (K, R) holds K factors per replica.
A kernel works on the elements start ... stop of the R P elements in row-major order.
"""

from __future__ import annotations

import functools
import importlib
import math
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange, types
from numba.extending import intrinsic

FEWEST = 100_000  # elements; with fewer, a second thread does not repay its start on a busy machine
NUMBER = (float, int)
_forked = False


def jit(**options: Any) -> Any:
    """njit, cached on disk if there is a folder for it. No fastmath: it would hide non-finite values."""

    def decorate(function: Any) -> Any:
        try:
            return njit(cache=True, nogil=True, error_model="numpy", **options)(function)
        except RuntimeError:  # neither the package's folder nor the user's is writable
            return njit(nogil=True, error_model="numpy", **options)(function)

    return decorate


@intrinsic
def piece(_: Any, a: Any, r: Any, start: Any, stop: Any) -> Any:
    """a[r, start:stop] of an array (R, P), declared contiguous; otherwise no loop over it would be vectorised."""
    from numba.core import cgutils
    from numba.np.arrayobj import make_array, populate_array

    flat = types.Array(a.dtype, 1, "C")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole, out = make_array(signature.args[0])(context, builder, args[0]), make_array(flat)(context, builder)
        _, r, start, stop = args
        size, stride = whole.itemsize, cgutils.unpack_tuple(builder, whole.strides)[0]
        at = builder.add(builder.mul(r, stride), builder.mul(start, size))
        data, length = cgutils.pointer_add(builder, whole.data, at, whole.data.type), builder.sub(stop, start)
        populate_array(out, data=data, shape=[length], strides=[size], itemsize=size, meminfo=None)
        return out._getvalue()

    return flat(a, types.intp, types.intp, types.intp), code


@jit()
def _sgd(w, g, c, start, stop):  # type: ignore[no-untyped-def]
    P = w.shape[1]
    for r in range(start // P, -(-stop // P)):
        a, b = max(start - r * P, 0), min(stop - r * P, P)
        W, G, lr = piece(w, r, a, b), piece(g, r, a, b), c[0, r]
        for i in range(W.size):
            W[i] -= lr * G[i]


@jit()
def _momentum(w, g, m, c, start, stop):  # type: ignore[no-untyped-def]
    P = w.shape[1]
    for r in range(start // P, -(-stop // P)):
        a, b = max(start - r * P, 0), min(stop - r * P, P)
        W, G, M = piece(w, r, a, b), piece(g, r, a, b), piece(m, r, a, b)
        alpha, inside, outside = c[0, r], c[1, r], c[2, r]
        for i in range(W.size):
            M[i] = alpha * M[i] - inside * G[i]
            W[i] += outside * M[i]


@jit()
def _rms(w, g, s, c, start, stop):  # type: ignore[no-untyped-def]
    P = w.shape[1]
    for r in range(start // P, -(-stop // P)):
        a, b = max(start - r * P, 0), min(stop - r * P, P)
        W, G, S = piece(w, r, a, b), piece(g, r, a, b), piece(s, r, a, b)
        gamma, rest, inside, outside, lr = c[0, r], c[1, r], c[2, r], c[3, r], c[4, r]
        for i in range(W.size):
            S[i] = gamma * S[i] + rest * (G[i] * G[i])
            W[i] -= lr * G[i] / (math.sqrt(S[i] + inside) + outside)


@jit()
def _adam(w, g, m, v, c, start, stop):  # type: ignore[no-untyped-def]
    P = w.shape[1]
    for r in range(start // P, -(-stop // P)):
        a, b = max(start - r * P, 0), min(stop - r * P, P)
        W, G, M, V = piece(w, r, a, b), piece(g, r, a, b), piece(m, r, a, b), piece(v, r, a, b)
        beta1, rest1, beta2, rest2 = c[0, r], c[1, r], c[2, r], c[3, r]
        inside, outside, lr, kept = c[4, r], c[5, r], c[6, r], c[7, r]
        for i in range(W.size):
            m_i = beta1 * M[i] + rest1 * G[i]
            v_i = beta2 * V[i] + rest2 * (G[i] * G[i])
            M[i], V[i] = m_i, v_i
            W[i] = kept * W[i] - m_i / (math.sqrt(v_i + inside) + outside) * lr


# Numba does not cache a compiled function that has another one as its argument: hence four of these.
@jit(parallel=True)
def _sgd_threads(w, g, c, size):  # type: ignore[no-untyped-def]
    for k in prange(-(-w.size // size)):
        _sgd(w, g, c, k * size, min(w.size, (k + 1) * size))


@jit(parallel=True)
def _momentum_threads(w, g, m, c, size):  # type: ignore[no-untyped-def]
    for k in prange(-(-w.size // size)):
        _momentum(w, g, m, c, k * size, min(w.size, (k + 1) * size))


@jit(parallel=True)
def _rms_threads(w, g, s, c, size):  # type: ignore[no-untyped-def]
    for k in prange(-(-w.size // size)):
        _rms(w, g, s, c, k * size, min(w.size, (k + 1) * size))


@jit(parallel=True)
def _adam_threads(w, g, m, v, c, size):  # type: ignore[no-untyped-def]
    for k in prange(-(-w.size // size)):
        _adam(w, g, m, v, c, k * size, min(w.size, (k + 1) * size))


SGD, MOMENTUM, RMS, ADAM = range(4)
KERNELS = ((_sgd, _sgd_threads), (_momentum, _momentum_threads), (_rms, _rms_threads), (_adam, _adam_threads))


def sgd(w: Any, g: Any, lr: Any) -> None:
    """w <- w - lr g"""
    _run(SGD, (w, g), (lr,))


def momentum(w: Any, g: Any, M: Any, alpha: Any, inside: Any, outside: Any) -> None:
    """M <- alpha M - inside g;  w <- w + outside M"""
    _run(MOMENTUM, (w, g, M), (alpha, inside, outside))


def rms(w: Any, g: Any, G: Any, gamma: Any, rest: Any, inside: Any, outside: Any, lr: Any) -> None:
    """G <- gamma G + rest g^2;  w <- w - lr g / (sqrt(G + inside) + outside)"""
    _run(RMS, (w, g, G), (gamma, rest, inside, outside, lr))


def adam(w: Any, g: Any, m: Any, v: Any, *factors: Any) -> None:
    """m <- beta1 m + rest1 g;  v <- beta2 v + rest2 g^2;  w <- kept w - m / (sqrt(v + inside) + outside) lr

    factors: beta1, rest1, beta2, rest2, inside, outside, lr, kept.
    """
    _run(ADAM, (w, g, m, v), factors)


def _run(kernel: int, arrays: Sequence[Any], factors: Sequence[Any]) -> None:
    """Run a kernel; factors: numbers, or arrays with one value per replica."""
    arrays = [_rows(a) for a in arrays]
    w = arrays[0]
    if not w.size:
        return
    c = _factors(factors, w.shape[0], w.dtype)
    if w.size >= FEWEST and (threads := _threads()) > 1:
        _ready(kernel, 1, w.dtype, len(arrays))(*arrays, c, -(-w.size // threads))
    else:
        _ready(kernel, 0, w.dtype, len(arrays))(*arrays, c, 0, w.size)


def _factors(factors: Sequence[Any], replicas: int, dtype: Any) -> Any:
    if replicas == 1:  # takes half the time
        return np.array([[f if isinstance(f, NUMBER) else f.item()] for f in factors], dtype)
    c = np.empty((len(factors), replicas), dtype)
    for k, factor in enumerate(factors):
        c[k] = factor if isinstance(factor, NUMBER) else factor.reshape(-1)
    return c


def _rows(a: Any) -> Any:
    """(..., P) as (R, P), in the same memory."""
    if a.ndim != 2:
        a = a.view()
        a.shape = (-1, a.shape[-1])
    if a.strides[1] != a.itemsize and a.shape[1] > 1:
        raise ValueError("the elements of a replica are not contiguous; a compiled update needs that")
    return a


@functools.cache
def _ready(kernel: int, threads: int, dtype: Any, arrays: int) -> Any:
    """The kernel, compiled or loaded for arrays of this dtype and any strides only."""
    array, last = types.Array(types.float32 if dtype == np.float32 else types.float64, 2, "A"), types.intp
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about Numba's environment; a user can do nothing about it
        for which in range(threads + 1):
            found = KERNELS[kernel][which]
            found.disable_compile(False)
            with suppress(OSError):  # the disk is full: it is compiled, but not cached
                found.compile((array,) * (arrays + 1) + (last,) * (2 - which))
            found.disable_compile()
    return found


def _threads() -> int:
    return 1 if _forked or not _has_openmp() else get_num_threads()


@functools.cache
def _has_openmp() -> bool:
    """Whether Numba has OpenMP here; its own pool is slower than one thread, and crashes with two callers at once.

    GNU's OpenMP lets waiting threads spin for milliseconds, unless set otherwise before it is loaded: they would occupy the
    cores of the matrix products that follow, and a step would last twice as long as without kernels.
    """
    ours = not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ)
    if ours:
        os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        return False
    finally:
        if ours:
            del os.environ["GOMP_SPINCOUNT"]
    return True


def _in_child() -> None:
    """Disable threads: GNU's OpenMP ends a forked process that uses threads after its parent did."""
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
