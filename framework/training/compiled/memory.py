"""Memory of a call: pieces of one workspace, used again once nobody reads them."""

from __future__ import annotations

import numpy as np

ALIGNED = 64  # bytes


class Workspace:
    """
    Attributes:
        size: bytes that are needed in all.
    """

    def __init__(self) -> None:
        self.size = 0
        self.left: list[tuple[int, int]] = []  # (start, size) of pieces that are free again

    def take(self, size: int) -> int:
        """Where a piece begins."""
        fitting = [(room, start) for start, room in self.left if room >= size]
        if fitting:
            room, start = min(fitting)
            self.left.remove((start, room))
            if room > size:
                self.left.append((start + size, room - size))
            return start
        self.size += size
        return self.size - size

    def give(self, start: int, size: int) -> None:
        """Give a piece back, together with what is free beside it."""
        for other, room in list(self.left):
            if other + room == start or start + size == other:
                self.left.remove((other, room))
                start, size = min(start, other), size + room
        self.left.append((start, size))

    def lend(self, size: int) -> int:
        """Where a piece begins that is needed for one kernel only."""
        start = self.take(size)
        self.give(start, size)
        return start


def allocated(size: int) -> np.ndarray:
    """Memory of so many bytes, which begins at a multiple of the alignment."""
    memory = np.empty(size + ALIGNED, np.uint8)
    return memory[-memory.ctypes.data % ALIGNED :]


def aligned(size: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // ALIGNED) * ALIGNED
