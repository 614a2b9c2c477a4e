"""The report: the contract of comparison.json, and that terminal and files say the same to the digit.

The page has tests of its own.
"""

import dataclasses
import io
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from harness.comparison.compare import compare
from harness.comparison.model import Comparison, Verdict, to_json
from harness.display import terminal, wording
from harness.display.document import Line, Table
from harness.errors import UserError
from harness.phones import PHONEMES
from harness.report import files, outline, page
from harness.results import RunResult, StudyRecord
from harness.statistics.frame_measures import distances
from harness.statistics.metrics import Spread
from harness.statistics.registry import METRICS, comparable
from tests.records import make_record

FROM_FRAMES = ("phone_error_rate", "accuracy_at_boundaries", "accuracy_away")


@pytest.fixture(scope="module")
def record() -> StudyRecord:
    return make_record(n_arms=4)


@pytest.fixture(scope="module")
def comparison(record) -> Comparison:
    return compare(record)


def _printed(comparison: Comparison, *, everything: bool = False) -> str:
    stream = io.StringIO()
    terminal.show(outline.blocks(comparison, everything=everything), stream)
    return stream.getvalue()


def _one_speaker(record: StudyRecord) -> StudyRecord:
    def alone(final: RunResult) -> RunResult:
        return dataclasses.replace(
            final, test=dataclasses.replace(final.test, speakers=("one",) * len(final.test.speakers))
        )

    arms = [dataclasses.replace(arm, finals=tuple(map(alone, arm.finals))) for arm in record.arms]
    return dataclasses.replace(record, arms=arms)


def _many_arms(record: StudyRecord) -> StudyRecord:
    arms = [dataclasses.replace(record.arms[0], arm=f"arm{i}") for i in range(9)]
    return dataclasses.replace(record, arms=arms, baseline="arm0")


UNUSUAL = {
    "one arm": lambda: make_record(n_arms=1),
    "one seed": lambda: make_record(n_seeds=1),
    "one speaker": lambda: _one_speaker(make_record()),
    "no search": lambda: make_record(n_trials=0),
    "eight letters": lambda: make_record(phonemes=tuple("<&>abcde")),
    "utterances": lambda: make_record(unit="utterance"),
    "nine arms": lambda: _many_arms(make_record(n_arms=1, n_speakers=2, phonemes=tuple("abcdefgh"))),
}


# The numbers


def test_comparison_has_the_keys_of_the_contract(comparison):
    comparison = to_json(comparison)
    assert {"study", "question", "corpus", "baseline", "arms", "pairs"} <= comparison.keys()
    assert {"name", "digest", "splits"} <= comparison["corpus"].keys()
    for arm in comparison["arms"]:
        assert {"arm", "architecture", "settings", "parameters", "flops_per_frame", "trials", "seeds"} <= arm.keys()
        assert {"test", "validation", "seconds_training", "frames_per_second", "phonemes", "confusion"} <= arm.keys()
        for metric in ("accuracy", "macro_f1", "accuracy_without_silence", "log_loss"):
            assert arm["test"][metric].keys() == {"mean", "std", "per_seed"}
        assert arm["validation"]["accuracy"].keys() == {"mean", "std", "per_seed"}
        assert all({"phoneme", "precision", "recall", "f1", "support"} <= row.keys() for row in arm["phonemes"])
        assert arm["confusion"].keys() == {"labels", "counts"}
        assert {"broad_classes", "speakers", "worst_speaker", "boundaries", "segments", "calibration"} <= arm.keys()
        assert {"learning_speed", "effort"} <= arm.keys()
        for metric in ("balanced_accuracy", "calibration_error", *FROM_FRAMES):
            assert arm["test"][metric].keys() == {"mean", "std", "per_seed"}
    assert {"margin", "learning_targets", "confusion_differences"} <= comparison.keys()
    more = {"probability_a_better", "se_ratio", "p_corrected", "cost", "disagreement"}
    assert all(more <= row.keys() for row in comparison["pairs"])
    pair = {"a", "b", "metric", "difference", "low", "high", "level", "unit", "naive_se", "clustered_se", "verdict"}
    assert all(pair <= row.keys() for row in comparison["pairs"])


def test_every_two_arms_are_compared_in_each_measure_those_with_the_baseline_first(comparison):
    pairs = [("ladnn", "ffdnn"), ("resmlp", "ffdnn"), ("linear", "ffdnn")]
    pairs += [("ladnn", "resmlp"), ("ladnn", "linear"), ("resmlp", "linear")]
    assert [(pair.a, pair.b, pair.metric) for pair in comparison.pairs] == [
        (a, b, metric) for a, b in pairs for metric in [metric.name for metric in comparable()]
    ]
    assert list(comparison.verdicts) == [p.sentence for p in comparison.pairs if p.metric == "accuracy"]


def test_numbers_are_those_of_the_runs(record, comparison):
    for arm, found in zip(record.arms, comparison.arms, strict=True):
        accuracies = [final.test.accuracy for final in arm.finals]
        assert found.test["accuracy"].per_seed == pytest.approx(accuracies)
        assert found.test["accuracy"].mean == pytest.approx(np.mean(accuracies))
        assert found.test["accuracy"].std == pytest.approx(np.std(accuracies, ddof=1))
        assert np.array_equal(found.confusion.counts, sum(final.test.confusion for final in arm.finals))
        assert found.seconds_training == pytest.approx(np.mean([final.seconds for final in arm.finals]))
    means = {arm.arm: arm.test for arm in comparison.arms}
    for pair in comparison.pairs:
        difference = means[pair.a][pair.metric].mean - means[pair.b][pair.metric].mean
        assert pair.difference == pytest.approx(difference)
        assert pair.low < pair.difference < pair.high


def test_phoneme_differences_are_those_of_the_phoneme_tables(comparison):
    tables = {arm.arm: {row.phoneme: row.f1 for row in arm.phonemes} for arm in comparison.arms}
    for found in comparison.phoneme_differences:
        assert len(found.phonemes) == len(PHONEMES)
        for row in found.phonemes:
            assert row.f1_a == pytest.approx(tables[found.a][row.phoneme])
            assert row.difference == pytest.approx(row.f1_a - tables[found.b][row.phoneme])
            assert row.p_corrected >= row.p
            assert row.survives == (row.p_corrected <= 0.05)
            assert row.low_corrected <= row.low <= row.difference <= row.high <= row.high_corrected
            assert row.survives == (not row.low_corrected <= 0 <= row.high_corrected)
        survivors = [row.survives for row in found.phonemes]
        assert survivors == sorted(survivors, reverse=True)


def test_measures_from_frames_are_those_of_the_frames(record, comparison):
    for arm, found in zip(record.arms, comparison.arms, strict=True):
        near = distances(arm.finals[0].test.truth, arm.finals[0].test.lengths) <= 1
        right = [final.test.predicted == final.test.truth for final in arm.finals]
        assert found.test["accuracy"].per_seed == pytest.approx([r.mean() for r in right])
        assert found.test["accuracy_at_boundaries"].per_seed == pytest.approx([r[near].mean() for r in right])
        assert found.test["accuracy_away"].per_seed == pytest.approx([r[~near].mean() for r in right])
        assert sum(row.frames for row in found.boundaries) == len(near)
        assert sum(row.frames for row in found.calibration) == 3 * len(near)
        kinds = [
            kind.mean for kind in (found.segments.substitutions, found.segments.deletions, found.segments.insertions)
        ]
        assert sum(kinds) == pytest.approx(found.test["phone_error_rate"].mean)
    a, b = ([final.test.predicted == final.test.truth for final in arm.finals] for arm in record.arms[:2])
    expected = np.mean([(one & ~other).mean() for one in a for other in b])
    assert comparison.pairs[0].disagreement.only_a_right == pytest.approx(expected)


def test_speakers_are_counted_whole_and_the_worst_is_named(record, comparison):
    for arm, found in zip(record.arms, comparison.arms, strict=True):
        test = arm.finals[0].test
        for row in found.speakers:
            own = test.counts[np.array(test.speakers) == row.speaker].sum(axis=0)
            assert row.frames == own.sum()
            assert row.accuracy.per_seed[0] == pytest.approx(np.trace(own) / own.sum())
        means = {row.speaker: row.accuracy.mean for row in found.speakers}
        assert found.worst_speaker.speaker == min(means, key=means.get)


def test_a_study_whose_frames_were_not_kept_is_reported_without_them(record):
    def stripped(final: RunResult) -> RunResult:
        bare = dataclasses.replace(final.test, predicted=None, probability=None, truth=None)
        return dataclasses.replace(final, test=bare)

    arms = [dataclasses.replace(arm, finals=tuple(map(stripped, arm.finals))) for arm in record.arms]
    found = compare(dataclasses.replace(record, arms=arms))
    assert not set(FROM_FRAMES) & found.arms[0].test.keys()
    assert "The frames' predictions were not kept: no calibration, boundaries or phone error rate." in found.notes
    assert "boundaries" not in _printed(dataclasses.replace(found, notes=()), everything=True)
    assert "ladnn" in page.page(found)


def test_within_the_margin_arms_are_practically_equal(record):
    found = compare(dataclasses.replace(record, margin=0.02))
    verdicts = {(p.a, p.b): p.verdict for p in found.pairs if p.metric == "accuracy"}
    assert verdicts["ladnn", "ffdnn"] == "practically equal"
    assert verdicts["linear", "ffdnn"] == "ffdnn better"
    assert "ladnn and ffdnn are practically equal" in _printed(found)


def test_the_verdicts_in_accuracy_hold_for_all_pairs_at_once(comparison):
    rows = [pair for pair in comparison.pairs if pair.metric == "accuracy"]
    assert [pair.p_corrected for pair in rows] == pytest.approx(false_discovery_control([pair.p for pair in rows]))
    expected = multipletests([pair.p for pair in rows], method="holm")[1]
    assert [pair.p_family for pair in rows] == pytest.approx(expected)
    for pair in rows:
        assert (pair.better is not None) == (pair.p_family <= 0.05)
        assert pair.low_simultaneous <= pair.low
        assert pair.high_simultaneous >= pair.high
        if pair.better:
            assert pair.low_simultaneous >= 0 or pair.high_simultaneous <= 0
        else:
            assert pair.low_simultaneous < 0 < pair.high_simultaneous
    assert "Verdicts and intervals hold for all 6 pairs at once (Holm)." in _printed(comparison)


def test_planned_pairs_are_the_family_and_others_are_said_to_stand_alone(record, comparison):
    found = compare(dataclasses.replace(record, pairs=[("ffdnn", "ladnn")]))
    planned, *others = [pair for pair in found.pairs if pair.metric == "accuracy"]
    assert planned.is_planned
    assert (planned.low_simultaneous, planned.high_simultaneous) == pytest.approx((planned.low, planned.high))
    assert [pair.p_family for pair in others] == [None] * len(others)
    assert "Pairs that the file does not name are shown alone, uncorrected." in _printed(found)


def test_comparison_is_json_without_nan(comparison):
    assert json.loads(files.as_json(comparison)) == to_json(comparison)


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_studies_are_reported_too(case, tmp_path):
    comparison = compare(UNUSUAL[case]())
    files.write(comparison, tmp_path)
    assert json.loads((tmp_path / "comparison.json").read_text()) == to_json(comparison)
    assert "nan" not in _printed(comparison).lower()


def test_one_speaker_gives_no_interval():
    comparison = compare(UNUSUAL["one speaker"]())
    assert comparison.pairs[0].low is None
    assert comparison.pairs[0].verdict == "no interval: one speaker only"
    assert "no interval: one speaker only" in _printed(comparison)


def test_one_seed_has_no_spread_and_says_so():
    comparison = compare(make_record(n_seeds=1))
    assert comparison.arms[0].test["accuracy"].std is None
    assert any(note.startswith("One seed only: ladnn, ffdnn.") for note in comparison.notes)


def test_arms_without_a_final_are_left_out_and_named(record):
    ladnn, *others = record.arms
    found = compare(dataclasses.replace(record, arms=[dataclasses.replace(ladnn, finals=()), *others]))
    assert "ladnn" not in [arm.arm for arm in found.arms]
    assert "Without a finished final run, and so left out: ladnn." in found.notes


def test_without_a_finished_baseline_the_others_are_compared_with_each_other(record):
    arms = [dataclasses.replace(arm, finals=() if arm.arm == "ffdnn" else arm.finals) for arm in record.arms]
    found = compare(dataclasses.replace(record, arms=arms))
    assert {(pair.a, pair.b) for pair in found.pairs} == {
        ("ladnn", "resmlp"), ("ladnn", "linear"), ("resmlp", "linear")
    }  # fmt: skip
    assert found.phoneme_differences == found.confusion_differences == ()
    assert found.verdicts[0] in _printed(found)
    assert found.verdicts[0] in page.page(found)


def test_of_one_arm_there_is_nothing_to_compare():
    found = compare(make_record(n_arms=1))
    assert found.pairs == found.verdicts == ()
    assert wording.NOTHING_TO_COMPARE in _printed(found)
    assert wording.NOTHING_TO_COMPARE in page.page(found)


def test_a_study_without_finals_is_refused(record):
    empty = [dataclasses.replace(arm, finals=()) for arm in record.arms]
    with pytest.raises(UserError, match="'ladnn' has no finished final run yet"):
        compare(dataclasses.replace(record, arms=empty))


def test_arms_tested_on_different_utterances_are_refused(record):
    other = make_record(n_speakers=9).arms[1]
    with pytest.raises(UserError, match="arm 'ffdnn', seed 0, was tested on other utterances"):
        compare(dataclasses.replace(record, arms=[record.arms[0], other]))


def test_reading_needs_neither_torch_nor_mlflow():
    command = "import sys, harness.report.files, harness.report.outline; print({'torch', 'mlflow'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", command], capture_output=True, text=True).stdout == "set()\n"


# The terminal


def test_in_a_pipe_there_is_no_escape_and_no_line_over_80_columns(comparison):
    """But for sentences, which a terminal wraps."""
    for everything in (False, True):
        printed = _printed(comparison, everything=everything)
        assert "\x1b" not in printed
        sentences = [*comparison.verdicts, *comparison.notes]
        sentences += [f"{c.code} {c.severity}: {c.sentence}" for c in comparison.checks]
        sentences += [f"{c.code} {c.severity}: {c.sentence} {c.advice}" for c in comparison.checks]
        sentences += [f"  {part.sentence}" for claim in comparison.claims for part in claim.parts]
        assert [line for line in printed.splitlines() if len(line) > 80 and line not in sentences] == []


def test_the_terminal_stays_short_unless_all_is_asked_for(comparison):
    assert len(_printed(comparison).splitlines()) < 75
    assert len(_printed(compare(UNUSUAL["nine arms"]())).splitlines()) < 90
    assert len(_printed(comparison, everything=True).splitlines()) > 120


def test_all_shows_every_long_table(comparison):
    printed = _printed(comparison, everything=True)
    for arm in comparison.arms:
        for row in arm.boundaries:
            assert wording.spread(row.accuracy) in printed
        assert wording.percent(arm.effort.curve[-1].expected) in printed
    for pair in comparison.pairs:
        own = re.search(rf"^{pair.a} - {pair.b} +difference.*\n.*\n((.+\n)*)", printed, re.MULTILINE)[1]
        said = METRICS[pair.metric].short, wording.points(pair.difference)
        assert re.search(" +".join(map(re.escape, said)), own)


def test_in_a_pipe_long_lines_stay_whole(comparison):
    question = "Does it? " * 40
    assert question.strip() in _printed(dataclasses.replace(comparison, question=question.strip()))


def test_verdicts_come_first(comparison):
    lines = _printed(comparison).splitlines()
    assert lines[2 : 2 + len(comparison.verdicts)] == list(comparison.verdicts)


def test_terminal_says_the_numbers_of_the_comparison(comparison):
    printed = _printed(comparison)
    for arm in comparison.arms:
        row = next(line for line in printed.splitlines() if re.match(rf"{arm.arm} +\d", line))
        for metric in ("accuracy", "macro_f1", "accuracy_without_silence"):
            assert wording.spread(arm.test[metric]) in row
    for pair in comparison.pairs:
        if pair.metric == "accuracy":
            assert pair.sentence in printed
            said = f"{pair.a} : {pair.b}", wording.chance(pair.probability_a_better)
            assert re.search(" +".join(map(re.escape, said)), printed)


def test_in_a_terminal_the_best_is_bold_and_nothing_is_coloured(comparison, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    printed = _printed(comparison)
    best = max(comparison.arms, key=lambda arm: arm.test["accuracy"].mean)
    assert f"\x1b[1m{wording.spread(best.test['accuracy'])}\x1b[0m" in printed
    assert set(re.findall(r"\x1b\[([0-9;]*)m", printed)) == {"0", "1"}


def test_phonemes_in_brackets_are_not_taken_for_markup():
    stream = io.StringIO()
    terminal.show([Line("[SIL] as [b]"), Table(["[SIL]"], [("[SIL] :smile:",)])], stream)
    assert stream.getvalue().count("[SIL]") == 3
    assert "[b]" in stream.getvalue()
    assert ":smile:" in stream.getvalue()


# The files


def test_files_agree_with_the_comparison(comparison, tmp_path):
    written = files.write(comparison, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
    arms = pd.read_csv(tmp_path / "arms.csv").set_index("arm")
    phonemes = pd.read_csv(tmp_path / "phonemes.csv").set_index(["arm", "phoneme"])
    for arm in comparison.arms:
        assert arms.loc[arm.arm, "test_accuracy_mean"] == arm.test["accuracy"].mean
        assert arms.loc[arm.arm, "test_macro_f1_std"] == arm.test["macro_f1"].std
        for row in arm.phonemes:
            assert phonemes.loc[(arm.arm, row.phoneme), "f1"] == row.f1
        counts = pd.read_csv(tmp_path / f"confusion_{arm.arm}.csv", index_col="true")
        assert counts.to_numpy().tolist() == [list(row) for row in arm.confusion.counts]
        assert list(counts.columns) == list(counts.index) == list(arm.confusion.labels)


def test_the_same_comparison_gives_the_same_files(record, comparison, tmp_path):
    for name in ("first", "second"):
        files.write(compare(record), tmp_path / name)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name


# How numbers are said


def test_wording():
    assert wording.percent(0.77414) == "77.41"
    assert wording.points(-0.0052) == "-0.52"
    assert [wording.chance(p) for p in (None, 0.004, 0.714, 0.996, 1)] == ["-", "< 1 %", "71 %", "> 99 %", "> 99 %"]
    assert [wording.ratio(518, 264), wording.ratio(1, 0)] == ["1.96", "-"]
    assert wording.spread(Spread(mean=0.77414, std=0.00123, per_seed=())) == "77.41 ± 0.12"
    assert [wording.rounded(n) for n in (999, 16_840, 918_056, 1_400_000, 18_942_890, 3.2e10)] == [
        "999", "16.8 k", "918 k", "1.40 M", "18.9 M", "32.0 G"
    ]  # fmt: skip
    assert [wording.duration(s) for s in (4.2, 231.5, 11_000)] == ["4 s", "3 min 52 s", "3 h 03 min"]
    assert wording.settings({"training.learning_rate": 0.0021384, "data.context": [3, 5]}) == (
        "context [3, 5], learning rate 0.00214"
    )


def test_sentences_say_who_is_better_by_how_much(record, comparison):
    wide = compare(dataclasses.replace(record, margin=0.02))
    said = set()
    for pair in (*comparison.pairs, *wide.pairs):
        low, high = pair.ends
        by, ends = wording.points(pair.difference), wording.interval(low, high)
        title = METRICS[pair.metric].title
        names = f"{pair.a} and {pair.b}"
        size, near, far = (wording.percent(x) for x in (abs(pair.difference), *sorted((abs(low), abs(high)))))
        worse = pair.a if pair.better == pair.b else pair.b
        expected = {
            Verdict.BETTER: f"{pair.better} is better than {worse} by {size} points of {title} ({near} to {far}).",
            Verdict.NO_DIFFERENCE: f"No difference shown between {names}: {by} points of {title} ({ends}).",
            Verdict.EQUAL: f"{names} are practically equal: {by} points of {title} ({ends}), within 2.",
        }
        assert pair.sentence == expected[pair.outcome]
        said.add((pair.outcome, METRICS[pair.metric].lower_is_better))
    assert {(Verdict.BETTER, True), (Verdict.BETTER, False), (Verdict.EQUAL, False)} <= said
    assert (Verdict.NO_DIFFERENCE, False) in said
