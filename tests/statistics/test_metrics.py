"""Metrics from counts are what scikit-learn gives from the predictions themselves."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    classification_report,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from harness.phones import BROAD
from harness.statistics import metrics, registry

PHONEMES = ["[SIL]", "AA", "IH", "S", "Z", "ZH"]
C = len(PHONEMES)


@pytest.fixture(scope="module")
def predictions() -> tuple[np.ndarray, np.ndarray]:
    """5,000 frames; ZH never occurs but is predicted now and then."""
    generator = np.random.default_rng(0)
    true = generator.choice(C - 1, size=5000, p=[0.3, 0.3, 0.2, 0.15, 0.05])
    predicted = np.where(generator.random(5000) < 0.7, true, generator.integers(0, C, 5000))
    return true, predicted


@pytest.fixture(scope="module")
def confusion(predictions) -> np.ndarray:
    return confusion_matrix(*predictions, labels=range(C))


def test_accuracy(predictions, confusion):
    assert metrics.accuracy(*metrics.marginals(confusion)) == pytest.approx(accuracy_score(*predictions))


def test_macro_f1_is_over_the_classes_that_occur(predictions, confusion):
    occurring = np.unique(predictions[0])
    expected = f1_score(*predictions, labels=occurring, average="macro", zero_division=0)
    assert metrics.macro_f1(*metrics.marginals(confusion)) == pytest.approx(expected)
    assert expected > f1_score(*predictions, average="macro", zero_division=0)  # ZH, never true, would cost a sixth


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")  # as it is meant here
def test_balanced_accuracy(predictions, confusion):
    expected = balanced_accuracy_score(*predictions)
    assert metrics.balanced_accuracy(*metrics.marginals(confusion)) == pytest.approx(expected)


def test_broad_classes_are_those_of_relabelled_predictions(predictions, confusion):
    relabelled = [np.array([BROAD[name] for name in PHONEMES])[part] for part in predictions]
    rows = {row.broad: row for row in metrics.per_broad_class(confusion, PHONEMES)}
    classes = sorted(set(relabelled[0]))
    assert sorted(rows) == classes
    expected = precision_recall_fscore_support(*relabelled, labels=classes)
    for column, name in zip(expected, ("precision", "recall", "f1", "support"), strict=True):
        assert [getattr(rows[broad], name) for broad in classes] == pytest.approx(column)
    true, predicted = predictions
    for broad in classes:
        frames = relabelled[0] == broad
        assert rows[broad].accuracy == pytest.approx((true == predicted)[frames].mean())


def test_phonemes_that_nobody_knows_have_no_broad_classes():
    assert metrics.per_broad_class(np.eye(3, dtype=int), ["x", "y", "z"]) == []
    assert [row.broad for row in metrics.per_broad_class(np.eye(2, dtype=int), ["AA", "y"])] == ["vowel", "other"]


def test_accuracy_without_silence_leaves_out_frames_whose_truth_is_silence(predictions, confusion):
    true, predicted = predictions
    speech = true != 0
    without_silence = registry.of_counts(PHONEMES)["accuracy_without_silence"]
    assert without_silence(*metrics.marginals(confusion)) == pytest.approx(
        accuracy_score(true[speech], predicted[speech])
    )


def test_without_a_silence_class_accuracy_without_silence_is_accuracy(confusion):
    without_silence = registry.of_counts(list("abcdef"))["accuracy_without_silence"]
    marginals = metrics.marginals(confusion)
    assert without_silence(*marginals) == metrics.accuracy(*marginals)


def test_per_phoneme(predictions, confusion):
    expected = precision_recall_fscore_support(*predictions, labels=range(C), zero_division=0)
    rows = metrics.per_phoneme(confusion, PHONEMES)
    assert [row.phoneme for row in rows] == PHONEMES
    for column, name in zip(expected, ("precision", "recall", "f1", "support"), strict=True):
        assert [getattr(row, name) for row in rows] == pytest.approx(column)


def test_metrics_take_any_leading_axes(confusion):
    counts = np.stack([[confusion, 2 * confusion, confusion.T]] * 4)
    for metric in registry.of_counts(PHONEMES).values():
        values = metric(*metrics.marginals(counts))
        assert values.shape == (4, 3)
        assert values[2, 1] == pytest.approx(metric(*metrics.marginals(confusion)))


def test_nothing_over_nothing_is_zero():
    nothing = np.zeros((C, C), int)
    marginals = metrics.marginals(nothing)
    assert {float(metric(*marginals)) for metric in registry.of_counts(PHONEMES).values()} == {0}
    assert {(row.precision, row.recall, row.f1) for row in metrics.per_phoneme(nothing, PHONEMES)} == {(0, 0, 0)}
    assert metrics.top_confusions(nothing, PHONEMES) == []


def test_report_text_is_the_report_of_the_predictions(predictions, confusion):
    expected = classification_report(*predictions, labels=range(C), target_names=PHONEMES, digits=4, zero_division=0)
    assert metrics.report_text(confusion, PHONEMES) == expected


def test_report_text_leaves_out_what_neither_occurs_nor_is_predicted():
    confusion = np.diag([3, 2, 0])
    assert "OY" not in metrics.report_text(confusion, ["AA", "IH", "OY"])


def test_top_confusions_are_the_most_frequent_errors(predictions, confusion):
    true, predicted = predictions
    wrong = true != predicted
    pairs, counts = np.unique(np.stack([true, predicted])[:, wrong], axis=1, return_counts=True)
    first = metrics.top_confusions(confusion, PHONEMES, 3)
    assert [row.count for row in first] == sorted(counts.tolist(), reverse=True)[:3]
    i, j = pairs[:, counts.argmax()]
    assert (first[0].true, first[0].predicted) == (PHONEMES[i], PHONEMES[j])
    assert first[0].rate == pytest.approx(counts.max() / (true == i).sum())
    assert first[0].share_of_errors == pytest.approx(counts.max() / wrong.sum())
