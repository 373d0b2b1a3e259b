from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from framework import Field, option
from framework_augmentations._mixing import mixed_labels, shares


@dataclass(frozen=True)
class Cutmix:
    """x = x_i with a box of x_j in it,  t = lambda t_i + (1 - lambda) t_j, with j a random order of the batch and 1 - lambda
    the box's part of the image (Yun et al. 2019).

    Shapes: x (N, C, H, W), the first field; labels t (N,) become probabilities of classes (N, K), real targets (N, F) and
    masks (N,) are mixed. With l ~ Beta(alpha, alpha) the box has the sides W sqrt(1 - l) and H sqrt(1 - l), rounded down,
    around a pixel that is drawn evenly. What is outside of the image is cut off, and lambda is that of the rest. One box
    serves a batch. A loss must take probabilities: softmax_cross_entropy, cross_entropy, binary_cross_entropy, mse. Metrics
    of the training batches compare with the most likely class. alpha = 0 changes nothing. Defaults: alpha = 1 as in the
    paper, in every batch as there for ImageNet; for CIFAR it takes a probability of 0.5.

    Raises:
        ValueError: another field holds ids or sequences.
    """

    whole_batch: ClassVar[bool] = True
    axes: ClassVar[tuple[str, ...]] = ("NCHW",)
    alpha: float = option(1.0, least=0, stackable=True, help="of the distribution of l")
    probability: float = option(1.0, least=0, most=1, stackable=True, help="of a batch being changed")

    def __call__(
        self, batch: Mapping[str, np.ndarray], rng: np.random.Generator, fields: Mapping[str, Field]
    ) -> dict[str, np.ndarray]:
        name, x = next(iter(batch.items()))
        n, H, W = x.shape[0], *x.shape[-2:]
        order, changes = rng.permutation(n), rng.uniform() < self.probability
        kept = float(shares(self.alpha, rng, 1, False)[0]) if changes else 1.0
        half_h, half_w = (int(side * (1 - kept) ** 0.5) // 2 for side in (H, W))
        row, column = rng.integers(H), rng.integers(W)
        top, bottom = max(0, row - half_h), min(H, row + half_h)
        left, right = max(0, column - half_w), min(W, column + half_w)
        y = x.copy()
        y[..., top:bottom, left:right] = x[order][..., top:bottom, left:right]
        share = np.full(n, 1 - (bottom - top) * (right - left) / (H * W))
        return {name: y, **mixed_labels(batch, fields, order, share, leave=(name,))}
