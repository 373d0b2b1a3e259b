"""What CuPy 14 lacks beside NumPy, where it makes the host wait, and the part of `cupy.cuda` that stackprop reads."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

# What NumPy has and CuPy 14 has not (tests/training/test_device.py compares them where CuPy is installed).
MISSING = {"linalg": {"diagonal", "matrix_norm", "multi_dot", "outer", "svdvals", "tensordot", "trace", "vecdot"}}
MISSING["linalg"] |= {"vector_norm"}
ABSENT = {"asmatrix", "block", "bmat", "bytes_", "char", "character", "clongdouble", "complex256", "core", "ctypeslib"}
ABSENT |= {"datetime64", "einsum_path", "emath", "errstate", "flexible", "float128", "frompyfunc", "fromregex", "geomspace"}
ABSENT |= {"histogram_bin_edges", "insert", "isnat", "longdouble", "ma", "matrix", "matvec", "memmap", "nanpercentile"}
ABSENT |= {"nanquantile", "ndenumerate", "nditer", "nested_iters", "object_", "polyder", "polydiv", "polyint", "rec"}
ABSENT |= {"recarray", "record", "spacing", "str_", "strings", "timedelta64", "unstack", "vecdot", "vecmat", "void"}
METHODS = {"getfield", "resize", "setfield", "setflags", "ctypes", "to_device"}  # of an array
# CuPy draws other numbers than NumPy, and its `vectorize` takes no Python function.
REFUSED = {"random": "draw with ctx.uniform", "vectorize": "write it with arrays"}
# Functions whose result has a shape that only the numbers tell: the host waits for the device.
WAITING = {"argwhere", "compress", "extract", "flatnonzero", "nonzero", "unique", "setdiff1d", "union1d", "intersect1d"}
WAITING |= {"allclose", "array_equal", "trim_zeros", "unique_all", "unique_counts", "unique_inverse", "unique_values"}
THREADS = 4  # of a block: more would only take turns on a processor
UFUNCS_AT = {"add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"}
UFUNCS_REDUCED = {"add", "multiply", "maximum", "minimum"}


class Cuda:
    """The part of `cupy.cuda` that stackprop reads."""

    def __init__(self, free: int, total: int) -> None:
        self.used: list[int] = []
        self.runtime = SimpleNamespace(
            getDeviceCount=lambda: 1,
            driverGetVersion=lambda: 12090,
            runtimeGetVersion=lambda: 12090,
            getDeviceProperties=lambda number: {"name": b"Double", "totalGlobalMem": total},
            deviceGetPCIBusId=lambda number: f"0000:{number:02}:00.0",
        )
        self.mem_info = (free, total)

    def Device(self, number: int = 0) -> Any:
        """A device, whose memory is read, and which a thread uses."""
        use, nothing = functools.partial(self.used.append, number), lambda: None
        attributes = {"MaxThreadsPerBlock": THREADS}
        return SimpleNamespace(id=number, mem_info=self.mem_info, use=use, synchronize=nothing, attributes=attributes)
