"""From confusion counts to the numbers that people compare. Everything follows from counts; nothing is trained.

A measure of counts is a function and an entry in `OF_COUNTS`; `harness.statistics.registry` has those of all kinds.

Legend: C classes, S seeds; counts (..., C, C) have rows true and columns predicted. The functions take three marginals
with any leading axes (utterances, seeds, resamples): correct (..., C), predicted (..., C), true (..., C).

0/0 is 0 throughout: a class that is never predicted has precision 0, one that never occurs has recall and F1 0.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from harness.phones import BROAD, SILENCE

OfCounts: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(correct, predicted, true), each (..., C) -> (...) or, one value per class, (..., C)."""


@dataclass(frozen=True)
class Metric:
    """A measure of what an arm reaches on test."""

    name: str
    """Its key in `comparison.json`, and what a claim calls it."""
    title: str
    """What tables and sentences call it."""
    short: str
    """The same, where there is little room."""
    of_counts: OfCounts | None = None
    """What gives it from confusion counts, as a share in [-1, 1]; None where counts do not suffice."""
    without: tuple[str, ...] = ()
    """True phonemes whose frames are left out, of a measure from counts."""
    lower_is_better: bool = False
    is_compared: bool = True
    """Whether pairs of arms are compared by it, and claims may name it."""
    is_headline: bool = False
    """Whether it stands in the short table of arms."""

    def function(self, phonemes: Sequence[str]) -> OfCounts:
        """What gives a measure from counts, for classes of these names (C,).

        Example:
            >>> frames = np.array([4, 4]), np.array([5, 5]), np.array([6, 4])  # right, predicted, true
            >>> metric = Metric("x", "x", "x", accuracy, without=("[SIL]",))
            >>> round(float(metric.function(["[SIL]", "AA"])(*frames)), 2)  # 4 of 4 frames of AA
            1.0
        """
        assert self.of_counts is not None, f"{self.name} is not from counts"
        if not self.without:
            return self.of_counts
        return partial(_without, self.of_counts, [i for i, name in enumerate(phonemes) if name in self.without])


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A measure over an arm's seeds."""

    mean: float
    std: float | None
    """Standard deviation (n - 1); None of one seed."""
    per_seed: tuple[float, ...]
    """(S,)"""


def spread(per_seed: Sequence[float], weights: Sequence[float] | None = None) -> Spread:
    """Mean and standard deviation (n - 1) over seeds; one seed has none.

    Args:
        weights: (S,) of the mean, with sum 1; equal ones if not given.

    Example:
        >>> spread([0.70, 0.72])
        Spread(mean=0.71, std=0.014142135623730963, per_seed=(0.7, 0.72))
    """
    std = float(np.std(per_seed, ddof=1)) if len(per_seed) > 1 else None
    return Spread(mean=float(np.average(per_seed, weights=weights)), std=std, per_seed=tuple(per_seed))


def marginals(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(..., C, C) -> correct, predicted and true, each (..., C).

    Example:
        >>> correct, predicted, true = marginals(np.array([[5, 1], [2, 2]]))
        >>> correct.tolist(), predicted.tolist(), true.tolist()
        ([5, 2], [7, 3], [6, 4])
    """
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-2), counts.sum(axis=-1)


def accuracy(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Share of frames that are right.

    Example:
        >>> float(accuracy(*marginals(np.array([[5, 1], [2, 2]]))))
        0.7
    """
    return _ratio(correct.sum(axis=-1), true.sum(axis=-1))


def f1(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """F1 of each class, (..., C).

    Example:
        >>> f1(*marginals(np.array([[5, 1], [2, 2]]))).round(2).tolist()
        [0.77, 0.57]
    """
    return _ratio(2 * correct, predicted + true)


def macro_f1(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur in the truth, each class counting the same.

    scikit-learn's `f1_score(average="macro", labels=<classes that occur>)`. Left to itself scikit-learn would also
    count, as 0, a class that is predicted but never occurs, so that one stray frame costs a fortieth of the score.

    Example:
        >>> round(float(macro_f1(*marginals(np.array([[5, 1], [2, 2]])))), 2)
        0.67
    """
    occurs = true > 0
    return _ratio((f1(correct, predicted, true) * occurs).sum(axis=-1), occurs.sum(axis=-1))


def balanced_accuracy(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that occur: accuracy if all were equally frequent. As scikit-learn's.

    Example:
        >>> round(float(balanced_accuracy(*marginals(np.array([[5, 1], [2, 2]])))), 2)  # of 5 / 6 and 2 / 4
        0.67
    """
    return _ratio(_ratio(correct, true).sum(axis=-1), (true > 0).sum(axis=-1))


def _without(
    function: OfCounts, left_out: Sequence[int], correct: np.ndarray, predicted: np.ndarray, true: np.ndarray
) -> np.ndarray:
    """A measure over the frames whose true class is not left out; what is taken for such a class remains an error.

    Silence is plentiful and easy, and flatters accuracy. Where no class is left out this is the measure itself.
    """
    classes = np.delete(np.arange(true.shape[-1]), list(left_out))
    return function(correct[..., classes], predicted[..., classes], true[..., classes])


OF_COUNTS = (
    Metric("accuracy", "accuracy", "accuracy", accuracy, is_headline=True),
    Metric("macro_f1", "macro-F1", "macro-F1", macro_f1, is_headline=True),
    Metric(
        "accuracy_without_silence",
        "accuracy without silence",
        "no silence",
        accuracy,
        without=(SILENCE,),
        is_headline=True,
    ),
    Metric("balanced_accuracy", "balanced accuracy", "balanced", balanced_accuracy),
)
"""The measures from counts, most important first."""


@dataclass(frozen=True, kw_only=True)
class PhonemeScores:
    """A phoneme's scores, each in [0, 1]."""

    phoneme: str
    precision: float
    recall: float
    f1: float
    support: int
    """Frames whose true class it is."""


@dataclass(frozen=True, kw_only=True)
class BroadClassScores:
    """The scores of a broad class, each in [0, 1]."""

    broad: str
    accuracy: float
    """Share of its frames with the right phoneme."""
    precision: float
    recall: float
    f1: float
    """Of the class itself: a vowel that is taken for another vowel is right."""
    support: int
    """Frames whose true phoneme is in it."""


@dataclass(frozen=True, kw_only=True)
class FrequentError:
    """A phoneme taken for another one."""

    true: str
    predicted: str
    count: int
    """Frames."""
    rate: float
    """Of the true phoneme's frames."""
    share_of_errors: float
    """Of all wrong frames."""


def per_phoneme(confusion: np.ndarray, phonemes: Sequence[str]) -> list[PhonemeScores]:
    """(C, C) counts -> the scores of each phoneme.

    Example:
        >>> per_phoneme(np.array([[3, 1], [0, 4]]), ["AA", "K"])[0]
        PhonemeScores(phoneme='AA', precision=1.0, recall=0.75, f1=0.8571428571428571, support=4)
    """
    correct, predicted, true = marginals(confusion)
    columns = (_ratio(correct, predicted), _ratio(correct, true), f1(correct, predicted, true))
    return [
        PhonemeScores(phoneme=name, precision=float(p), recall=float(r), f1=float(f), support=int(n))
        for name, p, r, f, n in zip(phonemes, *columns, true, strict=True)
    ]


def per_broad_class(confusion: np.ndarray, phonemes: Sequence[str]) -> list[BroadClassScores]:
    """(C, C) counts -> the scores of each broad class that occurs.

    Phonemes without a class are "other"; without any known phoneme there are no rows.

    Example:
        >>> vowel, stop = per_broad_class(np.array([[1, 3, 0], [0, 4, 0], [0, 0, 2]]), ["AA", "IY", "K"])
        >>> vowel.accuracy, vowel.recall  # three frames of AA were taken for another vowel
        (0.625, 1.0)
    """
    if not any(name in BROAD for name in phonemes):
        return []
    of_phoneme = [BROAD.get(name, "other") for name in phonemes]
    classes = list(dict.fromkeys(of_phoneme))
    member = np.array([[broad == name for broad in of_phoneme] for name in classes], dtype=confusion.dtype)
    right = member @ np.diagonal(confusion)
    rows = per_phoneme(member @ confusion @ member.T, classes)
    return [
        BroadClassScores(
            broad=row.phoneme,
            accuracy=float(exact / row.support),
            precision=row.precision,
            recall=row.recall,
            f1=row.f1,
            support=row.support,
        )
        for row, exact in zip(rows, right, strict=True)
        if row.support
    ]


def top_confusions(confusion: np.ndarray, phonemes: Sequence[str], n: int = 10) -> list[FrequentError]:
    """(C, C) counts -> the n most frequent errors.

    Example:
        >>> top_confusions(np.array([[3, 1], [0, 4]]), ["AA", "K"])
        [FrequentError(true='AA', predicted='K', count=1, rate=0.25, share_of_errors=1.0)]
    """
    errors = confusion * (1 - np.eye(len(confusion), dtype=confusion.dtype))
    support = confusion.sum(axis=1)
    order = np.argsort(-errors, axis=None, kind="stable")[:n]
    pairs = [divmod(int(cell), len(confusion)) for cell in order if errors.flat[cell] > 0]
    return [
        FrequentError(
            true=phonemes[i],
            predicted=phonemes[j],
            count=int(errors[i, j]),
            rate=float(errors[i, j] / support[i]),
            share_of_errors=float(errors[i, j] / errors.sum()),
        )
        for i, j in pairs
    ]


def report_text(confusion: np.ndarray, phonemes: Sequence[str]) -> str:
    """(C, C) -> scikit-learn's classification report over the phonemes that occur or are predicted.

    Example:
        >>> print(report_text(np.array([[3, 1], [0, 4]]), ["AA", "K"]).splitlines()[2])
                  AA     1.0000    0.7500    0.8571         4
    """
    from sklearn.metrics import classification_report  # takes 0.7 s, and a study's comparison does without

    true, predicted = np.nonzero(confusion)
    labels = np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1)).tolist()
    report = classification_report(
        true,
        predicted,
        sample_weight=confusion[true, predicted],
        labels=labels,
        target_names=[phonemes[i] for i in labels],
        digits=4,
        zero_division=0,
    )
    return re.sub(r"(\d+)\.0$", r"  \1", report, flags=re.MULTILINE)  # weighted support is printed as 123.0


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(np.shape(part), np.shape(whole))
    ratio: np.ndarray = np.divide(part, whole, out=np.zeros(shape), where=np.asarray(whole) != 0)
    return ratio
