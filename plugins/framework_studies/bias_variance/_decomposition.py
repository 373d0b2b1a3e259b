"""Bias, variance and noise of many networks' predictions, with the error that is their sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Decomposition:
    """The decomposed error of R networks at G points, averaged over the points.

    bias2 = mean_g (f_g - mu_g)^2,  mu = mean_r y_r,  variance = mean_gr (y_rg - mu_g)^2,  noise = E (y - f)^2;
    epe, the expected prediction error, is measured: mean_gr (y - y_rg)^2 against targets y.

    With plain means over the R networks  bias2 + variance = mean_gr (f_g - y_rg)^2  holds exactly. `se` has standard errors:
    of bias2 and variance from leaving out one network at a time (jackknife), of epe from the spread of its R values, and
    of `gap` = epe - (bias2 + variance + noise).
    """

    bias2: float
    variance: float
    noise: float
    epe: float
    gap: float
    se: dict[str, float]


def decompose(y: np.ndarray, f: np.ndarray | None, targets: np.ndarray, noise: float) -> Decomposition:
    """Decompose the squared error of predictions.

    Args:
        y: predictions (R, G).
        f: the truth (G,); None: the targets replace it, and their noise is subtracted from the bias.
        targets: targets for the error, (R, G) with separate noise for each network, or (G,).
        noise: E (y - f)^2.
    """
    truth, hidden = (targets, noise) if f is None else (f, 0.0)
    y, n = y.astype(float), len(y)
    mu = y.mean(0)
    z = y - mu
    bias2, variance = float(np.mean((truth - mu) ** 2)) - hidden, float(np.mean(z**2))
    errors = np.mean((targets - y) ** 2, -1)
    gaps = errors - np.mean((truth - y) ** 2, -1) - (noise - hidden)
    without = -z / (n - 1)  # difference between the mean of the others and mu
    se = {
        "bias2": jackknife(np.mean((truth - mu - without) ** 2, -1)),
        "variance": jackknife(np.mean((np.sum(z**2, 0) - z**2) / (n - 1) - without**2, -1)),
        "epe": float(errors.std(ddof=1) / np.sqrt(n)),
        "gap": float(gaps.std(ddof=1) / np.sqrt(n)),
    }
    return Decomposition(bias2, variance, noise, float(errors.mean()), float(gaps.mean()), se)


def jackknife(left_out: np.ndarray) -> float:
    """The standard error of an estimate, from its R values (R,) without one of R networks each:
    sqrt((R - 1) / R sum_r (v_r - mean v)^2)."""
    n = len(left_out)
    return float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))


def zero_one(classes: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The decomposition of the 0-1 loss (Domingos, ICML 2000): bias is how often the majority class of the networks is
    wrong, variance how often a network predicts another class. They do not add up to the error: if the majority is wrong,
    another prediction may be correct.

    Args:
        classes: the predicted class of each network (R, G).
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
