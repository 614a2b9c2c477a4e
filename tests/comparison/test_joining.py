"""Arms of several studies in one comparison: the same numbers as if they were of one study, and only on one test."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from harness.comparison.compare import compare
from harness.comparison.joining import caveats, joined
from harness.errors import UserError
from harness.results import RunResult, StudyRecord
from tests.records import make_record

NUMBERS = ("difference", "low", "high", "p", "se", "naive_se", "clustered_se", "probability_a_better", "p_corrected")


@pytest.fixture(scope="module")
def whole() -> StudyRecord:
    return make_record(n_arms=4, n_seeds=2, n_speakers=5, n_trials=4)


@pytest.fixture(scope="module")
def halves(whole) -> list[StudyRecord]:
    """Its arms as two studies."""
    rivals = dataclasses.replace(whole, study="rivals", question="Is another one better?", arms=whole.arms[2:])
    return [dataclasses.replace(whole, arms=whole.arms[:2]), dataclasses.replace(rivals, baseline="linear")]


def altered(record: StudyRecord, change: Callable[[RunResult], RunResult], **more) -> StudyRecord:
    """A study whose finals are changed."""
    arms = [dataclasses.replace(arm, finals=tuple(map(change, arm.finals))) for arm in record.arms]
    return dataclasses.replace(record, arms=arms, **more)


def with_test(final: RunResult, **changes) -> RunResult:
    return dataclasses.replace(final, test=dataclasses.replace(final.test, **changes))


def named(record: StudyRecord, old: str, new: str) -> StudyRecord:
    arms = [dataclasses.replace(arm, arm=new) if arm.arm == old else arm for arm in record.arms]
    return dataclasses.replace(record, arms=arms)


def test_arms_of_two_studies_are_compared_as_those_of_one(whole, halves):
    one, two = compare(whole), compare(joined(halves))
    assert [arm.arm for arm in two.arms] == ["ladnn", "ffdnn", "resmlp", "linear"]
    assert [arm.test for arm in two.arms] == [arm.test for arm in one.arms]
    assert two.baseline == "ffdnn"
    assert [pair.sentence for pair in two.pairs] == [pair.sentence for pair in one.pairs]
    for own, expected in zip(two.pairs, one.pairs, strict=True):
        assert [getattr(own, name) for name in NUMBERS] == [getattr(expected, name) for name in NUMBERS]
    assert two.phoneme_differences == one.phoneme_differences
    assert "Is another one better?" in two.question


def test_an_arm_is_called_by_its_study_too_where_names_clash(halves):
    found = joined([halves[0], named(halves[1], "linear", "ffdnn")])
    assert [arm.arm for arm in found.arms] == ["ladnn", "ladnn/ffdnn", "resmlp", "rivals/ffdnn"]
    assert [final.arm for final in found.arms[1].finals] == ["ladnn/ffdnn"] * 2
    assert found.baseline == "ladnn/ffdnn"
    assert compare(found).studies == ("ladnn", "rivals")
    assert compare(halves[0]).studies == ("ladnn",)
    assert "Arms of ladnn ladnn, ladnn/ffdnn; of rivals resmlp, rivals/ffdnn." in found.notes
    assert any(pair.b == "ladnn/ffdnn" for pair in compare(found).pairs)


def other_labels(final: RunResult) -> RunResult:
    return with_test(final, counts=final.test.counts[:, ::-1], truth=None)


def one_other_label(final: RunResult) -> RunResult:
    truth = final.test.truth.copy()
    truth[:2] = truth[1::-1]
    truth[[0, -1]] = truth[[-1, 0]]
    return with_test(final, truth=truth)


DIFFERENT = {
    "utterances": (
        lambda f: with_test(f, utterances=("x", *f.test.utterances[1:])),
        "test utterances: 25 in ladnn, 25 in rivals, 24 of them in both; only in ladnn: t00-0000; only in rivals: x",
    ),
    "speakers": (
        lambda f: with_test(f, speakers=("x",) * len(f.test.speakers)),
        "speakers of the test utterances: 5 in ladnn, 1 in rivals, 0 of them in both; only in ladnn: t00, t01, t02 ...",
    ),
    "labels": (other_labels, "labels: other ones in 25 of 25 test utterances: t00-0000, t00-0001, t00-0002 ..."),
    "labels of frames": (one_other_label, "labels: other ones in 2 of "),
    "phonemes": (
        lambda f: dataclasses.replace(f, phonemes=("x", *f.phonemes[1:])),
        "phonemes: 40 in ladnn, 40 in rivals, 39 of them in both; only in ladnn: ",
    ),
    "order": (
        lambda f: with_test(f, utterances=f.test.utterances[::-1]),
        "test utterances: the same 25, in another order",
    ),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_studies_with_other_test_data_are_refused_with_what_differs(what, halves):
    change, expected = DIFFERENT[what]
    with pytest.raises(UserError, match="ladnn and rivals: not scored on the same test data") as refusal:
        joined([halves[0], altered(halves[1], change)])
    assert f"  {expected}" in str(refusal.value)


def test_what_was_not_the_same_for_all_is_listed(halves):
    first, second = halves
    longer = altered(
        second,
        lambda f: dataclasses.replace(
            f, settings=f.settings | {"training.epochs": 9, "data.context": 5}, provenance={"device": "a GPU"}
        ),
        experiment="[training]\nlearning_rate = { log = [1e-3, 1e-2] }\n# --set data.context=5\n",
    )
    fewer = [
        dataclasses.replace(arm, trials=arm.trials[:2], chosen={"training.learning_rate": 0.1}) for arm in longer.arms
    ]
    rows = {row.what: row.values for row in caveats([first, dataclasses.replace(longer, arms=fewer)])}
    assert rows["training.epochs"] == {"ladnn": "6", "rivals": "9"}
    assert rows["data.context"] == {"ladnn": "searched int [3, 15]", "rivals": "5"}
    assert rows["training.learning_rate"] == {"ladnn": "searched", "rivals": "searched log [0.001, 0.01]"}
    assert rows["tuning, trials of an arm"] == {"ladnn": "4", "rivals": "2"}
    assert rows["device"] == {"ladnn": "cpu", "rivals": "a GPU"}
    assert rows["arithmetic"] == {"ladnn": "fp32", "rivals": "not recorded"}
    assert not {"seeds of an arm", "commit", "corpus"} & rows.keys()
    notes = compare(joined([first, longer])).notes
    assert "training.epochs differs: 6 in ladnn, 9 in rivals." in notes


def test_data_that_differ_are_named_by_part(halves):
    first, second = (
        dataclasses.replace(record, corpus=record.corpus | {"digest": digest})
        for record, digest in zip(halves, ("aa-bb-cc", "dd-bb-ee"), strict=True)
    )
    rows = {row.what: row.values for row in caveats([first, second])}
    assert rows["training data"] == {"ladnn": "digest aa", "rivals": "digest dd"}
    assert rows["test frames (labels alike)"] == {"ladnn": "digest cc", "rivals": "digest ee"}
    assert "validation data" not in rows


def test_of_equal_studies_nothing_is_said_to_differ(halves):
    again = dataclasses.replace(halves[0], study="again")
    assert caveats([halves[0], again]) == []
    assert not any("differs" in note for note in joined([halves[0], again]).notes)


def test_level_unit_and_margin_are_those_of_the_first_and_it_says_so(halves):
    found = joined([halves[0], dataclasses.replace(halves[1], level=0.9, margin=0.01)])
    assert (found.level, found.margin) == (0.95, halves[0].margin)
    assert "The level of the comparison is that of ladnn: 0.95." in found.notes
    assert f"The margin of the comparison is that of ladnn: {halves[0].margin}." in found.notes


def test_an_arm_without_finals_is_left_out_of_several_too(halves):
    bare = [dataclasses.replace(halves[1].arms[0], finals=()), halves[1].arms[1]]
    found = compare(joined([halves[0], dataclasses.replace(halves[1], arms=bare)]))
    assert "Without a finished final run, and so left out: resmlp." in found.notes
    with pytest.raises(UserError, match="'rivals' has no finished final run"):
        joined([halves[0], dataclasses.replace(halves[1], arms=bare[:1])])


def test_random_trials_are_as_many_as_both_searches_surely_drew(halves):
    first, second = (
        dataclasses.replace(r, random_trials=n) for r, n in zip(halves, (3, 2), strict=True)
    )  # fmt: skip
    assert joined([first, second]).random_trials == 2
    unknown = dataclasses.replace(halves[1], random_trials=None)
    assert joined([first, unknown]).random_trials is None
    assert np.all([len(arm.effort.curve) == 2 for arm in compare(joined([first, second])).arms])
