"""The variances of studies before, read back from their reports: a plan of the same study expects its interval."""

import json

import pytest

from harness.conductor.variances import measured_spread
from harness.statistics.planning import TypicalSpread, expected_estimate

PAIR = {"metric": "accuracy", "units": 16, "seeds": [5, 5], "searches": [5, 5], "are_paired": True}


def write(folder, name, pair, **changed):
    (folder / name).mkdir()
    comparison = {"study": name, "corpus": {"digest": "d"}, "unit": "speaker", "pairs": [pair], **changed}
    (folder / name / "comparison.json").write_text(json.dumps(comparison))


def test_without_reports_the_spread_is_typical(tmp_path):
    assert measured_spread(tmp_path / "reports", "d") == (TypicalSpread(), [])


def test_a_plan_of_the_same_study_expects_its_standard_error(tmp_path):
    write(tmp_path, "one", {**PAIR, "clustered_se": 0.004, "draws_se": 0.006, "effective_units": 16})
    spread, names = measured_spread(tmp_path, "d")
    assert names == ["one"]
    assert expected_estimate(16, 5, True, True, 0.95, spread).se == pytest.approx((0.004**2 + 0.006**2) ** 0.5)


@pytest.mark.parametrize(("searches", "are_paired", "name"), [([3, 3], False, "of_search"), ([1, 1], False, "of_seed")])
def test_each_kind_of_study_tells_its_own_draws(tmp_path, searches, are_paired, name):
    pair = {**PAIR, "seeds": [3, 3], "searches": searches, "are_paired": are_paired}
    write(tmp_path, "one", {**pair, "clustered_se": 0.004, "draws_se": 0.006})
    spread, _ = measured_spread(tmp_path, "d")
    assert getattr(spread, name) == pytest.approx(0.006 * 1.5**0.5)


def test_other_corpora_sweeps_folds_and_broken_reports_are_passed_over(tmp_path):
    pair = {**PAIR, "clustered_se": 0.004, "draws_se": 0.006}
    write(tmp_path, "other", pair, corpus={"digest": "e"})
    write(tmp_path, "sweep", pair, sweep={"curves": []})
    write(tmp_path, "folds", pair, folds={"n": 5})
    write(tmp_path, "old", {**PAIR, "draws_se": None, "clustered_se": None})
    write(tmp_path, "broken", pair)
    (tmp_path / "broken" / "comparison.json").write_text("{")
    assert measured_spread(tmp_path, "d") == (TypicalSpread(), [])
