"""The contract of `comparison.json`: its keys in their order, whatever the types are made of."""

import dataclasses
import json

import numpy as np
import pytest

from harness.comparison.compare import compare
from harness.comparison.json_form import IF_ANY, NOT_IN_JSON, Keys, plain
from harness.comparison.model import Verdict, to_json
from harness.results import ArmRecord, StudyRecord
from tests.records import make_record

COMPARISON = [
    "study",
    "question",
    "corpus",
    "baseline",
    "unit",
    "units",
    "level",
    "margin",
    "method",
    "calibration_method",
    "resamples",
    "verdicts",
    "notes",
    "phonemes",
    "broad",
    "learning_targets",
    "arms",
    "pairs",
    "sweep",
    "claims",
    "phoneme_differences",
    "confusion_differences",
    "experiment",
    "provenance",
    "other_differences",
    "checks",
    "muted",
    "folds",
    "looks",
    "planned_level",
]
ARM = [
    "arm",
    "architecture",
    "settings",
    "chosen",
    "parameters",
    "flops_per_frame",
    "mean_parameters",
    "mean_flops_per_frame",
    "searches",
    "trials",
    "search_frames",
    "search_seconds",
    "seeds",
    "test",
    "validation",
    "seconds_training",
    "frames_per_second",
    "peak_bytes",
    "phonemes",
    "broad_classes",
    "confusion",
    "top_confusions",
    "speakers",
    "worst_speaker",
    "calibration",
    "calibration_floor",
    "boundaries",
    "segments",
    "history",
    "layers",
    "learning_speed",
    "search",
    "effort",
    "rungs",
    "importances",
]
OF_FRAMES = ("calibration", "calibration_floor", "boundaries", "segments")
PAIR = [
    "a",
    "b",
    "metric",
    "difference",
    "unit_mean",
    "low",
    "high",
    "level",
    "margin",
    "unit",
    "units",
    "seeds",
    "searches",
    "are_paired",
    "naive_se",
    "clustered_se",
    "se_ratio",
    "se",
    "draws_se",
    "seeds_se",
    "effective_units",
    "freedom",
    "p",
    "probability_a_better",
    "verdict",
    "sentence",
    "p_corrected",
    "p_family",
    "low_simultaneous",
    "high_simultaneous",
    "is_planned",
    "cost",
    "disagreement",
]
MEASURES = [
    "accuracy",
    "macro_f1",
    "accuracy_without_silence",
    "balanced_accuracy",
    "log_loss",
    "calibration_error",
    "phone_error_rate",
    "phone_error_rate_plain",
    "accuracy_at_boundaries",
    "accuracy_away",
]
CLAIM = [
    "claim",
    "kind",
    "settings",
    "answer",
    "parts",
    "more",
    "stated_after_the_runs",
    "level",
    "outlook",
    "sentence",
]
PART = ["scale", "at_least", "at_most", "why_not", "value", "low", "high", "answer", "sentence"]
POINT = [
    "value",
    "arm",
    "state",
    "failure",
    "test",
    "parameters",
    "flops_per_frame",
    "seconds_training",
    "search_frames",
    "chosen",
    "difference",
    "low",
    "high",
    "p",
    "p_corrected",
    "probability_a_better",
    "verdict",
]


def sweep() -> StudyRecord:
    """Two arms at two values; one cell failed."""
    record = make_record(n_arms=3)
    cells = {"ladnn": ("deep", 2), "ffdnn": ("plain", 2), "resmlp": ("deep", 8), "none": ("plain", 8)}
    arms = [*record.arms, ArmRecord("none", "ffdnn", {}, (), failure="the loss is not finite")]
    cell_table = {arm: {"base": base, "value": value} for arm, (base, value) in cells.items()}
    table = {"key": "params.depth", "values": (2, 8), "cells": cell_table}
    return dataclasses.replace(record, arms=arms, baseline="plain", sweep=table)


@pytest.fixture(scope="module")
def written() -> dict:
    return json.loads(json.dumps(to_json(compare(make_record())), allow_nan=False))


def test_the_keys_and_their_order_are_a_contract(written):
    assert list(written) == COMPARISON
    assert list(written["arms"][0]) == ARM
    assert list(written["arms"][0]["test"]) == MEASURES
    assert [list(pair) for pair in written["pairs"]] == [PAIR] * (len(MEASURES) - 2)
    assert list(written["claims"][0]) == CLAIM
    assert list(written["claims"][0]["parts"][0]) == PART


def test_what_needs_the_frames_has_no_key_without_them():
    record = make_record()
    arms = [
        dataclasses.replace(
            arm,
            finals=tuple(dataclasses.replace(f, test=dataclasses.replace(f.test, truth=None)) for f in arm.finals),
        )
        for arm in record.arms
    ]
    found = to_json(compare(dataclasses.replace(record, arms=arms)))
    assert list(found["arms"][0]) == [key for key in ARM if key not in OF_FRAMES]
    assert list(found["pairs"][0]) == [key for key in PAIR if key != "disagreement"]


def test_a_point_of_a_sweep_has_the_numbers_of_its_cell_and_pair():
    comparison = compare(sweep())
    found = to_json(comparison)["sweep"]
    assert list(found) == ["key", "values", "curves"]
    deep, plain = found["curves"]
    assert [list(point) for point in deep["points"]] == [POINT, POINT[:10]]  # of the other cell there is no baseline
    assert [list(point) for point in plain["points"]] == [POINT[:10], POINT[:4]]
    assert [arm.base for arm in comparison.arms] == ["deep", "plain", "deep"]


def test_a_verdict_and_the_better_arm_are_what_the_words_say():
    comparison = compare(make_record(n_arms=4))
    for pair in comparison.pairs:
        words = {Verdict.BETTER: f"{pair.better} better", Verdict.NO_INTERVAL: "no interval: one speaker only"}
        assert pair.verdict == words.get(pair.outcome, pair.outcome.value)
        assert (pair.better in (pair.a, pair.b)) == (pair.outcome is Verdict.BETTER)
    assert {pair.outcome for pair in comparison.pairs} >= {Verdict.BETTER, Verdict.NO_DIFFERENCE}


def test_json_is_plain():
    @dataclasses.dataclass
    class Inner:
        x: float
        y: int

    @dataclasses.dataclass
    class Outer:
        number: object
        array: object
        verdict: Verdict
        absent: object = dataclasses.field(metadata=IF_ANY)
        hidden: object = dataclasses.field(metadata=NOT_IN_JSON)
        inner: Inner = dataclasses.field(metadata=Keys("y").metadata)

    form = plain(Outer(np.float64("nan"), np.array([1, 2]), Verdict.EQUAL, None, 3, Inner(1.0, 2)))
    assert form == {"number": None, "array": [1, 2], "verdict": "practically equal", "y": 2}
