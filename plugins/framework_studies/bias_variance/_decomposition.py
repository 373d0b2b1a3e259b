"""Bias, variance and noise of many networks' predictions, with the error that they must add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Decomposition:
    """What the predictions of R networks at G places say, averaged over the places.

    bias2 = mean_g (f_g - mu_g)^2,  mu = mean_r y_r,  variance = mean_gr (y_rg - mu_g)^2,  noise = E (y - f)^2;
    epe, the expected prediction error, is measured: mean_gr (y - y_rg)^2 against targets y.

    With plain means over the R networks  bias2 + variance = mean_gr (f_g - y_rg)^2  holds exactly. `se` has standard errors:
    of bias2 and variance by leaving out one network after another (jackknife), of epe from the spread of its R values, and
    of `gap` = epe - (bias2 + variance + noise).
    """

    bias2: float
    variance: float
    noise: float
    epe: float
    gap: float
    se: dict[str, float]


def decompose(y: np.ndarray, f: np.ndarray | None, targets: np.ndarray, noise: float) -> Decomposition:
    """
    Args:
        y: predictions (R, G).
        f: the truth (G,); None: the targets stand for it, and their noise is taken off the bias.
        targets: what the predictions are measured against, (R, G) with noise of its own for each network, or (G,).
        noise: E (y - f)^2.
    """
    truth, hidden = (targets, noise) if f is None else (f, 0.0)
    y, n = y.astype(float), len(y)
    mu = y.mean(0)
    z = y - mu
    bias2, variance = float(np.mean((truth - mu) ** 2)) - hidden, float(np.mean(z**2))
    errors = np.mean((targets - y) ** 2, -1)
    gaps = errors - np.mean((truth - y) ** 2, -1) - (noise - hidden)
    without = -z / (n - 1)  # how far the mean of the others lies from mu
    se = {
        "bias2": jackknife(np.mean((truth - mu - without) ** 2, -1)),
        "variance": jackknife(np.mean((np.sum(z**2, 0) - z**2) / (n - 1) - without**2, -1)),
        "epe": float(errors.std(ddof=1) / np.sqrt(n)),
        "gap": float(gaps.std(ddof=1) / np.sqrt(n)),
    }
    return Decomposition(bias2, variance, noise, float(errors.mean()), float(gaps.mean()), se)


def jackknife(left_out: np.ndarray) -> float:
    """The standard error of an estimate, from the R values (R,) that it has without one of R networks:
    sqrt((R - 1) / R sum_r (v_r - mean v)^2)."""
    n = len(left_out)
    return float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))


def zero_one(classes: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The decomposition of the 0-1 loss (Domingos, ICML 2000): bias is how often the class that most networks name is wrong,
    variance how often a network names another than that. They do not add up to the error: where the majority is wrong,
    another answer may be right.

    Args:
        classes: the class that each network names (R, G).
        truth: (G,).
    """
    most = int(max(classes.max(), truth.max())) + 1
    votes = np.stack([(classes == k).sum(0) for k in range(most)])
    main = votes.argmax(0)
    return {
        "bias": float(np.mean(main != truth)),
        "variance": float(np.mean(classes != main)),
        "error": float(np.mean(classes != truth)),
    }
