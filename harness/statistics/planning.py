"""What a study can show, before it is run: half of its interval, and the smallest difference that it would find.

The interval is the one that `intervals` computes, from variances that are assumed: of a speaker, and of a search or a
seed, on the difference of two arms. Those assumed here are typical of the shipped experiments (`experiments/LOG.md`);
another corpus has others, and a study's own standard errors say which.
"""

from dataclasses import dataclass, replace

from scipy.optimize import brentq

from harness.statistics.draws import LEAST_PAIRED
from harness.statistics.evidence import POWER, Estimate, power


@dataclass(frozen=True)
class TypicalSpread:
    """Standard deviations in accuracy, in [0, 1]."""

    of_speaker: float = 0.011
    """Of one speaker's difference between two arms."""
    of_search: float = 0.011
    """Of one search, with its final, on an arm."""
    of_paired_search: float = 0.011
    """Of one search on the difference of two arms that draw alike."""
    of_seed: float = 0.004
    """Of one seed on an arm of one configuration."""


def expected_estimate(
    n_speakers: int,
    n_draws: int,
    are_searches: bool,
    are_paired: bool,
    level: float,
    spread: TypicalSpread | None = None,
) -> Estimate:
    """The estimate of a difference of zero that a study is expected to make.

    Args:
        n_draws: searches of each arm, or seeds where there is one configuration of each.
        are_paired: the arms' searches have the same ranges.

    Example:
        >>> round(100 * expected_estimate(16, 5, True, True, 0.95).half, 1)  # points
        1.3
    """
    own = spread or TypicalSpread()
    if are_searches and are_paired and n_draws >= LEAST_PAIRED:
        of_draws: tuple[float, ...] = (own.of_paired_search**2 / n_draws,)
    else:
        of_draws = ((own.of_search if are_searches else own.of_seed) ** 2 / n_draws,) * 2
    return Estimate(
        value=0.0,
        level=level,
        of_units=own.of_speaker**2 / n_speakers,
        of_seeds=of_draws if n_draws > 1 else (0.0,) * len(of_draws),
        of_both=0.0,
        n_units=n_speakers,
        n_seeds=(n_draws,) * len(of_draws),
        are_searches=are_searches,
    )


def smallest_difference(estimate: Estimate) -> float | None:
    """The smallest true difference that is shown with a probability of `POWER`; None of one speaker.

    Example:
        >>> round(100 * smallest_difference(expected_estimate(16, 5, True, True, 0.95)), 1)  # points
        1.9
    """
    if not estimate.is_known or not estimate.se:
        return None

    def short(value: float) -> float:
        return power(replace(estimate, value=value), 0.0, 10.0) - POWER

    return float(brentq(short, 1e-9, 1.0, xtol=1e-6))
