"""Where one arm is right and another wrong: against frame-by-frame loops, and the files as others read them."""

import csv
import dataclasses
import io
import itertools

import numpy as np
import pytest

from harness.corpora import mfcc
from harness.corpora.alignments import textgrid as alignments_textgrid
from harness.display import terminal
from harness.errors import UserError
from harness.report import disagreements
from harness.report.disagreements import between
from harness.results import StudyRecord
from tests.records import make_record


@pytest.fixture(scope="module")
def record() -> StudyRecord:
    made = make_record(n_arms=3, n_seeds=2, n_speakers=3, utterances_per_speaker=2, n_trials=0)
    return of_corpus(made, "nowhere")


def of_corpus(record: StudyRecord, folder: str) -> StudyRecord:
    def of(final):
        return dataclasses.replace(final, settings=final.settings | {"data.corpus": folder})

    arms = [dataclasses.replace(arm, finals=tuple(map(of, arm.finals))) for arm in record.arms]
    return dataclasses.replace(record, arms=arms)


@pytest.fixture(scope="module")
def found(record):
    return between(record, "ladnn", "ffdnn", 1)


def by_hand(record: StudyRecord, seed: int) -> list[tuple]:
    """(utterance, first frame, end, who) of each span, slowly."""
    a, b = (record.arms[i].finals[seed].test for i in (0, 1))
    spans, start = [], 0
    for name, length in zip(a.utterances, a.lengths, strict=True):
        who = []
        for i in range(start, start + length):
            right_a, right_b = a.predicted[i] == a.truth[i], b.predicted[i] == b.truth[i]
            who.append("ladnn" if right_a and not right_b else "ffdnn" if right_b and not right_a else "")
        start, place = start + length, 0
        for kind, run in itertools.groupby(who):
            n = len(list(run))
            if kind:
                spans.append((name, place, place + n, kind))
            place += n
    return spans


def rows_of(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text)))


def test_spans_are_those_that_loops_find(record, found, tmp_path):
    disagreements.write(str(tmp_path / "out.csv"), found)
    rows = rows_of((tmp_path / "out.csv").read_text())
    expected = {
        (name, f"{mfcc.edges(10_000, 16000)[i]:.4f}".rstrip("0").rstrip("."), str(j - i), who)
        for name, i, j, who in by_hand(record, 1)
    }
    said = {(r["utterance"], f"{float(r['begin']):.4f}".rstrip("0").rstrip("."), r["frames"], r["right"]) for r in rows}
    assert said == expected
    assert len(rows) == len(expected)


def test_spans_say_what_both_said_and_how_sure_they_were(record, found, tmp_path):
    disagreements.write(str(tmp_path / "out.csv"), found)
    a, b = (record.arms[i].finals[1].test for i in (0, 1))
    starts = dict(zip(a.utterances, np.cumsum(a.lengths) - a.lengths, strict=True))
    for row in rows_of((tmp_path / "out.csv").read_text())[:200]:
        first = starts[row["utterance"]] + round((float(row["begin"]) - 0.0075) * 100)
        frames = slice(max(first, starts[row["utterance"]]), first + int(row["frames"]))
        for column, labels in (("truth", a.truth), ("ladnn said", a.predicted), ("ffdnn said", b.predicted)):
            names = [record.arms[0].finals[1].phonemes[label] for label, _ in itertools.groupby(labels[frames])]
            assert row[column] == " ".join(names)
        for column, test in (("ladnn probability", a), ("ffdnn probability", b)):
            assert float(row[column]) == pytest.approx(test.probability[frames].astype(float).mean(), abs=1e-4)
        assert row["speaker"] == row["utterance"].partition("-")[0]


def test_the_longest_come_first_then_the_surest(found):
    keys = [(-r["frames"], -(r["probability_a"] + r["probability_b"])) for r in found.spans.to_dict("records")]
    assert keys == sorted(keys)


def test_utterances_are_ranked_by_how_many_frames_disagree(record, found, tmp_path):
    disagreements.write(f"{tmp_path}/out/", found)
    rows = rows_of((tmp_path / "out" / "utterances.csv").read_text())
    ranked = [int(r["only ladnn right"]) + int(r["only ffdnn right"]) for r in rows]
    assert ranked == sorted(ranked, reverse=True)
    for r in rows:
        own = [(j - i, who) for name, i, j, who in by_hand(record, 1) if name == r["utterance"]]
        assert int(r["only ladnn right"]) == sum(n for n, who in own if who == "ladnn")
        kinds = ("only ladnn right", "only ffdnn right", "both right", "neither right")
        assert sum(int(r[kind]) for kind in kinds) == int(r["frames"])


def test_textgrids_have_a_tier_for_truth_each_arm_and_who_is_right_alone(record, found, tmp_path):
    lines = disagreements.write(f"{tmp_path}/out/", found)
    test = record.arms[0].finals[1].test
    files = sorted((tmp_path / "out").glob("*.TextGrid"))
    assert [file.stem for file in files] == sorted(test.utterances)
    assert any("25 ms frames every 10 ms" in line for line in lines)  # the corpus says nothing
    text = (tmp_path / "out" / f"{test.utterances[0]}.TextGrid").read_text()
    length, phonemes = int(test.lengths[0]), record.arms[0].finals[1].phonemes
    said = {"truth": test.truth, "ladnn": test.predicted, "ffdnn": record.arms[1].finals[1].test.predicted}
    for tier, labels in said.items():
        read = alignments_textgrid.read(text, tier)
        assert [segment.symbol for segment in read] == [phonemes[k] for k, _ in itertools.groupby(labels[:length])]
    edges = mfcc.edges(length, 16000)
    alone = [segment for segment in alignments_textgrid.read(text, "right alone") if segment.symbol]
    for segment, (_, i, j, who) in zip(
        alone, [s for s in by_hand(record, 1) if s[0] == test.utterances[0]], strict=True
    ):
        assert (segment.start, segment.end) == pytest.approx((edges[i], edges[j]), abs=1e-6)
        assert segment.symbol == who


def test_the_corpus_says_how_its_frames_lie_in_time(record, tmp_path):
    (tmp_path / "features.json").write_text('{"rate": 8000, "high": 4000}')
    told = between(of_corpus(record, str(tmp_path)), "ladnn", "ffdnn")
    assert told.times_are_known
    np.testing.assert_allclose(told.edges[0], mfcc.edges(len(told.edges[0]) - 1, 8000))


def test_edges_lie_midway_between_the_centres_of_frames():
    np.testing.assert_allclose(mfcc.edges(3, 16000), [0, 0.0175, 0.0275, 0.045])
    np.testing.assert_allclose(mfcc.edges(1, 16000, 0.03), [0, 0.03])


REFUSED = {
    "no such arm": (("ladnn", "x"), None, "no arm x; there are: ladnn, ffdnn, resmlp"),
    "one arm": (("ladnn", "ladnn"), None, "an arm does not disagree with itself"),
    "no such seed": (("ladnn", "ffdnn"), 7, "--seed 7: a seed that both arms have is needed: ladnn has 0, 1; ffdnn"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_refused(case, record):
    arms, seed, message = REFUSED[case]
    with pytest.raises(UserError, match=message):
        between(record, *arms, seed)


def test_other_names_of_files_are_refused():
    for name in ("out.csv", "folder/", "folder"):
        disagreements.check(name)
    with pytest.raises(UserError, match=r"--out out.xlsx: allowed are NAME.csv"):
        disagreements.check("out.xlsx")


def test_the_terminal_shows_the_first_of_them(found):
    stream = io.StringIO()
    terminal.show(disagreements.blocks(found), stream)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    first = found.spans.iloc[0]
    name = found.a.test.utterances[first["utterance"]]
    assert any(line.split()[:4] == [first["right"], str(first["frames"]), name, f"{first['begin']:.2f}"]
               for line in lines)  # fmt: skip
