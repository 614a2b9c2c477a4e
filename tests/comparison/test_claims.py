"""Claims: what a file may state, and what a study answers; the numbers are those of the pairs, curves and layers."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from harness.comparison.claim_model import Answer
from harness.comparison.compare import compare
from harness.comparison.joining import joined
from harness.display.document import Line
from harness.errors import UserError
from harness.experiment import claims
from harness.experiment.load import load
from harness.report import files, outline
from harness.report.page import page as render_page
from harness.results import Layers
from harness.statistics import registry
from tests.records import make_record

FILE = """\
question = "q"
study = "s"
training.epochs = 4
arms.ladnn.architecture = "ladnn"
arms.ffdnn.architecture = "ffdnn"

[[claims]]
claim = "ladnn is better"
kind  = "better"
a     = "ladnn"
b     = "ffdnn"

[[claims]]
claim = "ladnn learns"
kind  = "threshold"
reaches = ["ladnn"]
above_majority = 0.2
"""


def layers(first, last, n=4):
    """Two layers with these gradient norms throughout, but for the first look."""
    gradient = np.full((n, 2), (first, last), np.float32)
    return Layers(("first", "last"), np.arange(n), gradient, gradient, np.full((n, 2), np.nan, np.float32))


@pytest.fixture(scope="module")
def record():
    """Two arms; ladnn's gradients are 0.5 and ffdnn's about 1e-3 of the last layer's."""
    made = make_record()
    ratios = {"ladnn": (0.4, 0.5, 0.6), "ffdnn": (0.001, 0.0012, 0.0009)}
    arms = [
        replace(
            arm,
            finals=tuple(
                replace(final, layers=layers(ratio, 1.0))
                for final, ratio in zip(arm.finals, ratios[arm.arm], strict=True)
            ),
        )
        for arm in made.arms
    ]
    return replace(made, arms=arms)


def answer(record, kind, **given):
    stated = claims.to_json(claims.KINDS[kind](claim="so it is", **given))
    (found,) = compare(replace(record, claims=json.loads(json.dumps([stated])))).claims
    return found


def pair(record, metric="accuracy"):
    return next(p for p in compare(record).pairs if p.metric == metric and p.a == "ladnn")


def test_a_file_states_claims_and_they_are_no_part_of_what_is_run(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text(FILE)
    with_claims = load(file)
    assert with_claims.claims == (
        claims.Better("ladnn is better", "ladnn", "ffdnn"),
        claims.Threshold("ladnn learns", reaches=("ladnn",), above_majority=0.2),
    )
    file.write_text(FILE.partition("[[claims]]")[0])
    assert load(file).canonical() == with_claims.canonical()


@pytest.mark.parametrize("kind", claims.KINDS)
def test_a_claim_survives_json(kind):
    given = {"a": "x", "b": "y", "margin": 0.1, "reaches": ("x", "y"), "at": 0.2, "ratio": 0.5, "fraction": 0.5}
    known = claims.KINDS[kind].__dataclass_fields__
    claim = claims.KINDS[kind](claim="c", **{k: v for k, v in given.items() if k in known})
    assert claims.from_json(json.loads(json.dumps(claims.to_json(claim)))) == claim
    assert asdict(claim)["claim"] == "c"


@pytest.mark.parametrize("metric", [*registry.METRICS, "acuracy"])
def test_every_measure_that_arms_are_compared_by_can_be_claimed(tmp_path, metric):
    file = tmp_path / "x.toml"
    file.write_text(FILE.replace('b     = "ffdnn"', f'b     = "ffdnn"\nmetric = "{metric}"'))
    if metric in {own.name for own in registry.comparable()}:
        assert load(file).claims[0].metric == metric
    else:
        with pytest.raises(UserError, match="accuracy_without_silence"):
            load(file)


def test_better_is_what_the_pair_says(record):
    found, shown = answer(record, "better", a="ladnn", b="ffdnn"), pair(record)
    assert shown.verdict == "ladnn better"
    assert found.answer is Answer.SUPPORTED
    (part,) = found.parts
    assert (part.value, part.low, part.high) == pytest.approx((shown.difference, shown.low, shown.high))
    assert answer(record, "better", a="ffdnn", b="ladnn").answer is Answer.REFUTED
    assert answer(record, "better", a="ladnn", b="ffdnn", margin=shown.high + 0.001).answer is Answer.REFUTED
    assert answer(record, "better", a="ladnn", b="ffdnn", margin=shown.difference).answer is Answer.UNDECIDED


def test_fewer_phone_errors_are_better(record):
    shown = pair(record, "phone_error_rate")
    better = answer(record, "better", a="ladnn", b="ffdnn", metric="phone_error_rate").answer
    assert (better is Answer.SUPPORTED) == (shown.high < 0)
    assert (better is Answer.REFUTED) == (shown.low > 0)
    assert answer(record, "threshold", reaches=("ladnn",), at=0.01, metric="phone_error_rate").answer is Answer.REFUTED


def test_equal_is_an_interval_within_the_margin_and_a_condition_must_hold_too(record):
    shown = pair(record)
    wide = max(-shown.low, shown.high) + 0.001
    assert answer(record, "equal", a="ladnn", b="ffdnn", margin=wide).answer is Answer.SUPPORTED
    assert answer(record, "equal", a="ladnn", b="ffdnn", margin=shown.low / 2).answer is Answer.REFUTED
    ratio = 1_205_320 / 918_056
    cheap = answer(record, "equal", a="ladnn", b="ffdnn", margin=wide, parameters_at_most=0.3)
    assert [part.answer for part in cheap.parts] == [Answer.SUPPORTED, Answer.REFUTED]
    assert cheap.answer is Answer.REFUTED
    assert cheap.parts[1].value == pytest.approx(ratio)
    assert answer(record, "equal", a="ladnn", b="ffdnn", margin=wide, parameters_at_most=1.4).answer is Answer.SUPPORTED
    assert "ladnn: 131 % of the parameters of ffdnn; claimed ≤ 30 %" in cheap.parts[1].sentence


def test_what_is_undecided_says_how_much_more_would_decide(record):
    shown = pair(record)
    near = answer(record, "better", a="ladnn", b="ffdnn", margin=shown.low + 0.1 * shown.se)
    assert near.answer is Answer.UNDECIDED
    assert near.more.units or near.more.seeds or near.more.both
    assert "would decide" in near.sentence
    edge = answer(record, "better", a="ladnn", b="ffdnn", margin=shown.difference)
    assert "hardly decide" in edge.sentence


def test_a_threshold_is_about_the_mean_of_an_arm(record):
    at = {arm.arm: arm.test["accuracy"].mean for arm in compare(record).arms}
    found = answer(record, "threshold", reaches=("ladnn", "ffdnn"), at=0.5)
    assert [part.value for part in found.parts] == pytest.approx([at["ladnn"], at["ffdnn"]])
    assert found.answer is Answer.SUPPORTED
    assert answer(record, "threshold", reaches=("ladnn",), stays_below=("ffdnn",), at=0.5).answer is Answer.REFUTED
    assert answer(record, "threshold", stays_below=("ffdnn",), at=0.95).answer is Answer.SUPPORTED
    truth = record.arms[0].finals[0].test.truth
    majority = np.bincount(truth).max() / len(truth)
    found = answer(record, "threshold", reaches=("ladnn",), above_majority=0.1)
    assert found.parts[0].at_least == pytest.approx(majority + 0.1)


def curves(record, **accuracies):
    """The record with these validation accuracies, an epoch of 1,000 frames each."""
    arms = []
    for arm in record.arms:
        finals = []
        for i, final in enumerate(arm.finals):
            history = tuple(
                replace(final.history[0], epoch=e, validation_accuracy=value + 0.001 * i, frames=1000 * e)
                for e, value in enumerate(accuracies[arm.arm], start=1)
            )
            best = 1 + int(np.argmax([e.validation_accuracy for e in history]))
            finals.append(replace(final, history=history, best_epoch=best))
        arms.append(replace(arm, finals=tuple(finals)))
    return replace(record, arms=arms)


def test_fewer_frames_asks_where_an_arm_is_after_a_share_of_the_others_frames(record):
    seen = curves(record, ladnn=[0.5, 0.7, 0.71, 0.72], ffdnn=[0.4, 0.5, 0.6, 0.65])
    found = answer(seen, "fewer_frames", a="ladnn", b="ffdnn", fraction=0.5)
    assert found.answer is Answer.SUPPORTED
    assert found.parts[0].value == pytest.approx(0.05)
    assert "after 50 % of the frames of ffdnn" in found.parts[0].sentence
    assert answer(seen, "fewer_frames", a="ladnn", b="ffdnn", fraction=0.25).answer is Answer.REFUTED
    assert answer(seen, "fewer_frames", a="ffdnn", b="ladnn", fraction=1.0).answer is Answer.REFUTED
    early = curves(record, ladnn=[0.5, 0.7, 0.71, 0.72], ffdnn=[0.4, 0.65, 0.6, 0.6])  # it needs two epochs, not four
    assert answer(early, "fewer_frames", a="ladnn", b="ffdnn", fraction=0.5).answer is Answer.REFUTED
    late = answer(early, "fewer_frames", a="ladnn", b="ffdnn", fraction=0.4)
    assert late.answer is Answer.UNDECIDED
    assert "first scored after 1,000 frames" in late.sentence
    stated = answer(seen, "fewer_frames", a="ladnn", b="ffdnn", fraction=0.5, accuracy=0.6)
    assert stated.answer is Answer.REFUTED, "ffdnn is there after three epochs, ladnn not after one and a half"
    assert answer(seen, "fewer_frames", a="ladnn", b="ffdnn", fraction=0.5, accuracy=0.69).answer is Answer.SUPPORTED


def test_gradients_are_compared_as_ratios(record):
    both = {"reaches": ("ladnn",), "stays_below": ("ffdnn",)}
    found = answer(record, "gradients", ratio=0.05, **both)
    assert found.answer is Answer.SUPPORTED
    ladnn = found.parts[0]
    assert 10**ladnn.value == pytest.approx((0.4 * 0.5 * 0.6) ** (1 / 3))
    assert "ladnn: first/last gradient 0.49 at the start" in ladnn.sentence
    assert answer(record, "gradients", ratio=2.0, **both).answer is Answer.REFUTED
    assert answer(record, "gradients", ratio=0.5, reaches=("ladnn",)).answer is Answer.UNDECIDED


def test_throughout_is_the_smallest_or_the_largest_of_all_looks(record):
    dip = Layers(("a", "b"), np.arange(3), np.array([[1, 1], [1e-4, 1], [1, 1]], np.float32), *[np.ones((3, 2))] * 2)
    arm = record.arms[0]
    finals = tuple(replace(f, layers=replace(dip, gradient=dip.gradient * (1 + i))) for i, f in enumerate(arm.finals))
    seen = replace(record, arms=[replace(arm, finals=finals), record.arms[1]])
    assert answer(seen, "gradients", ratio=0.5, reaches=("ladnn",)).answer is Answer.SUPPORTED
    assert answer(seen, "gradients", ratio=0.5, reaches=("ladnn",), when="throughout").answer is Answer.REFUTED
    assert answer(seen, "gradients", ratio=0.5, stays_below=("ladnn",), when="throughout").answer is Answer.REFUTED


def test_what_cannot_be_told_is_undecided_and_says_why(record):
    made = make_record()
    bare = [replace(arm, finals=tuple(replace(f, layers=None) for f in arm.finals)) for arm in made.arms]
    old = replace(made, arms=bare)
    assert "earlier version" in answer(old, "gradients", ratio=0.5, reaches=("ladnn",)).sentence
    unfinished = replace(record, arms=[record.arms[0], replace(record.arms[1], finals=())])
    found = answer(unfinished, "better", a="ladnn", b="ffdnn", parameters_at_most=0.5)
    assert "no finished final run of ffdnn" in found.sentence
    alone = make_record(n_speakers=1, n_seeds=1)
    assert "one seed or one speaker" in answer(alone, "better", a="ladnn", b="ffdnn").sentence
    countless = replace(
        record,
        arms=[
            replace(arm, finals=tuple(replace(f, test=replace(f.test, truth=None)) for f in arm.finals))
            for arm in record.arms
        ],
    )
    found = answer(countless, "better", a="ladnn", b="ffdnn", metric="phone_error_rate")
    assert "were not stored" in found.sentence


def test_studies_joined_keep_their_claims_about_arms_of_new_names(record):
    other = replace(record, study="other")
    found = compare(joined([record, other])).claims
    assert [claim.settings.get("a") for claim in found] == ["ladnn/ladnn", None, "other/ladnn", None]
    assert found[3].settings["reaches"] == ["other/ladnn"]
    alone = compare(record).claims
    assert [c.answer for c in found] == [c.answer for c in alone] * 2


def test_claims_are_shown_everywhere(record, tmp_path):
    stated = [
        claims.Better("The <first> wins", "ladnn", "ffdnn"),
        claims.Gradients("They arrive", 0.5, reaches=("ladnn",), stays_below=("ffdnn",)),
    ]
    given = [claims.to_json(stated[0]), {**claims.to_json(stated[1]), "is_late": True}]
    comparison = compare(replace(record, claims=given))
    lines = [block.text for block in outline.blocks(comparison) if isinstance(block, Line)]
    assert "Supported: The <first> wins" in lines
    assert next(line for line in lines if "They arrive" in line).startswith("Undecided, stated after the runs: ")
    page = render_page(comparison)
    assert "<b>Supported: The &lt;first&gt; wins</b>" in page
    assert "gradients_ladnn" in page
    files.write(comparison, tmp_path)
    read = json.loads(Path(tmp_path / "comparison.json").read_text())
    assert [claim["answer"] for claim in read["claims"]] == ["supported", "undecided"]
    assert read["claims"][0]["parts"][0]["at_most"] is None
    shown = read["arms"][0]["layers"][0]
    assert (shown["names"], shown["steps"]) == (["first", "last"], [0, 1, 2, 3])
    assert shown["gradient"][0] == [0.4, 1.0]
    assert shown["path_ratio"][0] == [None, None]
