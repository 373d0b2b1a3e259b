"""How many kernels CuPy launches for an operation; the rules were read from the sources of CuPy 14 (cupy/_core).

* An elementwise operation, a reduction, a copy, a fill and an assignment are one launch each; views are none.
* A product of arrays with two axes is one. With three or more, operands that are not C-contiguous are copied, and where
  their replica axes broadcast, three more launches make the pointers of the matrices.
* Up to eight arrays are joined by a copy each; more by one launch, with one to three transfers of pointers to the device.
* An index of one array is one launch; of k arrays 1 + 3 k; of booleans six, and the host waits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FREE = {"empty", "empty_like", "broadcast_to", "broadcast_arrays", "split", "array_split", "hsplit", "vsplit", "expand_dims"}
FREE |= {"swapaxes", "moveaxis", "rollaxis", "transpose", "squeeze", "atleast_1d", "atleast_2d", "atleast_3d", "diagonal"}
FREE |= {"shape", "ndim", "size", "result_type", "can_cast", "promote_types", "issubdtype", "broadcast_shapes", "isscalar"}
FREE |= {
    "may_share_memory",
    "shares_memory",
    "as_strided",
    "sliding_window_view",
    "iinfo",
    "finfo",
    "view",
    "squeeze",
    "flip",
}
REDUCTIONS = {"sum", "mean", "max", "min", "amax", "amin", "any", "all", "prod", "argmax", "argmin"}
KINDS = dict.fromkeys(REDUCTIONS, "reduction") | dict.fromkeys(("zeros", "zeros_like"), "fill")
KINDS |= dict.fromkeys(("ones", "ones_like", "full", "full_like", "arange", "eye", "identity", "linspace", "fill"), "fill")
KINDS |= dict.fromkeys(("where", "clip", "astype", "copy", "round"), "elementwise") | {"take": "index"}
JOINED_AT_ONCE = 8  # arrays
SMALL = 2 << 20  # bytes per array that are joined by one launch


def of_function(name: str) -> tuple[str, int]:
    """The kind of launch, and how many."""
    if name in FREE:
        return "free", 0
    if name in ("var", "std"):
        return "reduction", 3
    return KINDS.get(name, "other"), 1


def of_product(a: np.ndarray, b: np.ndarray, result: np.ndarray) -> tuple[int, int]:
    """Launches of a @ b: products with their pointers, and copies of operands."""
    most = max(a.ndim, b.ndim)
    if most <= 2:
        return 1, 0
    copies = sum(not each.flags.c_contiguous or each.dtype != result.dtype for each in (a, b))
    one, other = ((1,) * (most - each.ndim) + each.shape for each in (a, b))
    return 4 if one[:-2] != other[:-2] else 1, copies


def of_concatenation(arrays: Sequence[np.ndarray], axis: int, result: np.ndarray) -> tuple[int, int]:
    """Launches that join arrays, and transfers to the device."""
    same = len({a.dtype for a in arrays}) == 1
    if len(arrays) <= JOINED_AT_ONCE or not same or result.nbytes >= SMALL * len(arrays):
        return len(arrays), 0
    alike = all(a.flags.c_contiguous and a.shape[axis] == arrays[0].shape[axis] for a in arrays)
    return 1, 1 if alike else 3


def of_index(parts: Sequence[np.ndarray], axes: int) -> int:
    """Launches of an index with these arrays, of an array with so many axes."""
    if any(part.dtype == bool and part.ndim for part in parts):
        return 6
    return 1 if len(parts) == 1 or axes == 1 else 1 + 3 * len(parts)
