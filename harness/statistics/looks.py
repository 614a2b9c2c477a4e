"""How certain each look at a growing study may be, so that all its looks together err no more often than stated.

Who looks, adds seeds or searches where nothing is shown, and looks again, finds a difference that is not there more
often than 5 times in 100: after three looks 9 to 12 times. Planned looks therefore share the error, by the spending
function of Pocock's type of Lan and DeMets (1983, Biometrika 70:659): equal steps of information are assumed, and each
look's error is taken as that of a test with Student's t (Jennison and Turnbull 2000, section 11.5). Looks share their
speakers, which makes them more alike than the independent steps that the function assumes: in this it errs on the safe
side. All that is said is relative to a single look, whose own interval has the coverage that docs/statistics.md states.

Each look that was not planned halves the error that is left: alpha, alpha / 2, alpha / 4 ..., which together are less
than 2 alpha, however many there are.
"""

from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

_POINTS = 200


def level_of_look(number: int, planned: int, level: float) -> float:
    """The level of the intervals of a look.

    Args:
        number: of the look, from 1; beyond the planned ones each is one that was not planned.
        planned: looks that were planned before the first, 1 or more.
        level: of a single look, in (0, 1).

    Example:
        >>> [round(level_of_look(k, 3, 0.95), 4) for k in (1, 2, 3, 4)]
        [0.9774, 0.9783, 0.9783, 0.975]
        >>> [round(level_of_look(k, 1, 0.95), 4) for k in (1, 2, 3)]
        [0.95, 0.975, 0.9875]
    """
    if number <= planned:
        return 1 - _errors(planned, 1 - level)[number - 1]
    return 1 - (1 - level) * 0.5 ** (number - planned)


def bound_of_error(number: int, planned: int, level: float) -> float:
    """The probability that any of so many looks errs is at most this.

    Example:
        >>> round(bound_of_error(3, 3, 0.95), 3), round(bound_of_error(4, 3, 0.95), 3)
        (0.05, 0.1)
    """
    return (1 - level) * (1 if number <= planned else 2)


@cache
def _errors(n: int, alpha: float) -> tuple[float, ...]:
    """The two-sided error of each of n looks at equal steps of information.

    The sum of what was measured until look j is Gaussian with variance j / n. `sums` are the nodes of a Gauss-Legendre
    rule between the boundaries of the last look, `mass` is the probability at each of having crossed none before.
    """
    spent = [alpha * np.log1p(np.expm1(1) * j / n) for j in range(n + 1)]
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    sums, mass = np.zeros(1), np.ones(1)
    step = np.sqrt(1 / n)
    errors = []
    for j in range(1, n + 1):

        def excess(z: float, j: int = j, sums: np.ndarray = sums, mass: np.ndarray = mass) -> float:
            end = z * np.sqrt(j / n)
            crossing = norm.sf((end - sums) / step) + norm.cdf((-end - sums) / step)
            return float(mass @ crossing) - float(spent[j] - spent[j - 1])

        z = float(brentq(excess, 0.5, 10.0))
        errors.append(2 * float(norm.sf(z)))
        end = z * np.sqrt(j / n)
        at = end * nodes
        mass = end * weights * (norm.pdf((at[:, None] - sums[None, :]) / step) / step @ mass)
        sums = at
    return tuple(errors)
