"""From confusion counts to the numbers that people compare. Everything follows from counts; nothing is trained.

Legend: C classes; counts (..., C, C) have rows true and columns predicted. The metrics take three marginals with any
leading axes (utterances, seeds, resamples): correct (..., C), predicted (..., C), true (..., C).

0/0 is 0 throughout: a class that is never predicted has precision 0, one that never occurs has recall and F1 0.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np

from harness.phones import BROAD, SILENCE

LOWER_IS_BETTER = frozenset({"phone_error_rate"})
"""Of the measures that arms are compared by; in all others more is better."""

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(correct, predicted, true), each (..., C) -> (...) or, one value per class, (..., C)."""


def marginals(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(..., C, C) -> correct, predicted and true, each (..., C)."""
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-2), counts.sum(axis=-1)


def accuracy(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Share of frames that are right."""
    return _ratio(correct.sum(axis=-1), true.sum(axis=-1))


def f1(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """F1 of each class, (..., C)."""
    return _ratio(2 * correct, predicted + true)


def macro_f1(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur in the truth, each class counting the same.

    scikit-learn's `f1_score(average="macro", labels=<classes that occur>)`. Left to itself scikit-learn would also
    count, as 0, a class that is predicted but never occurs, so that one stray frame costs a fortieth of the score.
    """
    occurs = true > 0
    return _ratio((f1(correct, predicted, true) * occurs).sum(axis=-1), occurs.sum(axis=-1))


def balanced_accuracy(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that occur: accuracy if all were equally frequent. As scikit-learn's."""
    return _ratio(_ratio(correct, true).sum(axis=-1), (true > 0).sum(axis=-1))


def accuracy_without(silence: Sequence[int]) -> Metric:
    """Accuracy over the frames whose true class is not silence; speech taken for silence remains an error.

    Silence is plentiful and easy, and flatters accuracy. Without such a class this is accuracy.
    """

    def without_silence(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        speech = np.delete(np.arange(true.shape[-1]), list(silence))
        return accuracy(correct[..., speech], predicted[..., speech], true[..., speech])

    return without_silence


def headline(phonemes: Sequence[str]) -> dict[str, Metric]:
    """The metrics that arms are compared by, most important first."""
    silence = [i for i, name in enumerate(phonemes) if name == SILENCE]
    return {
        "accuracy": accuracy,
        "macro_f1": macro_f1,
        "accuracy_without_silence": accuracy_without(silence),
        "balanced_accuracy": balanced_accuracy,
    }


def per_phoneme(confusion: np.ndarray, phonemes: Sequence[str]) -> list[dict]:
    """(C, C) -> one row per phoneme: phoneme, precision, recall, f1, support (frames)."""
    correct, predicted, true = marginals(confusion)
    columns = (_ratio(correct, predicted), _ratio(correct, true), f1(correct, predicted, true))
    return [
        {"phoneme": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for name, p, r, f, n in zip(phonemes, *columns, true, strict=True)
    ]


def per_broad_class(confusion: np.ndarray, phonemes: Sequence[str]) -> list[dict]:
    """(C, C) -> one row per broad class that occurs: broad, support (frames), accuracy (share of its frames with the
    right phoneme), precision, recall and f1 (of the class itself: a vowel taken for another vowel is right).

    Phonemes without a class are "other"; without any known phoneme there are no rows.
    """
    if not any(name in BROAD for name in phonemes):
        return []
    of_phoneme = [BROAD.get(name, "other") for name in phonemes]
    classes = list(dict.fromkeys(of_phoneme))
    member = np.array([[broad == name for broad in of_phoneme] for name in classes], dtype=confusion.dtype)
    right = member @ np.diagonal(confusion)
    rows = per_phoneme(member @ confusion @ member.T, classes)
    return [
        {"broad": row.pop("phoneme"), "accuracy": float(exact / row["support"]), **row}
        for row, exact in zip(rows, right, strict=True)
        if row["support"]
    ]


def top_confusions(confusion: np.ndarray, phonemes: Sequence[str], n: int = 10) -> list[dict]:
    """(C, C) -> the n most frequent errors: true, predicted, count, rate (of the true phoneme's frames) and
    share_of_errors (of all wrong frames)."""
    errors = confusion * (1 - np.eye(len(confusion), dtype=confusion.dtype))
    support = confusion.sum(axis=1)
    order = np.argsort(-errors, axis=None, kind="stable")[:n]
    pairs = [divmod(int(cell), len(confusion)) for cell in order if errors.flat[cell] > 0]
    return [
        {
            "true": phonemes[i],
            "predicted": phonemes[j],
            "count": int(errors[i, j]),
            "rate": float(errors[i, j] / support[i]),
            "share_of_errors": float(errors[i, j] / errors.sum()),
        }
        for i, j in pairs
    ]


def report_text(confusion: np.ndarray, phonemes: Sequence[str]) -> str:
    """(C, C) -> scikit-learn's classification report over the phonemes that occur or are predicted."""
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
    return np.divide(part, whole, out=np.zeros(shape), where=np.asarray(whole) != 0)
