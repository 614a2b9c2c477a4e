"""What Python programs and notebooks use: it is what the commands give, documented, and loaded when asked for."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import harness
from harness.api import Model, Study
from harness.comparison.compare import compare
from tests.command import ENVIRONMENT, ROOT
from tests.command import harness as command
from tests.records import make_record
from tests.small_corpus import STUDY, write_project

SCRIPT = """\
import harness
print(harness.run("small.toml", overrides={"training.batch_size": 64}))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose study `small` was run by a script that does not ask whether it is the main module."""
    folder = write_project(tmp_path_factory.mktemp("project"), {"small.toml": STUDY, "script.py": SCRIPT})
    environment = ENVIRONMENT | {"OMP_NUM_THREADS": "2"}  # so that arms are trained in processes
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Study small: Does anything help?\n")
    return folder


@pytest.fixture(scope="module")
def study(project):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield harness.study("small", project=project)


@pytest.mark.slow
def test_a_study_is_run_and_read_again_with_what_was_given(project, study):
    assert (study.name, study.question) == ("small", "Does anything help?")
    again = harness.run(project / "small.toml", overrides={"training.batch_size": 64}, project=project)
    assert again.verdicts == study.verdicts
    with pytest.raises(harness.UserError, match="batch_size"):
        harness.run(project / "small.toml", project=project)
    listed = harness.studies(project=project)
    assert listed[["study", "state", "arms"]].to_numpy().tolist() == [["small", "finished", "ladnn, ffdnn"]]


@pytest.mark.slow
def test_tables_are_those_of_the_comparison(project, study):
    done = command("report", "--study", "small", "--json", cwd=project)
    comparison = json.loads(done.stdout)
    arm = comparison["arms"][0]
    assert study.arms.set_index("arm").loc["ladnn", "test_accuracy_mean"] == arm["test"]["accuracy"]["mean"]
    pair = study.pairs.query("metric == 'accuracy'").iloc[0]
    assert (pair.a, pair.b, pair.difference, pair.low) == tuple(
        comparison["pairs"][0][key] for key in ("a", "b", "difference", "low")
    )
    seeds = study.seeds.query("arm == 'ladnn' and metric == 'accuracy'")
    assert seeds.value.tolist() == arm["test"]["accuracy"]["per_seed"]
    assert seeds[["search", "seed"]].to_numpy().tolist() == [[1, 5], [1, 6]]
    speakers = study.speakers.query("arm == 'ladnn'")
    weighted = speakers.assign(right=speakers.accuracy * speakers.frames).groupby("seed")[["right", "frames"]].sum()
    assert (weighted.right / weighted.frames).tolist() == pytest.approx(seeds.value.tolist())
    assert study.phonemes.groupby("arm").size().tolist() == [40, 40]
    assert study.trials.groupby("arm").size().tolist() == [2, 2]
    assert study.trials["training.learning_rate"].between(1e-3, 1e-1).all()
    assert study.curves[["arm", "seed", "epoch"]].to_numpy().tolist() == [
        [name, seed, 1] for name in ("ladnn", "ffdnn") for seed in (5, 6)
    ]
    assert study.checks.code.tolist() == [check["code"] for check in comparison["checks"]]
    confusion = study.confusion("ladnn")
    assert confusion.to_numpy().tolist() == arm["confusion"]["counts"]
    assert confusion.columns.tolist() == confusion.index.tolist() == arm["confusion"]["labels"]
    csv = pd.read_csv(project / "reports" / "small" / "speakers.csv")
    pd.testing.assert_frame_equal(csv, study.speakers)


@pytest.mark.slow
def test_figures_and_page_are_those_of_the_report(project, study, tmp_path):
    command("report", "--study", "small", cwd=project)
    assert (
        study.to_html(tmp_path / "new" / "page.html").read_bytes()
        == (project / "reports" / "small" / "index.html").read_bytes()
    )
    for name in study.figures:
        assert study.figure(name).data, name
    with pytest.raises(harness.UserError, match="there are: each_seed, differences"):
        study.figure("differenzen")
    with pytest.raises(harness.UserError, match="ladnnn: study small has no such arm; there are: ladnn, ffdnn"):
        study.confusion("ladnnn")


@pytest.mark.slow
def test_a_model_gives_what_predict_gives(project, study, tmp_path):
    out = tmp_path / "out.npz"
    command(
        "predict", "corpus", "--split", "test", "--study", "small", "--arm", "ladnn", "--seed", "6", "--out", str(out),
        cwd=project,
    )  # fmt: skip
    found, model = np.load(out), study.model("ladnn", 6)
    name, length = found["utterances"][0], found["lengths"][0]
    frames = np.load(project / "corpus" / "test" / "mfcc" / f"{name}.npy")
    posteriors = model.posteriors(frames)
    assert posteriors.dtype == np.float32
    np.testing.assert_allclose(posteriors, found["posteriors"][:length], atol=1e-6)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-5)
    assert model.labels(frames) == [model.phonemes[k] for k in found["predicted"][:length]]
    assert (model.seed, model.context, len(model.phonemes)) == (6, (7, 7), 40)
    assert model.module(torch.zeros(2, 15, 6)).shape == (2, 40)
    assert repr(model) == "Model of study small, arm ladnn, seed 6: ladnn on 15 frames of 6 features"
    for wrong, message in (
        (frames[:, :5], f"frames: {length} x 5; give an array of numbers, T x 6, with at least one frame"),
        (frames[:0], "frames: 0 x 6; give"),
        (1.0, "frames: a number; give"),
        ([["a"]], "frames: no array of numbers; give"),
        (frames * np.nan, "frames: some values are not finite"),
    ):
        with pytest.raises(harness.UserError, match=message):
            model.posteriors(wrong)


@pytest.mark.slow
def test_a_notebook_shows_verdicts_and_arms_escaped(study):
    shown = study._repr_html_()
    assert all(sentence in shown for sentence in study.verdicts)
    assert shown.count("<tr>") == 3
    record = dataclasses.replace(make_record(), question="<script>")
    assert "&lt;script&gt;" in Study(compare(record), Path())._repr_html_()


@pytest.mark.slow
def test_a_folder_or_study_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(harness.UserError, match="is no folder; give the one that holds your experiment files"):
        harness.studies(project=tmp_path / "nowhere")
    with pytest.raises(harness.UserError, match="holds no study yet"):
        harness.study("ladnn", project=tmp_path)
    assert harness.studies(project=tmp_path).empty
    assert not list(tmp_path.iterdir())


def test_all_that_is_public_is_documented():
    text = (ROOT / "docs" / "python.md").read_text()
    named = {*re.findall(r"`harness\.(\w+)", text), *re.findall(r"^## `(\w+)`", text, re.MULTILINE)}
    assert set(harness.__all__) == named
    for owner, heading in ((Study, "## `Study`"), (Model, "## `Model`")):
        own = text.partition(heading)[2].partition("\n## ")[0]
        for name in (name for name in vars(owner) if not name.startswith("_")):
            assert re.search(rf"`{name}\b", own), f"{owner.__name__}.{name} is not in docs/python.md"


def test_importing_it_loads_nothing_else():
    code = "import harness, sys; print({m.partition('.')[0] for m in sys.modules} & {'numpy', 'torch', 'mlflow'})"
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.stdout == "set()\n"
    with pytest.raises(AttributeError, match="no attribute 'runs'"):
        harness.runs  # noqa: B018
