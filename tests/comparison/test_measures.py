"""The table in the middle: against the counts of the record, spelled out."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from harness.comparison.measures import measure
from harness.errors import UserError
from harness.statistics.frame_measures import distances, edits
from harness.statistics.registry import METRICS, comparable
from tests.records import make_record


@pytest.mark.parametrize("unit", ["speaker", "utterance"])
def test_every_seed_of_every_arm_has_every_measure(unit):
    record = make_record(unit=unit, n_speakers=4)
    table = measure(record, record.arms)
    assert list(table.measures) == [metric.name for metric in comparable()]
    for arm in record.arms:
        values = table.of_seeds[arm.arm]
        assert list(values) == list(METRICS)
        for seed, final in enumerate(arm.finals):
            test = final.test
            near = distances(test.truth, test.lengths) <= 1
            wrong = edits(test.truth, test.predicted, test.lengths)
            expected = {
                "accuracy": accuracy_score(test.truth, test.predicted),
                "accuracy_at_boundaries": accuracy_score(test.truth[near], test.predicted[near]),
                "accuracy_away": accuracy_score(test.truth[~near], test.predicted[~near]),
                "phone_error_rate": wrong.total.sum() / wrong.true.sum(),
                "log_loss": test.log_loss.sum() / len(test.truth),
            }
            assert {name: values[name][seed] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("unit", ["speaker", "utterance"])
def test_counts_are_summed_over_speakers_whatever_is_resampled(unit):
    record = make_record(unit=unit, n_speakers=4)
    table, test = measure(record, record.arms), record.arms[0].finals[0].test
    assert table.n_units == (4 if unit == "speaker" else len(test.utterances))
    own = table.counts[record.arms[0].arm]
    for place, speaker in enumerate(sorted(set(test.speakers))):
        utterances = np.array(test.speakers) == speaker
        assert own.speakers.true[place].sum() == test.counts[utterances].sum()
        assert own.speakers.correct[0, place].sum() == np.trace(test.counts[utterances].sum(axis=0))


def test_all_measures_and_arms_share_one_draw_of_the_units():
    record = make_record()
    table = measure(record, record.arms)
    drawn = [
        arm.resampled.true.sum(axis=-1)
        for name in ("accuracy", "macro_f1")
        for arm in table.measures[name].arms.values()
    ]
    assert all(np.array_equal(own, drawn[0]) for own in drawn)
    assert table.measures["accuracy"].arms["ladnn"] is table.measures["macro_f1"].arms["ladnn"]


def test_an_estimate_is_computed_once():
    record = make_record()
    table = measure(record, record.arms)
    assert table.estimate("accuracy", "ladnn", "ffdnn") is table.estimate("accuracy", "ladnn", "ffdnn")
    assert table.estimate("accuracy", "ladnn").difference == pytest.approx(
        np.mean([final.test.accuracy for final in record.arms[0].finals])
    )


def test_a_final_without_test_scores_is_refused():
    record = make_record()
    arm = record.arms[0]
    untested = dataclasses.replace(arm, finals=(dataclasses.replace(arm.finals[0], test=None),))
    with pytest.raises(UserError, match="has no test scores"):
        measure(record, [untested])
