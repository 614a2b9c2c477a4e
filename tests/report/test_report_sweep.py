"""What a report makes of a sweep: pairs within a cell only, curves that keep failed cells, tables that fit."""

import dataclasses

import numpy as np
import pytest

from harness.comparison.compare import compare
from harness.comparison.joining import joined
from harness.comparison.model import to_json
from harness.display.document import Line, Table
from harness.display.terminal import width
from harness.errors import UserError
from harness.report import drawing, files, outline
from harness.report.page import page as render_page
from harness.report.sections import rungs
from harness.results import ArmRecord, Trial
from tests.records import make_record

CELLS = {
    "deep@depth=2": ("deep", 2, "ladnn"),
    "plain@depth=2": ("plain", 2, "ffdnn"),
    "deep@depth=8": ("deep", 8, "resmlp"),
    "plain@depth=8": ("plain", 8, "linear"),
    "deep@depth=32": ("deep", 32, "ladnn"),
    "plain@depth=32": ("plain", 32, None),
}


def made(baseline="plain", cells=CELLS):
    """A sweep of two arms over three depths, one cell of which failed."""
    record = make_record(n_arms=4)
    of = {arm.arm: arm for arm in record.arms}
    arms = [
        dataclasses.replace(
            of[source], arm=name, finals=tuple(dataclasses.replace(f, arm=name) for f in of[source].finals)
        )
        if source
        else ArmRecord(name, "ffdnn", {}, (), failure="seed 0: the loss is not finite")
        for name, (_, _, source) in cells.items()
    ]
    sweep = {
        "key": "params.depth",
        "values": (2, 8, 32),
        "cells": {name: {"base": base, "value": value} for name, (base, value, _) in cells.items()},
    }
    return dataclasses.replace(record, arms=arms, baseline=baseline, sweep=sweep)


@pytest.fixture(scope="module")
def comparison():
    return compare(made())


def test_its_figures_are_drawn_for_a_paper_too(comparison):
    found = outline.figures(comparison)
    assert "sweep" in {section.key for section, _ in found}
    for _, own in found:
        drawing.draw(own).draw_without_rendering()


def test_only_arms_of_one_cell_are_compared(comparison):
    assert {(pair.a, pair.b) for pair in comparison.pairs} == {
        ("deep@depth=2", "plain@depth=2"),
        ("deep@depth=8", "plain@depth=8"),
    }
    assert len(comparison.verdicts) == 2


def test_the_curves_say_what_the_cells_and_their_pairs_say(comparison):
    sweep = comparison.sweep
    assert (sweep.key, sweep.values) == ("params.depth", (2, 8, 32))
    assert [(curve.arm, curve.is_baseline) for curve in sweep.curves] == [("deep", False), ("plain", True)]
    arms = {arm.arm: arm for arm in comparison.arms}
    pairs = {pair.a: pair for pair in comparison.pairs if pair.metric == "accuracy"}
    for curve in sweep.curves:
        assert [point.value for point in curve.points] == [2, 8, 32]
        for point in curve.points:
            if point.state == "complete":
                assert point.numbers == arms[point.arm]
            if point.arm in pairs:
                assert point.pair == pairs[point.arm]
    points = [point for curve in to_json(comparison)["sweep"]["curves"] for point in curve["points"]]
    for point in points:
        if point["state"] == "complete":
            assert point["test"] == to_json(comparison.arm(point["arm"]))["test"]
        if point["arm"] in pairs:
            own = pairs[point["arm"]]
            assert [point[k] for k in ("difference", "low", "high")] == [own.difference, own.low, own.high]


def test_a_cell_that_failed_is_kept_as_failed(comparison):
    deep, plain = (curve.points for curve in comparison.sweep.curves)
    assert (plain[2].state, plain[2].failure) == ("failed", "seed 0: the loss is not finite")
    assert plain[2].numbers is None
    assert deep[2].state == "complete"
    assert deep[2].pair is None
    as_json = [curve["points"][2] for curve in to_json(comparison)["sweep"]["curves"]]
    assert "test" not in as_json[1]
    assert "difference" not in as_json[0]
    assert "Failed: plain@depth=32: seed 0: the loss is not finite." in comparison.notes
    table = next(b for b in outline.blocks(comparison) if isinstance(b, Table))
    assert [row[0] for row in table.rows] == ["2", "8", "32"]
    assert table.rows[2][2:] == ["failed", "-"]


def test_the_terminal_says_at_which_values_an_arm_is_better(comparison):
    blocks = outline.blocks(comparison)
    said = next(b.text for b in blocks if isinstance(b, Line))
    assert said == "deep against plain, by depth: better at 2, 8; plain failed at 32."
    for table in (b for b in blocks if isinstance(b, Table)):
        assert width(table) <= 80


def test_a_sweep_without_a_baseline_has_curves_and_no_pairs():
    cells = {name: cell for name, cell in CELLS.items() if cell[0] == "deep"}
    comparison = compare(made(None, cells))
    assert comparison.pairs == ()
    assert len(comparison.sweep.curves) == 1
    assert render_page(comparison)


def test_page_and_files_are_written(comparison, tmp_path):
    files.write(comparison, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "sweep_accuracy" in page
    assert "failed: seed 0: the loss is not finite" in page


def test_what_every_rung_spent_is_told_and_whether_it_was_the_same():
    record = make_record(n_trials=0)
    spent = [(1, 100)] * 4 + [(2, 200)] * 2
    trials = tuple(Trial(i, "complete", 0.5 + i / 100, {}, n, 1.0, (), rung) for i, (rung, n) in enumerate(spent))
    same = compare(dataclasses.replace(record, arms=[dataclasses.replace(arm, trials=trials) for arm in record.arms]))
    assert [(r.rung, r.trials, r.frames) for r in same.arms[0].rungs] == [(1, 4, 400), (2, 2, 400)]
    assert same.arms[0].trials == 4
    assert same.arms[0].search_frames == 800
    _, table, sentence = rungs.section(same).short
    assert table.rows == [("1", "4", "100", "400"), ("2", "2", "200", "400"), ("all", "6", "", "800")]
    assert sentence.text == "Every arm spent the same frames."
    failed = dataclasses.replace(trials[0], state="failed", value=None, frames=50)
    record.arms[1] = dataclasses.replace(record.arms[1], trials=(failed, *trials[1:]))
    record.arms[0] = dataclasses.replace(record.arms[0], trials=trials)
    other = compare(record)
    _, table, sentence = rungs.section(other).short
    assert table.rows[0] == ("1", "4", "88 to 100", "350 to 400")
    assert sentence.text.endswith("failed trials ended early: ffdnn 1 trial.")
    assert rungs.section(compare(make_record())).short == ()


def test_old_records_have_no_sweep():
    assert compare(make_record()).sweep is None
    assert np.isfinite(compare(make_record()).pairs[0].difference)


def test_sweeps_of_the_same_values_are_joined_value_by_value():
    one, two = made(), dataclasses.replace(made(), study="again")
    found = compare(joined([one, two]))
    for pair in found.pairs:
        assert pair.a.partition("@")[2] == pair.b.partition("@")[2] != "depth=32"
    assert sum(pair.metric == "accuracy" for pair in found.pairs) == 2 * 3  # with the baseline
    assert [curve.arm for curve in found.sweep.curves] == [
        "ladnn/deep",
        "ladnn/plain",
        "again/deep",
        "again/plain",
    ]
    assert [curve.is_baseline for curve in found.sweep.curves] == [False, True, False, False]


def test_sweeps_of_other_values_and_studies_without_one_are_not_joined_with_a_sweep():
    other = dataclasses.replace(make_record(), study="plain")
    with pytest.raises(
        UserError, match=r"do not have the same ones:\n  ladnn: params.depth = .2, 8, 32.\n  plain: no sweep"
    ):
        joined([made(), other])


def test_the_layers_are_drawn_of_the_last_value_that_has_any():
    record = made(cells=CELLS | {"deep@depth=32": ("deep", 32, None)})  # nothing could be trained at 32
    page = render_page(compare(record))
    assert "layers_scale" in page
    assert "At depth 8 only." in page
