"""Checks of a study: each finds what it is for, and nothing in a study without it; the page names them all."""

import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pytest

from harness.comparison.checks import CHECKS
from harness.comparison.compare import compare
from harness.comparison.model import to_json
from harness.display import terminal
from harness.experiment import experiment
from harness.report import outline, page
from harness.results import SearchRecord
from harness.statistics.intervals import Verdict
from tests.records import make_record

DOCS = Path(__file__).parents[2] / "docs" / "checks.md"


@pytest.fixture(scope="module")
def sound():
    """A record that none of the checks has anything to say of."""
    record = make_record(n_speakers=10)
    arms = []
    for arm in record.arms:
        searches = tuple(SearchRecord(seed, arm.chosen, arm.trials) for seed in (0, 1, 2))
        finals = []
        for number, final in enumerate(arm.finals, 1):
            history = [
                dataclasses.replace(
                    epoch, seconds=10.0, validation_loss=2 / epoch.epoch, validation_accuracy=final.test.accuracy - 0.01
                )
                for epoch in final.history
            ]
            validation = dataclasses.replace(
                final.test,
                utterances=tuple(f"v{name}" for name in final.test.utterances),
                speakers=tuple(f"v{name}" for name in final.test.speakers),
            )
            finals.append(dataclasses.replace(final, search=number, history=tuple(history), validation=validation))
        arms.append(dataclasses.replace(arm, searches=searches, finals=tuple(finals), ranges={}))
    return dataclasses.replace(record, arms=arms, margin=0.0)


def codes(record):
    return [check.code for check in compare(record).checks]


def with_finals(record, change, arm=None):
    """With each final changed, of one arm or of all."""
    return dataclasses.replace(
        record,
        arms=[
            dataclasses.replace(own, finals=tuple(map(change, own.finals))) if arm in (None, own.arm) else own
            for own in record.arms
        ],
    )


def with_history(final, **changed):
    """With columns of its history replaced: a value for each epoch."""
    history = [
        dataclasses.replace(epoch, **{name: values[i] for name, values in changed.items()})
        for i, epoch in enumerate(final.history[: len(next(iter(changed.values())))])
    ]
    return dataclasses.replace(final, history=tuple(history), best_epoch=len(history))


def test_a_sound_study_has_no_finding(sound):
    assert [c for c in codes(sound) if c not in ("H015",)] == []


def edge(record):
    arms = [
        dataclasses.replace(
            arm,
            ranges={"params.depth": "2 to 5"},
            searches=tuple(dataclasses.replace(s, chosen={"params.depth": 5}) for s in arm.searches),
        )
        for arm in record.arms
    ]
    return dataclasses.replace(record, arms=arms)


def rising(record):
    return with_finals(record, lambda f: with_history(f, validation_accuracy=(0.5, 0.6, 0.7)))


def overfitting(record):
    return with_finals(record, lambda f: with_history(f, validation_loss=(1.0, 0.8, 1.0)))


def apart(record):
    return with_finals(record, lambda f: with_history(f, validation_accuracy=(0.5, 0.6, 0.7)), arm="ladnn")


def silent(record):
    def change(final):
        counts = np.zeros_like(final.test.counts)
        counts[..., 0] = final.test.counts.sum(axis=2)
        predicted = np.zeros_like(final.test.predicted)
        return dataclasses.replace(final, test=dataclasses.replace(final.test, counts=counts, predicted=predicted))

    return with_finals(record, change, arm="ladnn")


def validation_apart(record):
    def change(final):
        counts = np.zeros_like(final.validation.counts)
        n = counts.shape[-1]
        counts[:, np.arange(n), np.arange(n)] = final.validation.counts.sum(axis=2)
        return dataclasses.replace(final, validation=dataclasses.replace(final.validation, counts=counts))

    return with_finals(record, change)


def few_speakers(record):
    def change(final):
        speakers = tuple(f"s{i % 4}" for i in range(len(final.test.speakers)))
        return dataclasses.replace(final, test=dataclasses.replace(final.test, speakers=speakers))

    return with_finals(record, change)


def busy(record):
    return with_finals(record, lambda f: with_history(f, seconds=(10.0, 10.0, 13.0)))


def shared(record):
    return with_finals(record, lambda f: dataclasses.replace(f, validation=f.test))


def read_before(record):
    return dataclasses.replace(record, other_readers=("a", "b"))


def few_trials(record):
    arms = [
        dataclasses.replace(arm, searches=tuple(dataclasses.replace(s, trials=s.trials[:6]) for s in arm.searches))
        for arm in record.arms
    ]
    return dataclasses.replace(record, arms=arms)


def one_search(record):
    arms = [dataclasses.replace(arm, searches=arm.searches[:1]) for arm in record.arms]
    return with_finals(dataclasses.replace(record, arms=arms), lambda f: dataclasses.replace(f, search=1))


@pytest.mark.parametrize(
    ("code", "spoil", "words"),
    [
        ("H001", edge, "In 3 of 3 searches the best trial of ladnn lies at the edge of its range: depth 5."),
        ("H002", rising, "still rises in the last epoch, in points: ladnn +10.00, ffdnn +10.00."),
        ("H003", overfitting, "has risen since its minimum: ladnn by 25 %, ffdnn by 25 %."),
        ("H004", apart, "they have not converged alike."),
        ("H005", silent, "the commonest phoneme everywhere would reach"),
        ("H006", validation_apart, "accuracy on validation less that on test, in points: ladnn +"),
        ("H008", few_speakers, "The test split has 4 speakers only."),
        ("H010", busy, "Equal work took up to 1.3 times as long at one time as at another"),
        ("H012", shared, "Validation and test share 50 utterances."),
        ("H013", few_trials, "A search has 6 trials only"),
        ("H016", read_before, "2 other studies in this store read the same test split: a, b."),
        ("H014", one_search, "Each arm was searched once"),
    ],
)
def test_each_check_finds_what_it_is_for(sound, code, spoil, words):
    assert code not in codes(sound)
    found = [check for check in compare(spoil(sound)).checks if check.code == code]
    assert found
    assert words in found[0].sentence
    assert found[0].severity == CHECKS[code][0]
    assert found[0].advice


@pytest.mark.parametrize(
    ("margin", "outcome", "is_told"),
    [
        (1e-5, Verdict.NO_DIFFERENCE, True),
        (1e-5, Verdict.BETTER, False),
        (0.9, Verdict.NO_DIFFERENCE, False),
        (0.0, Verdict.NO_DIFFERENCE, False),
    ],
)
def test_a_margin_out_of_reach_is_told_where_nothing_is_shown(sound, margin, outcome, is_told):
    comparison = compare(sound)
    pairs = tuple(dataclasses.replace(pair, outcome=outcome) for pair in comparison.pairs)
    found = [*CHECKS["H011"][1](dataclasses.replace(comparison, pairs=pairs, margin=margin), sound)]
    assert bool(found) == is_told
    if found:
        assert found[0][0].startswith(
            "ladnn and ffdnn could not have come out as practically equal: half of the interval is"
        )


def test_ratios_of_seconds_stay_away_when_their_check_is_muted(sound):
    muted = compare(dataclasses.replace(busy(sound), mute=("H010",)))
    assert not muted.seconds_are_comparable
    assert "times its training time" in page.page(compare(sound))
    assert "times its training time" not in page.page(muted)


def test_equal_trainings_that_took_unequal_times_are_told(sound):
    finals = iter([10.0, 13.0, 10.0])
    record = with_finals(sound, lambda f: dataclasses.replace(f, search=1, seconds=next(finals)), arm="ladnn")
    assert "H010" in codes(record)


def test_a_loss_of_zero_is_no_overfitting(sound):
    assert "H003" not in codes(with_finals(sound, lambda f: with_history(f, validation_loss=(0.0, 0.0, 0.0))))


def test_trainings_that_differ_by_more_than_the_arms_do_are_told(sound):
    comparison = compare(sound)
    pairs = tuple(
        dataclasses.replace(pair, difference=0.0001, better="ladnn", outcome=Verdict.BETTER)
        for pair in comparison.pairs
    )
    _, finder = CHECKS["H007"]
    assert any(
        "trainings of one arm by" in words for words, _ in finder(dataclasses.replace(comparison, pairs=pairs), sound)
    )


def test_a_phone_error_rate_that_reverses_the_verdict_is_told(sound):
    comparison = compare(sound)
    better = {"accuracy": "ladnn", "phone_error_rate": "ffdnn"}
    pairs = tuple(
        dataclasses.replace(pair, better=better.get(pair.metric), outcome=Verdict.BETTER) for pair in comparison.pairs
    )
    ((words, _),) = CHECKS["H009"][1](dataclasses.replace(comparison, pairs=pairs), sound)
    assert words.startswith("ladnn labels more frames correctly, and ffdnn has the lower phone error rate")


def test_few_speakers_that_hold_most_frames_are_told(sound):
    comparison = compare(sound)
    pairs = tuple(dataclasses.replace(pair, effective_units=2.5) for pair in comparison.pairs)
    ((words, _),) = CHECKS["H008"][1](dataclasses.replace(comparison, pairs=pairs), sound)
    assert words == "Few speakers hold most test frames: 10 are worth 2.5 of equal length."


def test_phonemes_that_never_occur_are_told(sound):
    counts = np.array(compare(sound).arms[0].confusion.counts)
    n_absent = int((counts.sum(axis=1) == 0).sum())
    assert ("H015" in codes(sound)) == (n_absent > 0)


def test_a_muted_check_is_silent_and_said_to_be_muted(sound):
    muted = dataclasses.replace(few_trials(sound), mute=("H013",))
    assert "H013" not in codes(muted)
    assert compare(muted).muted == ("H013",)


def test_the_codes_of_files_functions_and_page_are_the_same():
    documented = re.findall(r"^\| `(H\d{3})` \| (\w+) \|", DOCS.read_text(), re.MULTILINE)
    assert documented == [(code, severity) for code, (severity, _) in CHECKS.items()]
    assert tuple(CHECKS) == experiment.CHECKS


def test_a_finding_is_in_terminal_page_and_json(sound):
    found = compare(few_speakers(busy(sound)))
    printed = {}
    for everything in (False, True):
        stream = io.StringIO()
        terminal.show(outline.blocks(found, everything=everything), stream)
        printed[everything] = " ".join(stream.getvalue().split())
    assert "H008 warning: The test split has 4 speakers only." in printed[False]
    assert "Notes: H010; --all says what they are." in printed[False]
    assert "H010 note: Equal work took up to 1.3 times as long" in printed[True]
    assert "H010" in page.page(found)
    assert [check["code"] for check in to_json(found)["checks"]] == [check.code for check in found.checks]
