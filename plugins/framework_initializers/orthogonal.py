from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Shape, option


@dataclass(frozen=True)
class Orthogonal:
    """W = gain Q, Q with orthonormal rows or columns, whichever are fewer (Saxe et al. 2014).

    Shapes: W and Q (i, o). Lengths are preserved, so that signals in a deep linear network neither grow nor vanish. Q comes
        from the QR
    decomposition of a normal matrix, with the signs of R's diagonal, which makes it uniform.
    """

    gain: float = option(1.0, above=0, stackable=True, help="factor on lengths")

    def __call__(self, rng: np.random.Generator, shape: Shape, fans: tuple[int, int] | None = None) -> np.ndarray:
        rows, columns = shape[-2:]
        Q, R = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        Q = Q * np.sign(np.diagonal(R))
        return self.gain * (Q if rows >= columns else Q.swapaxes(-1, -2))
