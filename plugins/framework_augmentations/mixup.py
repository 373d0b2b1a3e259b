from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from framework import Field, option
from framework_augmentations._mixing import mixed_labels, shares


@dataclass(frozen=True)
class Mixup:
    """x = lambda x_i + (1 - lambda) x_j,  t = lambda t_i + (1 - lambda) t_j,  lambda ~ Beta(alpha, alpha), with j a random
    order of the batch (Zhang et al. 2018).

    Shapes: x (N, F), (N, C, H, W) or (N,); labels t (N,) become probabilities of classes (N, K), real targets (N, F) and
    masks (N,) are mixed as x. lambda is one number for a batch, as in the paper's code, or with `draw: example` one for
    each example. A loss must take probabilities: softmax_cross_entropy, cross_entropy, binary_cross_entropy, mse. Metrics
    of the training batches compare with the most likely class. alpha = 0 mixes nothing. Default alpha: the paper's for
    ImageNet, 0.1 to 0.4; for CIFAR-10 it takes 1.

    Raises:
        ValueError: a field holds ids or sequences.
    """

    whole_batch: ClassVar[bool] = True
    axes: ClassVar[tuple[str, ...]] = ("N", "NF", "NCHW")
    alpha: float = option(0.2, least=0, stackable=True, help="of the distribution of lambda: small is close to 0 or 1")
    draw: Literal["batch", "example"] = option("batch", help="one lambda for a batch, or for each example")

    def __call__(
        self, batch: Mapping[str, np.ndarray], rng: np.random.Generator, fields: Mapping[str, Field]
    ) -> dict[str, np.ndarray]:
        n = len(next(iter(batch.values())))
        order = rng.permutation(n)
        return mixed_labels(batch, fields, order, shares(self.alpha, rng, n, self.draw == "example"))
