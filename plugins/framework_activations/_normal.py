"""The distribution function of the normal distribution, which no array module has."""

from __future__ import annotations

from framework import Array, Context

MIDDLE = 5.0
# Phi(-a) (a + 5) e^(a^2 / 2) is a smooth function of t = (a - 5) / (a + 5), which lies from -1 to 1. These are the
# coefficients of the polynomial through its values at the 21 Chebyshev points, computed with 60 digits.
COEFFICIENTS = (
    0.769193049750063,
    -0.6653825028900684,
    0.49530561596999373,
    -0.31353315667043613,
    0.16502036616910737,
    -0.06911863872545303,
    0.020795066827479357,
    -0.0029933765747193974,
    -0.00079786967110367,
    0.0005448979466789322,
    -5.937425457262407e-05,
    -4.9758894070734006e-05,
    1.6676472037656617e-05,
    3.97204049415689e-06,
    -2.759874941010689e-06,
    -3.2349752238913653e-07,
    4.2180192143952694e-07,
    2.9828593619069363e-08,
    -5.814075964829984e-08,
    -2.3627806839641375e-09,
    5.151491483910553e-09,
)


def normal_cdf(x: Array, ctx: Context) -> tuple[Array, Array]:
    """Phi(x) = (1 + erf(x / sqrt(2))) / 2, exact to 1e-15, and e^(-x^2 / 2)."""
    xp = ctx.xp
    a = xp.abs(x)
    t = (a - MIDDLE) / (a + MIDDLE)
    p = xp.full_like(t, COEFFICIENTS[-1])
    for c in COEFFICIENTS[-2::-1]:
        p *= t
        p += c
    bell = xp.exp(-0.5 * x * x)
    below = bell * p / (a + MIDDLE)
    return xp.where(x < 0, below, 1 - below), bell
