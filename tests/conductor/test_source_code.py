"""Code is part of a study: an architecture that is edited while its study is unfinished is noticed, in a real copy."""

import json
import shutil
import signal

import pytest

from harness.tracking import store
from tests.command import ROOT, harness, start
from tests.small_corpus import STUDY, write_project

pytestmark = pytest.mark.slow  # trainings and a store: not for the inner loop

CUT = """\
import os, signal
from harness.tracking.live_run import LiveRun
finish, left = LiveRun.finish, [5]
def cut(run, *arguments):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    finish(run, *arguments)
LiveRun.finish = cut
from harness.cli.main import main
main(prog_name="harness")
"""
"""harness in a process that is killed where its sixth run, the second arm's second trial, would be recorded."""
FIRST = "        logits: Tensor = "
"""A line of each architecture, before which code is put."""


@pytest.fixture
def project(tmp_path):
    """A folder with a copy of the packages, whose architectures can be edited."""
    for package in ("harness", "architectures"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return write_project(tmp_path, {"study.toml": STUDY})


def run(project, *arguments):
    return harness(*arguments, cwd=project, path=project)


def edit(project, name, text):
    path = project / "architectures" / f"{name}.py"
    source = path.read_text()
    assert source.count(FIRST) == 1
    path.write_text(source.replace(FIRST, text + FIRST))


def results(project):
    comparison = json.loads((project / "reports" / "small" / "comparison.json").read_text())
    return {arm["arm"]: [arm["confusion"], arm["chosen"]] for arm in comparison["arms"]}


def test_an_edited_architecture_is_refused_with_the_difference_until_its_arm_is_restarted(project, tmp_path):
    killed = start(CUT, "run", "study.toml", cwd=project, path=project, OMP_NUM_THREADS="1").completed()
    assert killed.returncode == -signal.SIGKILL
    edit(project, "ffdnn", "        # a comment changes nothing\n")
    edit(project, "ladnn", "        windows = 2 * windows\n")  # complete: what is there stays
    edit(project, "ffdnn", "        windows = 1.0 * windows\n")
    refused = run(project, "run", "study.toml")
    assert refused.returncode == 2
    assert "study 'small' was begun with other code, and results of the two are not mixed" in refused.stderr
    assert "architectures/ffdnn.py (then)" in refused.stderr
    assert "+        windows = 1.0 * windows" in refused.stderr
    assert "harness run study.toml --restart-arm ffdnn" in refused.stderr
    assert "ladnn" not in refused.stderr.partition("arm ffdnn:")[2].partition("or bring")[0]
    source = (project / "architectures" / "ffdnn.py").read_text()
    (project / "architectures" / "ffdnn.py").write_text(source.replace("        windows = 1.0 * windows\n", ""))
    back = run(project, "run", "study.toml")
    assert back.returncode == 0, back.stderr
    assert "the code of ladnn has changed since its runs, which are complete" in " ".join(back.stderr.split())
    undisturbed = results(project)
    edit(project, "ffdnn", "        windows = 1.0 * windows\n")
    anew = run(project, "run", "study.toml", "--restart-arm", "ffdnn")
    assert anew.returncode == 0, anew.stderr
    assert results(project) == undisturbed


def test_a_finished_study_and_its_models_know_their_code(project):
    done = run(project, "run", "study.toml")
    assert done.returncode == 0, done.stderr
    client = store.open_store(project).client
    runs = client.search_runs([client.get_experiment_by_name("small").experiment_id])
    (arm,) = [own for own in runs if own.info.run_name == "ladnn"]
    kept = {file.path for file in client.list_artifacts(arm.info.run_id, "code")}
    assert kept == {"code/ladnn.py", "code/_layers.py", "code/_initialisation.py"}
    assert len({own.data.tags["code"] for own in runs if own.data.tags["arm"] == "ladnn"}) == 1
    predict = ("predict", "corpus", "--split", "test", "--study", "small", "--arm", "ladnn", "--out", "labels.csv")
    assert "code" not in run(project, *predict).stdout
    edit(project, "ladnn", "        windows = 1.0 * windows\n")
    told = " ".join(run(project, *predict).stdout.split())
    assert "note: the code of ladnn has changed since the model was trained; on 8 windows it gives the same" in told
    report = run(project, "report", "--study", "small")
    assert "The code of ladnn here is not that of its runs" in " ".join(report.stdout.split())
    edit(project, "ladnn", "        windows = 2.0 * windows\n")
    for command in (predict, ("export", "--study", "small", "--arm", "ladnn", "--out", "model.pt2")):
        refused = run(project, *command)
        assert refused.returncode == 2
        assert "on 8 windows its logits differ by up to" in refused.stderr
        assert "among the artifacts of the arm's run, in code/" in refused.stderr
    more = run(project, "run", "study.toml", "--set", "comparison.seeds=[5, 6, 7]")
    assert more.returncode == 2
    assert "--restart-arm ladnn" in more.stderr
    assert "windows = 2.0 * windows" in more.stderr
