"""One more measure is one more entry: it is then compared, claimed, shown, written and tracked like the others."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from harness.comparison.claim_model import Answer
from harness.comparison.compare import compare
from harness.comparison.frames import FROM_FRAMES, FrameResults, Shares
from harness.comparison.model import to_json
from harness.experiment.load import load
from harness.report import outline, tables
from harness.report.page import page as render_page
from harness.statistics.metrics import Metric, marginals
from harness.statistics.registry import METRICS
from harness.tracking import entries
from tests.records import make_record

TITLE, SHORT = "chance-corrected agreement", "agreement"


def kappa(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Agreement beyond chance (Cohen 1960)."""
    n = true.sum(axis=-1)
    by_chance = (predicted * true).sum(axis=-1) / n**2
    return (correct.sum(axis=-1) / n - by_chance) / (1 - by_chance)


def substitution_rate(results: FrameResults) -> Shares:
    """Substitutions alone, of a true segment."""
    parts = {arm: [final.edits.substitutions for final in finals] for arm, finals in results.arms.items()}
    return Shares(parts, next(iter(results.arms.values()))[0].edits.true, None)


@pytest.fixture
def _with_kappa(monkeypatch):
    monkeypatch.setitem(METRICS, "kappa", Metric("kappa", TITLE, SHORT, kappa, is_headline=True))


@pytest.mark.usefixtures("_with_kappa")
def test_a_measure_from_counts_is_one_entry():
    claim = {"kind": "better", "claim": "It agrees more", "a": "ladnn", "b": "ffdnn", "metric": "kappa"}
    record = replace(make_record(), claims=[claim])
    comparison = compare(record)
    arm = comparison.arm("ladnn")
    tests = [final.test for final in record.arms[0].finals]
    expected = [cohen_kappa_score(test.truth, test.predicted) for test in tests]
    assert arm.test["kappa"].per_seed == pytest.approx(expected)
    (pair,) = comparison.pairs_in("kappa")
    assert pair.difference == pytest.approx(arm.test["kappa"].mean - comparison.arm("ffdnn").test["kappa"].mean)
    assert TITLE in pair.sentence
    assert comparison.claims[0].parts[0].value == pair.difference
    assert comparison.claims[0].answer is not Answer.UNDECIDED or pair.low < 0 < pair.high

    written = json.loads(json.dumps(to_json(comparison)))
    assert written["arms"][0]["test"]["kappa"]["mean"] == arm.test["kappa"].mean
    assert entries.arm_metrics(record.arms[0])["kappa/test"] == pytest.approx(100 * arm.test["kappa"].mean)
    assert "kappa/vs_baseline" in entries.difference_metrics("ladnn", "ffdnn", comparison.pairs)


@pytest.mark.usefixtures("_with_kappa")
def test_a_measure_from_counts_is_shown_everywhere():
    comparison = compare(make_record())
    assert SHORT in str(outline.blocks(comparison))
    assert SHORT in str(outline.blocks(comparison, everything=True))
    assert f"{TITLE}, %" in render_page(comparison)
    assert "test_kappa_mean" in tables.arms_table(comparison).columns


@pytest.mark.usefixtures("_with_kappa")
def test_a_measure_from_counts_can_be_claimed(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text(
        'question = "q"\nstudy = "s"\narms.ladnn.architecture = "ladnn"\narms.ffdnn.architecture = "ffdnn"\n'
        '[[claims]]\nclaim = "c"\nkind = "better"\na = "ladnn"\nb = "ffdnn"\nmetric = "kappa"\n'
    )
    assert load(file).claims[0].metric == "kappa"


def test_a_measure_from_frames_is_an_entry_and_what_computes_it(monkeypatch):
    metric = Metric("substitution_rate", "substitution rate", "substitutions", lower_is_better=True)
    monkeypatch.setitem(METRICS, metric.name, metric)
    monkeypatch.setitem(FROM_FRAMES, metric.name, substitution_rate)
    comparison = compare(make_record())
    for arm in comparison.arms:
        assert arm.test[metric.name].per_seed == pytest.approx(arm.segments.substitutions.per_seed)
    assert len(comparison.pairs_in(metric.name)) == 1


def test_every_measure_has_what_computes_it():
    assert {name for name, metric in METRICS.items() if not metric.of_counts} == {"log_loss", *FROM_FRAMES}


def test_a_measure_without_some_phonemes_leaves_their_true_frames_out():
    counts = np.random.default_rng(0).integers(0, 9, (3, 3))
    metric = Metric("x", "x", "x", METRICS["accuracy"].of_counts, without=("b",))
    rest = counts[[0, 2]]
    assert metric.function("abc")(*marginals(counts)) == pytest.approx((rest[0, 0] + rest[1, 2]) / rest.sum())
