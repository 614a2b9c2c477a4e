"""Terminal, page, Markdown, LaTeX, CSV and MLflow say the same of a comparison, to the digit, as `comparison.json`;
and the command as people type it: several studies, single runs, terminals and pipes."""

import csv
import dataclasses
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import termios
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from scipy.stats import t

from harness.cli.main import main
from harness.comparison.compare import compare
from harness.comparison.model import Comparison
from harness.conductor.load import load_record
from harness.display import terminal, wording
from harness.display.document import Cell, Heading, Table, numbers
from harness.report import files, outline, page, paste, tables
from harness.results import StudyRecord
from harness.statistics.metrics import Spread
from harness.statistics.registry import METRICS, headline
from harness.tracking.store import open_store
from tests.command import HARNESS
from tests.records import make_record
from tests.studies import write

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

MAIN = [metric.name for metric in headline()]
PHONEMES = ("[SIL]", "AA", "IH", "S", "T", "M")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")


@pytest.fixture(scope="module")
def records() -> list[StudyRecord]:
    """Two studies on the same test data, and one on another."""
    made = make_record(n_arms=4, n_seeds=2, n_speakers=3, n_trials=3, phonemes=PHONEMES)
    another = make_record(seed=1, n_arms=2, n_seeds=1, n_speakers=2, n_trials=3, phonemes=PHONEMES)
    rivals = dataclasses.replace(made, study="rivals", arms=made.arms[2:], baseline="linear")
    return [
        dataclasses.replace(made, arms=made.arms[:2]),
        rivals,
        dataclasses.replace(another, study="elsewhere"),
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory, records) -> Path:
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = open_store(folder)
        for record in records:
            write(store, record)
    return folder


@pytest.fixture(scope="module")
def report(root):
    """`harness report` with arguments, in this process."""

    def call(*arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            patch.chdir(root)
            return CliRunner().invoke(main, ["report", *map(str, arguments)])

    return call


def said(done) -> str:
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def printed(report) -> str:
    return said(report("--study", "ladnn", "--all"))


@pytest.fixture(scope="module")
def comparison(root) -> Comparison:
    """What MLflow gives again."""
    return compare(load_record(["ladnn"], [], root))


def expected(comparison: Comparison) -> list[list[str]]:
    """The rows that each form must have: arms with their main measures, pairs in each of them."""
    arms = [[arm.arm, *(wording.spread(arm.test[m]) for m in MAIN)] for arm in comparison.arms]
    pairs = [
        [METRICS[p.metric].short, wording.points(p.difference), wording.interval(p.low, p.high)]
        for p in comparison.pairs
        if p.metric in MAIN
    ]
    return arms + pairs


def is_among(row: list[str], rows: list[list[str]]) -> bool:
    return any(all(cell in other for cell in row) for other in rows)


# Every form against the comparison, which is what comparison.json holds


def test_everything_is_made_from_the_comparison_alone(root, report, printed, comparison):
    """The same bytes come again, whatever the record knows beside it."""
    folder = root / "reports" / "ladnn"
    stream = io.StringIO()
    terminal.show(outline.blocks(comparison, everything=True), stream)
    assert printed.startswith(stream.getvalue())
    assert said(report("--study", "ladnn", "--markdown")) == paste.markdown(paste.blocks(comparison))
    assert said(report("--study", "ladnn", "--latex")) == paste.paper(comparison)
    assert (folder / "comparison.json").read_text() == files.as_json(comparison)
    assert (folder / "index.html").read_text() == page.page(comparison)
    assert (folder / "arms.csv").read_text() == tables.arms_table(comparison).to_csv(index=False, lineterminator="\n")


def test_the_terminal_agrees(printed, comparison):
    rows = [re.split(r" {2,}", line.strip()) for line in printed.splitlines()]
    for row in expected(comparison):
        assert is_among(row, rows), row
    for arm in comparison.arms:
        others = ("balanced_accuracy", "accuracy_at_boundaries", "accuracy_away", "calibration_error")
        assert is_among([arm.arm, *(wording.percent(arm.test[m].mean) for m in others)], rows)
        assert is_among([wording.rounded(arm.mean_parameters), wording.seconds(arm.seconds_training)], rows)
    for pair in comparison.pairs:
        if pair.metric == "accuracy":
            errors = [f"{100 * se:.2f}" for se in (pair.clustered_se, pair.draws_se, pair.naive_se)]
            interval = [f"{100 * pair.se:.2f}", f"{pair.freedom:.1f}"]
            chance = wording.chance(pair.probability_a_better)
            assert is_among([f"{pair.a} : {pair.b}", chance, *interval, *errors], rows)
            half = t.ppf((1 + pair.level) / 2, pair.freedom) * pair.se
            assert (pair.low, pair.high) == pytest.approx((pair.difference - half, pair.difference + half))
            assert pair.sentence in printed


def test_markdown_agrees(report, comparison):
    text = said(report("--study", "ladnn", "--markdown"))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[re.sub(r"\*\*|\\", "", cell).strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(row) for row in rows[: 2 + len(comparison.arms)]}) == 1
    for row in expected(comparison):
        assert is_among(row, rows), row
    for sentence in comparison.verdicts:
        assert f"**{sentence}**" in text
    best = max(comparison.arms, key=lambda arm: arm.test["accuracy"].mean)
    assert f"**{wording.spread(best.test['accuracy'])}**" in text


def test_latex_agrees(report, comparison):
    text = said(report("--study", "ladnn", "--latex"))
    lines = [line.strip().removesuffix(r"\\") for line in text.splitlines() if " & " in line]
    plain = [re.sub(r"\\textbf{(.*?)}", r"\1", line).replace(r"$\pm$", "±").replace("~", " ") for line in lines]
    rows = [[re.sub(r"\$([+-])\$", r"\1", cell).strip() for cell in line.split(" & ")] for line in plain]
    for row in expected(comparison):
        assert is_among(row, rows), row
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == text.count(r"\toprule") == 2
    assert sum(line.count("{") - line.count("}") for line in text.splitlines()) == 0
    for sentence in comparison.verdicts:
        assert paste.latex_text(sentence) in text


class Rows(HTMLParser):
    """The cells of every row of a page's tables."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.is_cell = False

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self.is_cell = True

    def handle_endtag(self, tag):
        self.is_cell = self.is_cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self.is_cell:
            self.rows[-1][-1] += data


def test_the_page_agrees(root, comparison):
    text = (root / "reports" / "ladnn" / "index.html").read_text()
    parser = Rows()
    parser.feed(text[: text.index("<script>")])
    assert ["", *(arm.arm for arm in comparison.arms)] in parser.rows
    for metric in MAIN:
        own = [wording.spread(arm.test[metric]) for arm in comparison.arms]
        assert [f"{METRICS[metric].title}, %", *own] in parser.rows
    rows = [" | ".join(row) for row in parser.rows]
    for pair in comparison.pairs:
        own = [wording.points(pair.difference), wording.interval(pair.low, pair.high)]
        assert any(all(value in row for value in own) for row in rows), own


def test_the_csv_agrees(root, comparison):
    with (root / "reports" / "ladnn" / "arms.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    for row, arm in zip(rows, comparison.arms, strict=True):
        assert row["arm"] == arm.arm
        for metric, values in arm.test.items():
            assert float(row[f"test_{metric}_mean"]) == values.mean
            assert float(row[f"test_{metric}_std"]) == values.std
        assert int(row["parameters"]) == arm.parameters


def test_mlflow_agrees(root, comparison):
    client = open_store(root).client
    experiment = client.get_experiment_by_name("ladnn")
    found = client.search_runs([experiment.experiment_id], "tags.kind = 'arm'")
    metrics = {run.data.tags["arm"]: run.data.metrics for run in found}
    notes = {run.data.tags["arm"]: run.data.tags["mlflow.note.content"] for run in found}
    for arm in comparison.arms:
        own = metrics[arm.arm]
        for metric in ("accuracy", "macro_f1", "accuracy_without_silence", "balanced_accuracy"):
            shown = Spread(mean=own[f"{metric}/test"] / 100, std=own[f"{metric}/test_std"] / 100, per_seed=())
            assert wording.spread(shown) == wording.spread(arm.test[metric])
        assert f"{own['log_loss/test']:.3f}" == f"{arm.test['log_loss'].mean:.3f}"
        assert own["cost/parameters"] == arm.parameters
        assert wording.spread(arm.test["accuracy"]) in notes[arm.arm]
    for pair in comparison.pairs:
        own = metrics[pair.a]
        ends = [own[f"{pair.metric}/vs_baseline{end}"] / 100 for end in ("", "_low", "_high")]
        assert list(map(wording.points, ends)) == [
            wording.points(part) for part in (pair.difference, pair.low, pair.high)
        ]
    for sentence in comparison.verdicts:
        assert sentence in experiment.tags["mlflow.note.content"]


# What is pasted


def test_pasting_prints_nothing_else_and_writes_nothing(root, report):
    before = sorted(root.rglob("*"))
    for form in ("--markdown", "--latex"):
        done = report("--study", "rivals", form)
        assert said(done).startswith(("### rivals: ", "% rivals: "))
        assert done.stderr == ""
    assert sorted(root.rglob("*")) == before


def test_what_markdown_and_latex_would_take_for_their_own_is_escaped():
    table = Table(["a|b", *numbers("n_1")], [("<b> *x* & [SIL]", Cell("-0.50 to +0.10 %", strong=True))])
    text = paste.markdown([Heading("50 % of #1\nand_more"), table])
    assert text.startswith("### 50 % of #1 and\\_more\n")
    assert r"| \<b\> \*x\* &amp; \[SIL\] | **-0.50 to +0.10 %** |" in text
    text = paste.latex([Heading("100 %\n\\input{x}"), Heading("A & B_1 {50 %}"), table])
    assert text.startswith("% 100 % \\input{x}\n%")
    assert r"\caption{A \& B\_1 \{50~\%\}.}" in text
    assert r"\textless{}b\textgreater{} *x* \& [SIL] & \textbf{$-$0.50 to $+$0.10~\%} \\" in text


def test_all_pastes_every_measure(report, comparison):
    text = said(report("--study", "ladnn", "--markdown", "--all"))
    for pair in comparison.pairs:
        assert wording.interval(pair.low, pair.high) in text


# Several studies, single runs


def test_two_studies_on_the_same_test_data_are_one_report(root, report, records):
    text = said(report("--study", "ladnn", "--study", "rivals"))
    found = json.loads((root / "reports" / "ladnn+rivals" / "comparison.json").read_text())
    assert [arm["arm"] for arm in found["arms"]] == ["ladnn", "ffdnn", "resmlp", "linear"]
    whole = dataclasses.replace(records[0], arms=[*records[0].arms, *records[1].arms])
    assert found["verdicts"] == list(compare(whole).verdicts)
    assert found["verdicts"][0] in text
    assert "report --study ladnn --study rivals --all" in text
    assert (root / "reports" / "ladnn+rivals" / "index.html").exists()


def test_two_studies_on_other_test_data_are_refused(report):
    done = report("--study", "ladnn", "--study", "elsewhere")
    assert done.exit_code == 2
    assert "ladnn and elsewhere: not scored on the same test data" in done.stderr
    assert "test utterances: 15 in ladnn, 10 in elsewhere, 10 of them in both" in done.stderr


def finals(root: Path) -> dict[str, str]:
    client = open_store(root).client
    found = client.search_runs([client.get_experiment_by_name("ladnn").experiment_id])
    return {run.info.run_name: run.info.run_id for run in found}


def test_two_runs_are_compared_over_speakers_for_their_seeds(root, report, records):
    ids = finals(root)
    a, b = ids["ladnn seed 1"], ids["ffdnn seed 0"]
    text = said(report("--run", a[:12], "--run", b, "--out", root / "two"))
    found = json.loads((root / "two" / "comparison.json").read_text())
    assert [arm["arm"] for arm in found["arms"]] == ["ladnn seed 1", "ffdnn seed 0"]
    expected = records[0].arms[0].finals[1].test.accuracy - records[0].arms[1].finals[0].test.accuracy
    assert found["pairs"][0]["difference"] == pytest.approx(expected)
    assert (found["pairs"][0]["a"], found["baseline"]) == ("ladnn seed 1", "ffdnn seed 0")
    assert "interval over 3 speakers, for these seeds alone." in text
    assert "One seed only: ladnn seed 1, ffdnn seed 0." in text
    assert [arm["trials"] for arm in found["arms"]] == [3, 3]


def test_runs_that_cannot_be_compared_are_all_named(root, report):
    ids = finals(root)
    done = report("--run", ids["ladnn"], "--run", "zzzzzz", "--run", "ab", "--run", ids["ffdnn seed 0"])
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"--run {ids['ladnn']}: is an arm, not a run of one seed")
    assert lines[1].startswith("--run zzzzzz: no such run in sqlite://")
    assert lines[2].startswith("--run ab: an id has 32 characters; give at least the first 4")


WRONG = {
    "nothing": ((), "give --study NAME, or --run ID at least twice"),
    "one run": (("--run", "abcdef"), "a run is compared with another"),
    "both": (("--study", "ladnn", "--run", "abcdef"), "give studies or runs, not both"),
    "twice": (("--study", "ladnn", "--study", "ladnn"), "--study ladnn: is given twice"),
    "two forms": (("--study", "ladnn", "--latex", "--json"), "--json and --latex: give one of them"),
    "a seed of nothing": (("--study", "ladnn", "--seed", "1"), "--seed 1: only --disagreements takes a seed"),
    "no place": (("--study", "ladnn", "--disagreements", "ladnn", "ffdnn"), "give an output, --out"),
    "a place of nothing": (("--study", "ladnn", "--latex", "--out", "x"), "--latex is printed; write it to a file"),
    "a file": (("--study", "ladnn", "--out", "mlflow.db"), "is a file; a report needs a folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_go_together_is_refused(case, report):
    arguments, message = WRONG[case]
    done = report(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_disagreements_of_arms_of_two_studies_are_written(root, report):
    both = ("--study", "ladnn", "--study", "rivals", "--disagreements", "ladnn", "resmlp")
    text = said(report(*both, "--seed", 1, "--out", root / "where.csv"))
    assert "ladnn and resmlp, seed 1" in text
    n = len((root / "where.csv").read_text().splitlines()) - 1
    assert f"where.csv: {n:,} spans" in text


# Terminals and pipes


def in_terminal(root: Path, *arguments: str, **environment: str) -> str:
    """What a command writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_") and k not in ("NO_COLOR", "COLUMNS")}
    command = [*HARNESS, *arguments]
    given = kept | {"PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm-256color"} | environment
    with subprocess.Popen(command, cwd=root, env=given, stdout=theirs, stderr=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end was closed
                break
            parts.append(part)
            if not part:
                break
        os.close(ours)
        assert process.wait() == 0, process.stderr.read()
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_in_a_terminal_tables_fit_and_no_color_is_respected(root):
    text = in_terminal(root, "report", "--study", "ladnn", NO_COLOR="1")
    assert not COLOUR.search(text)
    assert "\x1b[1m" in text  # bold is no colour
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert max(len(line) for line in lines if "http" not in line) <= 80
    assert sum(1 for line in lines if line.startswith("──")) == 3  # no table is cut in two
    assert len(lines) <= 70


def test_in_a_pipe_there_is_no_escape_at_all(root):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    given = kept | {"PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm-256color"}
    done = subprocess.run([*HARNESS, "report", "--study", "ladnn", "--all"], cwd=root, env=given, capture_output=True)
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout + done.stderr


def test_tables_too_wide_for_a_terminal_are_cut_not_folded():
    arms = [f"an_arm_of_a_long_name_{i}" for i in range(6)]
    table = Table(["class", *numbers(*arms)], [("vowel", *map(str, range(6)))])
    stream = io.StringIO()
    terminal.show(terminal.fitting([table]), stream)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines if line.startswith("vowel")] == [
        ["vowel", "0", "1", "2"],
        ["vowel", "3", "4", "5"],
    ]
