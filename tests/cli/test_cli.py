"""The commands as a user types them, on a tiny corpus with a real MLflow store and a real Optuna journal."""

import json
import os
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli.main import main
from harness.frames import device
from harness.results import RunResult
from tests.command import ENVIRONMENT, harness, start
from tests.small_corpus import add_store, write_corpus

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

EXPERIMENT = """\
question = "Does anything help?"
study = "tiny"
[data]
corpus = "corpus"
context = { int = [0, 2] }
[training]
epochs = 2
batch_size = 128
precision = "fp32"
[arms.ladnn]
architecture = "ladnn"
params.depth = { int = [1, 2] }
params.width = 16
[arms.ffdnn]
architecture = "ffdnn"
params.depth = { int = [1, 2] }
params.width = 16
[search]
trials = 2
subset = 0.5
[comparison]
baseline = "ffdnn"
seeds = [0, 1]
[[claims]]
claim = "gradients reach the first layer"
kind = "gradients"
reaches = ["ladnn", "ffdnn"]
ratio = 1e-6
"""


def make_project(folder: Path, has_store: bool = True) -> Path:
    write_corpus(folder / "corpus")
    (folder / "tiny.toml").write_text(EXPERIMENT)
    if has_store:
        (folder / ".harness").mkdir()
        add_store(folder)
    return folder


def python(code, *arguments, cwd=None):
    """Python in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)


def invoke(cwd, *arguments, monkeypatch):
    monkeypatch.chdir(cwd)
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project in which the study `tiny` was run."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    done = harness("run", "tiny.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    (folder / "stderr").write_text(done.stderr)
    return folder


def test_a_run_ends_with_the_comparison_the_report_and_the_next_commands(project):
    printed = (project / "stdout").read_text()
    assert printed.startswith("\ntiny: Does anything help?")
    assert "reports/tiny/index.html" in printed
    assert "mlflow" in printed
    assert "report --study tiny" in printed
    assert "#/experiments/" in printed


def test_progress_goes_to_standard_error_as_plain_lines(project):
    lines = (project / "stderr").read_text().splitlines()
    assert sum("trial" in line and "on validation" in line for line in lines) == 4
    assert sum("% on test" in line for line in lines) == 4
    assert not any("\x1b" in line for line in lines)


def test_the_files_of_the_report_are_there_and_agree(project):
    folder = project / "reports" / "tiny"
    comparison = json.loads((folder / "comparison.json").read_text())
    assert {f.name for f in folder.iterdir()} == {
        "comparison.json", "arms.csv", "phonemes.csv", "speakers.csv", "confusion_ladnn.csv", "confusion_ffdnn.csv",
        "index.html",
    }  # fmt: skip
    assert comparison["corpus"]["splits"]["test"]["speakers"] == 4
    for arm in comparison["arms"]:
        counts = np.array(arm["confusion"]["counts"])
        assert counts.sum() == 2 * comparison["corpus"]["splits"]["test"]["frames"]
        pooled = np.trace(counts) / counts.sum()
        assert pooled == pytest.approx(np.mean(arm["test"]["accuracy"]["per_seed"]))
        assert arm["trials"] == 2


def test_both_arms_spent_the_same(project):
    comparison = json.loads((project / "reports" / "tiny" / "comparison.json").read_text())
    a, b = comparison["arms"]
    assert a["search_frames"] == b["search_frames"] > 0
    assert a["seeds"] == b["seeds"] == [0, 1]


def test_an_unchanged_file_prints_its_comparison_at_once(project):
    again = harness("run", "tiny.toml", cwd=project)
    assert again.returncode == 0
    assert "trial" not in again.stderr
    before = (project / "stdout").read_text()
    assert again.stdout.partition("\nNext\n")[0] == before.partition("\nNext\n")[0]


def test_claims_are_answered_and_more_may_be_asked_once_all_is_done(project):
    printed = (project / "stdout").read_text()
    assert "\nClaims\nSupported: gradients reach the first layer\n  ladnn: first/last gradient " in printed
    layers = json.loads((project / "reports" / "tiny" / "comparison.json").read_text())["arms"][0]["layers"]
    assert [run["seed"] for run in layers] == [0, 1]
    more = EXPERIMENT + '[[claims]]\nclaim = "it is perfect"\nkind = "threshold"\nreaches = ["ladnn"]\nat = 0.999\n'
    (project / "more.toml").write_text(more)
    again = harness("run", "more.toml", cwd=project)
    assert again.returncode == 0, again.stderr
    assert "seed" not in again.stderr, "nothing is trained"
    assert "\nSupported: gradients reach the first layer\n" in again.stdout
    assert "\nRefuted, stated after the runs: it is perfect\n" in again.stdout
    assert "it is perfect" not in harness("report", "--study", "tiny", cwd=project).stdout


def test_report_reads_mlflow_alone_without_torch(project, tmp_path):
    code = (
        "import sys; from harness.cli.main import main\n"
        f"main(['report', '--study', 'tiny', '--out', {str(tmp_path / 'out')!r}], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules and 'optuna' not in sys.modules"
    )
    (project / ".harness").rename(project / "gone")
    (project / "corpus").rename(project / "gone-corpus")
    try:
        (project / ".harness").mkdir()
        done = python(code, cwd=project)
        assert done.returncode == 0, done.stderr
    finally:
        for file in (project / ".harness").iterdir():
            file.unlink()
        (project / ".harness").rmdir()
        (project / "gone").rename(project / ".harness")
        (project / "gone-corpus").rename(project / "corpus")
    for name in ("arms.csv", "phonemes.csv", "confusion_ladnn.csv"):
        assert (tmp_path / "out" / name).read_text() == (project / "reports" / "tiny" / name).read_text()


def test_report_json_is_the_file(project, monkeypatch):
    done = invoke(project, "report", "--study", "tiny", "--json", monkeypatch=monkeypatch)
    assert done.exit_code == 0
    assert json.loads(done.stdout) == json.loads((project / "reports" / "tiny" / "comparison.json").read_text())


def test_a_changed_file_names_what_changed_and_asks(project, monkeypatch):
    done = invoke(project, "run", "tiny.toml", "--set", "training.epochs=3", monkeypatch=monkeypatch)
    assert done.exit_code == 2
    assert "study 'tiny' has other settings" in done.stderr
    assert "training.epochs: 2 -> 3" in done.stderr
    assert "--restart" in done.stderr


def test_the_plan_of_a_study_that_is_done_says_so(project, monkeypatch):
    done = invoke(project, "run", "tiny.toml", "--plan", monkeypatch=monkeypatch)
    assert "2 arms, 8 runs; 8 of them done" in done.stdout
    refused = invoke(project, "run", "tiny.toml", "--plan", "--set", "training.epochs=3", monkeypatch=monkeypatch)
    assert refused.exit_code == 2
    assert "harness run tiny.toml --set training.epochs=3 --set study=NAME" in refused.stderr


def test_the_plan_trains_nothing(tmp_path, monkeypatch):
    folder = make_project(tmp_path, has_store=False)
    done = invoke(folder, "run", "tiny.toml", "--plan", monkeypatch=monkeypatch)
    assert done.exit_code == 0, done.output
    assert "2 arms, 8 runs; no run has started yet" in done.stdout
    assert "FLOPs per frame" in done.stdout
    assert "memory" in done.stdout
    assert not (folder / "mlflow.db").exists()
    assert not (folder / ".harness" / "studies").exists()


def test_the_plan_says_what_stays_on_the_device_what_passes_through_and_why(tmp_path, monkeypatch):
    folder = make_project(tmp_path)
    stays = invoke(folder, "run", "tiny.toml", "--plan", monkeypatch=monkeypatch)
    assert "they stay there" in stays.stdout
    assert "device: cpu; the frames take 169 kB of " in stays.stdout
    limited = ["--set", "data.memory=1.3e-4"]
    passes = invoke(folder, "run", "tiny.toml", "--plan", *limited, monkeypatch=monkeypatch)
    assert "  train, validation are streamed in chunks of" in passes.stdout
    assert "test, search stay" in passes.stdout
    assert "the frames take 169 kB of 130 kB (data.memory):" in passes.stdout
    refused = invoke(folder, "run", "tiny.toml", "--plan", "--set", "data.memory=1e-6", monkeypatch=monkeypatch)
    assert refused.exit_code == 2
    assert "data.memory: 1e-06 GB are too little for this corpus" in refused.stderr


def test_list_names_architectures_corpora_and_studies(project, monkeypatch):
    done = invoke(project, "list", monkeypatch=monkeypatch)
    assert done.exit_code == 0
    for word in ("ladnn", "bottleneck", "synthetic", "tiny", "finished"):
        assert word in done.stdout


MISTAKES = {
    "no such file": (["run", "nowhere.toml"], "nowhere.toml: no such file"),
    "an unknown key": (["run", "tiny.toml", "--set", "training.epoch=2"], "did you mean 'epochs'?"),
    "no such corpus": (["run", "tiny.toml", "--set", "data.corpus=nowhere"], "nowhere: no such folder"),
    "no such study": (["report", "--study", "tiyn"], "tiyn"),
    "no GPU": (["run", "tiny.toml", "--device", "cuda", "--plan"], "torch sees no CUDA GPU here"),
    "an unknown command": (["rum", "tiny.toml"], "Did you mean"),
    "an unknown option": (["report", "--stdy", "x"], "--study"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_users_mistake_ends_with_status_2_and_no_traceback(tmp_path, mistake, monkeypatch):
    arguments, message = MISTAKES[mistake]
    import torch

    if mistake == "no GPU" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = invoke(make_project(tmp_path), *arguments, monkeypatch=monkeypatch)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_fails_ends_with_status_1_and_is_failed_in_mlflow(tmp_path, monkeypatch):
    folder = make_project(tmp_path)
    wild = ["training.learning_rate=1e30", "training.optimiser=sgd", "training.clip_norm=0"]
    settings = [word for setting in wild for word in ("--set", setting)]
    done = invoke(folder, "run", "tiny.toml", *settings, monkeypatch=monkeypatch)
    assert done.exit_code == 1, done.output
    assert "none of its 2 trials could be trained to the end" in done.stderr


def test_restart_archives_the_earlier_study_and_begins_anew(tmp_path, monkeypatch):
    folder = make_project(tmp_path)
    only = ["--set", "comparison.seeds=[0]"]
    assert invoke(folder, "run", "tiny.toml", *only, monkeypatch=monkeypatch).exit_code == 0
    changed = [*only, "--set", "training.epochs=1", "--restart"]
    done = invoke(folder, "run", "tiny.toml", *changed, monkeypatch=monkeypatch)
    assert done.exit_code == 0, done.output
    assert "the earlier study is kept in MLflow: harness report --study 'tiny (archived" in done.stderr
    comparison = json.loads((folder / "reports" / "tiny" / "comparison.json").read_text())
    assert all(len(run["epochs"]) == 1 for arm in comparison["arms"] for run in arm["history"])
    assert len(list((folder / ".harness" / "archived").iterdir())) == 1
    name = done.stderr.partition("--study '")[2].partition("'")[0]
    assert invoke(folder, "report", "--study", name, "--out", "old", monkeypatch=monkeypatch).exit_code == 0


def test_a_study_whose_working_folder_is_gone_is_not_mixed_with_a_new_one(tmp_path, monkeypatch):
    folder = make_project(tmp_path)
    only = ["--set", "comparison.seeds=[0]"]
    assert invoke(folder, "run", "tiny.toml", *only, monkeypatch=monkeypatch).exit_code == 0
    (folder / ".harness" / "studies").rename(folder / "elsewhere")
    done = invoke(folder, "run", "tiny.toml", *only, monkeypatch=monkeypatch)
    assert done.exit_code == 2
    assert "whose working folder" in done.stderr


ONE, SIDE_BY_SIDE = {"OMP_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "2"}
two_cores = pytest.mark.skipif(device.n_cores() < 2, reason="one core: arms are trained one after the other")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "threads"),
    [
        pytest.param(signal.SIGKILL, SIDE_BY_SIDE, marks=two_cores, id="kill-side by side"),
        pytest.param(signal.SIGINT, ONE, id="interrupt-one"),
    ],
)
def test_a_study_that_was_stopped_goes_on_and_ends_with_the_same_numbers(project, tmp_path, how, threads):
    """Cut off in a trial, then in a final; each time the same command goes on. SIGTERM is what `harness stop` sends."""
    folder = make_project(tmp_path)
    (folder / "slowed.py").write_text(SLOWED)
    (folder / "corpus").rename(folder / "other")
    (folder / "corpus").symlink_to(project / "corpus")
    runs = folder / ".harness" / "studies" / "tiny" / "runs"
    for stage in ("ffdnn-trial-1/state.pt", "ffdnn-seed-0/state.pt"):
        process = start("slowed.py", "run", "tiny.toml", cwd=folder, **threads)
        deadline = time.monotonic() + 120
        while not (runs / stage).exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert process.poll() is None, "it ended before it could be stopped"
        workers = children(process.pid)
        assert len(workers) >= (2 if threads == SIDE_BY_SIDE else 0)
        process.send_signal(how)
        _, printed = process.communicate(timeout=60)
        assert process.returncode == (-how if how == signal.SIGKILL else 130), printed
        assert "Traceback" not in printed
        deadline = time.monotonic() + 5
        while (orphans := [pid for pid in workers if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not orphans
        if how != signal.SIGKILL:
            assert "RUNNING" not in statuses(folder)
    done = harness("run", "tiny.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert statuses(folder) == {"FINISHED"}
    for arm in ("ladnn", "ffdnn"):
        for seed in (0, 1):
            name = f".harness/studies/tiny/runs/{arm}-seed-{seed}"
            whole, cut = RunResult.load(project / name), RunResult.load(folder / name)
            assert whole.settings == cut.settings
            np.testing.assert_array_equal(whole.test.counts, cut.test.counts)
            assert [e.train_loss for e in whole.history] == [e.train_loss for e in cut.history]


@two_cores
@pytest.mark.slow
def test_a_worker_that_is_killed_in_a_trial_and_in_a_final_changes_no_bit(project, tmp_path):
    folder = make_project(tmp_path)
    (folder / "slowed.py").write_text(SLOWED)
    (folder / "corpus").rename(folder / "other")
    (folder / "corpus").symlink_to(project / "corpus")
    process = start("slowed.py", "run", "tiny.toml", cwd=folder, **SIDE_BY_SIDE)
    runs, deadline = folder / ".harness" / "studies" / "tiny" / "runs", time.monotonic() + 120
    for stage in ("ffdnn-trial-1/state.pt", "ffdnn-seed-0/state.pt"):
        while not (runs / stage).exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert process.poll() is None, "it ended before a worker could be killed"
        time.sleep(0.07)  # into the next epoch
        for pid in children(process.pid):
            if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)
    _, printed = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    for run in ("ffdnn trial 1", "ffdnn seed 0"):
        assert f"{run}: its worker process died (SIGKILL); it goes on from its last epoch" in printed
    one, other = (
        json.loads((where / "reports" / "tiny" / "comparison.json").read_text()) for where in (project, folder)
    )
    assert timeless(one) == timeless(other)
    for name in (f"{arm}-seed-{seed}" for arm in ("ladnn", "ffdnn") for seed in (0, 1)):
        for file in ("arrays.npz", "model/model.safetensors"):
            whole, cut = (where / ".harness/studies/tiny/runs" / name / file for where in (project, folder))
            if file.endswith("npz"):
                whole, cut = np.load(whole), np.load(cut)
                for key in whole.files:
                    np.testing.assert_array_equal(whole[key], cut[key])
            else:
                assert whole.read_bytes() == cut.read_bytes()


@two_cores
@pytest.mark.slow
def test_a_run_whose_process_dies_again_and_again_ends_the_study_with_a_sentence_and_can_go_on(project, tmp_path):
    folder = make_project(tmp_path)
    (folder / "deadly.py").write_text(DEADLY)
    (folder / "corpus").rename(folder / "other")
    (folder / "corpus").symlink_to(project / "corpus")
    done = start("deadly.py", "run", "tiny.toml", cwd=folder, **SIDE_BY_SIDE).completed()
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("failed: ")
    assert (
        "trial 0: its worker process died 3 times (SIGKILL, SIGKILL, SIGKILL), perhaps out of memory; the same" in last
    )
    assert "RUNNING" not in statuses(folder)
    again = harness("run", "tiny.toml", cwd=folder)
    assert again.returncode == 0, again.stderr
    one, other = (
        json.loads((where / "reports" / "tiny" / "comparison.json").read_text()) for where in (project, folder)
    )
    assert timeless(one) == timeless(other)


@two_cores
@pytest.mark.slow
def test_arms_side_by_side_give_what_they_give_one_after_the_other(project, tmp_path):
    folder = make_project(tmp_path)
    for arguments in (["run", "tiny.toml"], ["report", "--study", "tiny"]):  # the report is from MLflow alone
        done = harness(*arguments, cwd=folder, **SIDE_BY_SIDE)
        assert done.returncode == 0, done.stderr
        one, other = (
            json.loads((where / "reports" / "tiny" / "comparison.json").read_text()) for where in (project, folder)
        )
        assert (one["provenance"]["at_once"], other["provenance"]["at_once"]) == (1, 2)
        assert one["provenance"]["threads"] == other["provenance"]["threads"] == 1
        assert timeless(one) == timeless(other)


def timeless(tree):
    """A comparison without what depends on the moment and the process."""
    if isinstance(tree, list):
        return [timeless(item) for item in tree if not (isinstance(item, dict) and item.get("code") == "H010")]
    if not isinstance(tree, dict):
        return tree
    changing = {"seconds", "seconds_training", "search_seconds", "frames_per_second", "peak_bytes", "provenance"}
    return {key: timeless(value) for key, value in tree.items() if key not in changing}


def children(pid):
    """The processes that a process has started, threads of it included."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def statuses(folder):
    """Of all runs in a project's store."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        return {status for (status,) in database.execute("select status from runs where lifecycle_stage = 'active'")}


SLOWED = """
import time
from harness.training import trainer
step = trainer.step
def slow(*arguments):
    time.sleep(0.05)
    step(*arguments)
trainer.step = slow  # in worker processes too: they import this file
if __name__ == "__main__":
    from harness.cli.main import main
    main(prog_name='harness')
"""
"""The command with steps slow enough to be cut off within."""


DEADLY = """
import multiprocessing, os, signal
from harness.training import trainer
def die(*arguments):
    assert multiprocessing.parent_process() is not None
    os.kill(os.getpid(), signal.SIGKILL)
trainer.step = die
if __name__ == "__main__":
    from harness.cli.main import main
    main(prog_name='harness')
"""
"""The command with workers that die with their first step."""


def test_two_processes_do_not_run_one_study(tmp_path, monkeypatch):
    from harness.conductor.workspace import Workspace
    from harness.experiment import load

    folder = make_project(tmp_path)
    monkeypatch.chdir(folder)
    with Workspace(folder, load.load("tiny.toml")).reserve():
        done = CliRunner().invoke(main, ["run", "tiny.toml"])
    assert done.exit_code == 2
    assert "is being run by another process" in done.stderr


def test_help_answers_without_heavy_imports():
    code = (
        "import sys; from harness.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'mlflow', 'optuna', 'sklearn', 'pandas', 'plotly', 'numpy', 'pydantic', 'rich'}\n"
        "assert not heavy & set(sys.modules)"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert "harness run experiments/ladnn_vs_ffdnn.toml" in done.stdout


@pytest.mark.slow
def test_mlflow_ui_answers_with_these_runs(project):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port), "--workers", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, cwd=project, env=ENVIRONMENT, start_new_session=True, **quiet)
    try:
        found = _post(port, "experiments/search", {"max_results": 10}, patience=120)
        ids = {e["name"]: e["experiment_id"] for e in found["experiments"]}
        assert {"tiny", "tiny/search"} <= set(ids)
        runs = _post(port, "runs/search", {"experiment_ids": [ids["tiny"]]})["runs"]
        names = {run["info"]["run_name"] for run in runs}
        assert {"ladnn", "ffdnn", "ladnn seed 0", "ffdnn seed 1"} <= names
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read().decode()
        assert "<html" in page
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _post(port, path, body, patience=10):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/2.0/mlflow/{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    deadline = time.monotonic() + patience
    while True:
        try:
            return json.load(urllib.request.urlopen(request, timeout=10))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_a_reader_that_goes_away_is_no_failure(project):
    code = "from harness.cli.main import main; main(prog_name='harness')"
    command = f"set -o pipefail; {shlex.quote(sys.executable)} -c {shlex.quote(code)} list | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=project, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() in ("", "Architectures (architecture = NAME; params.SETTING)")


def test_a_study_that_ended_before_its_first_run_may_begin_with_other_settings(tmp_path):
    folder = make_project(tmp_path)
    failed = harness("run", "tiny.toml", "--set", "data.validation=dev", cwd=folder)
    assert failed.returncode == 2
    assert "no split 'dev'" in failed.stderr
    remembered = (folder / ".harness" / "studies" / "tiny" / "study.json").read_text()
    assert harness("run", "tiny.toml", "--plan", cwd=folder).returncode == 0
    assert (folder / ".harness" / "studies" / "tiny" / "study.json").read_text() == remembered  # a plan changes nothing
    again = harness("run", "tiny.toml", "--set", "search.trials=1", "--set", "comparison.seeds=[0]", cwd=folder)
    assert again.returncode == 0, again.stderr
    changed = harness("run", "tiny.toml", "--set", "training.epochs=3", "--set", "study=tiny", cwd=folder)
    assert "has other settings" in changed.stderr
    assert "run it as another study: harness run tiny.toml --set training.epochs=3 --set study=NAME" in changed.stderr
