"""Counter-based random streams: every draw is a pure function of its purpose.

A generator is created from (replica key, stream name, step, draw index), so nothing about randomness is ever stored,
a resumed run continues exactly, and a replica's random numbers do not depend on its position in a stack.
The bit generator is Philox 4x64 (Salmon et al. 2011), on the host, so that CPU and GPU runs see the same numbers.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np

Key = int | tuple[int, ...]  # a job's seed, or (seed, member) inside a study


def philox_key(key: Key, name: str) -> tuple[int, int]:
    """The two words that a replica's stream has as its key."""
    # 7 and np.int64(7) are the same key
    return _hashed(tuple(map(int, key)) if isinstance(key, tuple) else int(key), name)


@functools.lru_cache(maxsize=65536)
def _hashed(key: Key, name: str) -> tuple[int, int]:
    digest = hashlib.blake2b(f"{key!r}/{name}".encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers from U[0, 1), with 24 bits each."""
    return rng.random(shape, np.float32)


def generator(key: Key, name: str, step: int = 0, draw: int = 0) -> np.random.Generator:
    """The random numbers of one purpose.

    Args:
        key: the replica's key.
        name: the purpose of the numbers: a node's name, `init/<node>`, `order` ...
        step: the training step, or the epoch for what is drawn once per epoch.
        draw: the number of the draw, for several draws of one node in one step.
    """
    words = np.array([0, 0, draw, step], np.uint64)  # the low two words count the numbers drawn
    return np.random.Generator(np.random.Philox(key=np.array(philox_key(key, name), np.uint64), counter=words))
