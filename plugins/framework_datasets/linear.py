from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from framework import Data, Field, option


@dataclass(frozen=True)
class Linear:
    """y = x w + sigma e,  e ~ N(0, 1), every w_j 1 or -1: regression for a linear model, with rare features or
    with true weights that change during training.

    Fields: x (n, features), y (n, 1). x_j ~ N(0, 1). With `rarest`, x_j is 1 with probability p_j and otherwise 0, with p_j
    from 1/2 down to `rarest` in equal ratios, like the words of a text. With `period` all w_j change their sign after
    that many training examples: a stream, for `trainer.shuffle=false trainer.epochs=1`; the other splits use the w at
    its end.
    """

    features: int = option(10, least=1, help="columns of x")
    n: int = option(100, least=1, help="training examples")
    n_val: int = option(1000, least=0, help="validation examples")
    n_test: int = option(1000, least=0, help="test examples")
    sigma: float = option(0.1, least=0, help="standard deviation of the noise")
    rarest: float | None = option(None, above=0, below=0.5, help="probability of 1 of the rarest feature; null: normal ones")
    period: int | None = option(None, least=1, help="training examples between changes of w; null: w is constant")

    def load(self, rng: np.random.Generator) -> Data:
        w = rng.choice([-1.0, 1.0], (self.features, 1))
        splits = {}
        for split, n in (("train", self.n), ("val", self.n_val), ("test", self.n_test)):
            x = self._features(rng, n)
            sign = self._sign(np.arange(n) if split == "train" else np.full(n, self.n - 1))
            if n:
                splits[split] = {"x": x, "y": sign[:, None] * (x @ w) + self.sigma * rng.standard_normal((n, 1))}
        end = w * self._sign(np.array([self.n - 1]))
        return Data(splits, {"x": Field("NF"), "y": Field("NF")}, f=lambda x: x @ end, sigma=self.sigma)

    def _features(self, rng: np.random.Generator, n: int) -> np.ndarray:
        if self.rarest is None:
            return rng.standard_normal((n, self.features))
        return (rng.uniform(size=(n, self.features)) < np.geomspace(0.5, self.rarest, self.features)).astype(float)

    def _sign(self, example: np.ndarray) -> np.ndarray:
        """1 or -1: the sign of w at a training example, by its index."""
        return np.ones(len(example)) if self.period is None else 1.0 - 2.0 * (example // self.period % 2)
