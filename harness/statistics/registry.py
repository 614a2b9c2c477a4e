"""Every measure that there is, each once: tables, pairs, claims, MLflow and the JSON go by what stands here.

To add one that follows from confusion counts, add an entry to `metrics.OF_COUNTS`. One that takes every frame has its
entry in `frame_measures.OF_FRAMES`, and how it is computed in `harness.comparison.frames`.
"""

from collections.abc import Sequence

from harness.statistics.frame_measures import OF_FRAMES
from harness.statistics.metrics import OF_COUNTS, Metric, OfCounts

LOG_LOSS = Metric("log_loss", "log-loss", "log-loss", lower_is_better=True, is_compared=False)
"""Mean cross-entropy of a frame in nats; neither of counts nor of what finals keep of the frames."""

METRICS: dict[str, Metric] = {metric.name: metric for metric in (*OF_COUNTS, LOG_LOSS, *OF_FRAMES)}
"""Name -> measure, in the order in which they are shown."""


def of_counts(phonemes: Sequence[str]) -> dict[str, OfCounts]:
    """Name -> what gives the measure from counts, for classes of these names (C,).

    Example:
        >>> list(of_counts(["AA", "K"]))
        ['accuracy', 'macro_f1', 'accuracy_without_silence', 'balanced_accuracy']
    """
    return {metric.name: metric.function(phonemes) for metric in METRICS.values() if metric.of_counts}


def comparable() -> list[Metric]:
    """The measures that pairs of arms are compared by, and that claims may name.

    Example:
        >>> [metric.name for metric in comparable() if metric.lower_is_better]
        ['phone_error_rate', 'phone_error_rate_plain']
    """
    return [metric for metric in METRICS.values() if metric.is_compared]


def headline() -> list[Metric]:
    """The measures of the short table of arms.

    Example:
        >>> [metric.short for metric in headline()]
        ['accuracy', 'macro-F1', 'no silence']
    """
    return [metric for metric in METRICS.values() if metric.is_headline]


def display_order() -> list[Metric]:
    """All measures as a long table has them: those that arms are compared by first, log-loss, in nats, last.

    Example:
        >>> display_order()[-1].title
        'log-loss'
    """
    return sorted(METRICS.values(), key=lambda metric: (not metric.is_compared, metric.name == LOG_LOSS.name))
