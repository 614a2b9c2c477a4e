"""The comparison behind `make same`: what counts as a difference, what as wording, and what is left out."""

import json

import numpy as np
import pytest

from tests.differences import differences, file_differences, folder_differences, masked, text_differences, visible

TERMINAL = """\
Test, in percent; seconds per training
arm    accuracy  parameters  seconds
────────────────────────────────────
ladnn     65.77      12.3 k     {}
ffdnn     65.17       5,096     {}

Chosen settings, of 6 trials each
"""
PAGE = """\
<style>p {{ width: {0}px }}</style><script>const times = [{0}]</script>
<p>ladnn takes <b>{0}</b> times its training time.</p>
<table><tr><th>accuracy</th><th>ladnn, seconds</th><th>frames</th></tr>
<tr><td></td><td>{0}</td><td>6,791</td></tr></table>
<table><tr><th></th><th>ladnn</th></tr><tr><td>seconds of a training</td><td>{0}</td></tr>
<tr><td>accuracy, %</td><td>{1}</td></tr></table>
<dl><dt>started</dt><dd>2026-11-{0}</dd></dl>
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": [0.1 + 0.2]}, {"a": [0.3]}),
        ({"a": 0.0}, {"a": -0.0}),
        ({"a": [1, 2]}, {"a": [1]}),
        ({"a": None}, {"a": 0}),
        ({"architecture": "ladnn"}, {"architecture": "ffdnn"}),
        ({"verdict": "better by 2.65 points"}, {"verdict": "better by 2.66 points"}),
    ],
)
def test_a_key_its_place_a_type_and_the_last_bit_of_a_number_count(old, new):
    assert [one.is_wording for one in differences(old, new)] == [False]


def test_equal_documents_have_no_differences_even_where_they_are_not_a_number():
    assert differences({"a": [float("nan"), {"b": "c"}]}, {"a": [float("nan"), {"b": "c"}]}) == []


def test_a_sentence_with_the_same_numbers_is_wording():
    (found,) = differences({"arms": [{"note": "8 speakers only: wide"}]}, {"arms": [{"note": "Only 8 speakers, wide"}]})
    assert found.is_wording
    assert found.place == ".arms[0].note"
    assert "8 speakers only" in found.text
    assert "Only 8 speakers" in found.text


def test_times_and_places_are_left_out_between_trainings_and_count_in_an_exact_comparison():
    old = {"provenance": {"host": "a", "threads": 1}, "metrics/cost/seconds": [1.0], "cost": {"frames_per_second": 5.0}}
    new = {"provenance": {"host": "b", "threads": 1}, "metrics/cost/seconds": [2.0], "cost": {"frames_per_second": 6.0}}
    assert differences(old, new) == []
    assert len(differences(old, new, exact=True)) == 3


def test_arrays_are_compared_bit_for_bit(tmp_path):
    np.savez(tmp_path / "old.npz", counts=np.arange(3), loss=np.array([1.0, np.nan]))
    np.savez_compressed(tmp_path / "same.npz", counts=np.arange(3), loss=np.array([1.0, np.nan]))
    np.savez(tmp_path / "new.npz", counts=np.arange(3), loss=np.array([np.nextafter(1.0, 2), np.nan]))
    np.savez(tmp_path / "type.npz", counts=np.arange(3, dtype=np.int32), more=np.zeros(1))
    assert file_differences(tmp_path / "old.npz", tmp_path / "same.npz") == []
    assert [one.place for one in file_differences(tmp_path / "old.npz", tmp_path / "new.npz")] == ["loss"]
    assert {one.place for one in file_differences(tmp_path / "old.npz", tmp_path / "type.npz")} == {
        "counts",
        "loss",
        "more",
    }


def test_seconds_in_a_table_of_the_terminal_are_masked_and_nothing_else():
    assert masked(TERMINAL.format(" 9.6", " 0.3")) == masked(TERMINAL.format("19.5", "10.3"))
    for number in ("65.77", "12.3", "5,096", "6 trials"):
        assert number in masked(TERMINAL.format(" 9.6", " 0.3"))
    (found,) = text_differences(TERMINAL.format(" 9.6", " 0.3"), TERMINAL.format("19.5", " 0.3"), exact=True)
    assert not found.is_wording


def test_of_a_page_what_is_read_counts_without_times(tmp_path):
    for name, page in {
        "old": PAGE.format(0.5, 65.77),
        "later": PAGE.format(12.25, 65.77),
        "worse": PAGE.format(0.5, 65.76),
        "words": PAGE.format(0.5, 65.77).replace("takes", "needs"),
    }.items():
        (tmp_path / f"{name}.html").write_text(page)
    assert "const" not in visible(PAGE)
    assert "width" not in visible(PAGE)
    assert file_differences(tmp_path / "old.html", tmp_path / "later.html") == []
    assert [x.is_wording for x in file_differences(tmp_path / "old.html", tmp_path / "worse.html")] == [False]
    assert [x.is_wording for x in file_differences(tmp_path / "old.html", tmp_path / "words.html")] == [True]


def test_figures_count_in_an_exact_comparison_of_pages(tmp_path):
    (tmp_path / "old.html").write_text("<p>a</p><script>draw([1])</script>")
    (tmp_path / "new.html").write_text("<p>a</p><script>draw([2])</script>")
    assert file_differences(tmp_path / "old.html", tmp_path / "new.html") == []
    (found,) = file_differences(tmp_path / "old.html", tmp_path / "new.html", exact=True)
    assert not found.is_wording


def test_a_table_as_csv_is_compared_without_its_columns_of_times(tmp_path):
    (tmp_path / "old.csv").write_text("arm,accuracy,seconds_training\nladnn,0.65,9.6\n")
    (tmp_path / "later.csv").write_text("arm,accuracy,seconds_training\nladnn,0.65,19.5\n")
    (tmp_path / "worse.csv").write_text("arm,accuracy,seconds_training\nladnn,0.64,9.6\n")
    assert file_differences(tmp_path / "old.csv", tmp_path / "later.csv") == []
    assert [one.place for one in file_differences(tmp_path / "old.csv", tmp_path / "worse.csv")] == ["[0].accuracy"]


def test_a_file_that_only_one_folder_has_is_a_difference(tmp_path):
    for side, names in {"old": ("a.json", "b.json"), "new": ("b.json", "c.bin")}.items():
        (tmp_path / side).mkdir()
        for name in names:
            (tmp_path / side / name).write_text(json.dumps(1))
    n_files, found = folder_differences(tmp_path / "old", tmp_path / "new", ["*"])
    assert n_files == 3
    assert [(one.place, one.text) for one in found] == [
        ("a.json", "the file is only before"),
        ("c.bin", "the file is only now"),
    ]
