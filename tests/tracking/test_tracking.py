"""MLflow: what is written, that it reads back whole, what a kill leaves, and what is refused. All on real stores."""

import base64
import dataclasses
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import precision_recall_fscore_support

from harness.errors import UserError
from harness.results import ArmRecord, RunResult, StudyRecord
from harness.tracking import entries, pictures, recorder, refusals, views
from harness.tracking.store import Store, open_store
from tests.browser import CHROMIUM, Browser
from tests.records import comparison_json as compare
from tests.records import make_record

REPOSITORY = Path(__file__).parents[2]
COMMAND = "harness run experiments/ladnn_vs_ffdnn.toml"
N_TRIALS = 3


@pytest.fixture(autouse=True)
def _no_tracking_uri(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """Making one takes seconds, copying it none."""
    root = tmp_path_factory.mktemp("empty")
    open_store(root)
    return root / "mlflow.db"


@pytest.fixture
def root(tmp_path, empty_database) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    return folder


@pytest.fixture
def store(root) -> Store:
    return open_store(root)


@pytest.fixture(scope="session")
def record() -> StudyRecord:
    return make_record(n_arms=2, n_seeds=2, n_speakers=4, n_trials=N_TRIALS)


@pytest.fixture(scope="session")
def small() -> StudyRecord:
    """With few phonemes, whose picture is drawn in no time."""
    phonemes = ("[SIL]", "AA", "IH", "S")
    return make_record(n_arms=2, n_seeds=2, n_speakers=2, n_trials=N_TRIALS, phonemes=phonemes)


@pytest.fixture(scope="session")
def written(tmp_path_factory, empty_database, record) -> tuple[Store, str]:
    """A finished study, for tests that only read: its store, and the link of its view."""
    root = tmp_path_factory.mktemp("written")
    shutil.copy(empty_database, root)
    store = open_store(root)
    return store, write(store, record)


def begin(store: Store, record: StudyRecord) -> recorder.Recorder:
    arms = [arm.arm for arm in record.arms]
    seeds = [final.seed for final in record.arms[0].finals]
    return store.begin(record.study, question=record.question, arms=arms, trials=N_TRIALS, seeds=seeds, command=COMMAND)


def as_trial(arm: ArmRecord, number: int) -> RunResult:
    trial, final = arm.trials[number], arm.finals[0]
    settings = final.settings | trial.settings
    return dataclasses.replace(final, stage="search", trial=number, test=None, state=trial.state, settings=settings)


def write_arm(recorder: recorder.Recorder, arm: ArmRecord) -> None:
    for trial in arm.trials:
        recorder.log_run(as_trial(arm, trial.number))
    recorder.start_arm(arm.arm, architecture=arm.architecture, settings=arm.finals[0].settings)
    for final in arm.finals:
        recorder.log_run(final)


def write(store: Store, record: StudyRecord) -> str:
    recorder = begin(store, record)
    for arm in record.arms:
        write_arm(recorder, arm)
    comparison = compare(record)
    for arm in record.arms:
        recorder.finish_arm(arm, comparison)
    return recorder.finish(record, comparison["pairs"], comparison["verdicts"])


def runs(store: Store, experiment: str, kind: str) -> dict:
    """name -> run"""
    experiment_id = store.client.get_experiment_by_name(experiment).experiment_id
    found = store.client.search_runs([experiment_id], f"tags.kind = '{kind}'")
    return {run.info.run_name: run for run in found}


def artifacts(store: Store, run) -> set[str]:
    def below(path: str | None) -> Iterator[str]:
        for entry in store.client.list_artifacts(run.info.run_id, path):
            yield from below(entry.path) if entry.is_dir else [entry.path]

    return set(below(None))


def start_final(recorder: recorder.Recorder, final: RunResult) -> recorder.LiveRun:
    recorder.start_arm(final.arm, architecture=final.architecture, settings=final.settings)
    return recorder.start_run(final.arm, stage="final", trial=None, seed=final.seed, settings=final.settings)


def steps(store: Store, run_id: str, metric: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in store.client.get_metric_history(run_id, metric)]


# What is written


def test_a_study_comes_back_as_it_was_written(written, record):
    back = written[0].load_study("ladnn")
    assert compare(back) == compare(record)
    for arm, arm_back in zip(record.arms, back.arms, strict=True):
        assert (arm_back.chosen, arm_back.trials, arm_back.importances) == (arm.chosen, arm.trials, arm.importances)
        for final, final_back in zip(arm.finals, arm_back.finals, strict=True):
            np.testing.assert_array_equal(final_back.test.counts, final.test.counts)
            np.testing.assert_array_equal(final_back.test.log_loss, final.test.log_loss)
            np.testing.assert_array_equal(final_back.validation.counts, final.validation.counts)
            assert final_back.history == final.history
            assert final_back.provenance == final.provenance
    assert (back.notes, back.provenance, back.corpus) == (record.notes, record.provenance, record.corpus)


def test_arms_stand_alone_with_finals_as_children_and_trials_apart(written, record):
    store, _ = written
    arms, finals = runs(store, "ladnn", "arm"), runs(store, "ladnn", "final")
    assert set(arms) == {"ladnn", "ffdnn"}
    assert not any("mlflow.parentRunId" in arm.data.tags for arm in arms.values())
    assert set(finals) == {"ladnn seed 0", "ladnn seed 1", "ffdnn seed 0", "ffdnn seed 1"}
    for final in finals.values():
        assert final.data.tags["mlflow.parentRunId"] == arms[final.data.tags["arm"]].info.run_id
    assert not runs(store, "ladnn", "trial")
    assert len(runs(store, "ladnn/search", "trial")) == 2 * N_TRIALS
    everything = [*arms.values(), *finals.values(), *runs(store, "ladnn/search", "trial").values()]
    assert {run.info.status for run in everything} == {"FINISHED"}


def test_every_phoneme_is_logged_as_scikit_learn_has_it(written, record):
    run = runs(written[0], "ladnn", "final")["ffdnn seed 1"]
    final = record.arms[1].finals[1]
    true, predicted = np.nonzero(final.test.confusion)
    expected = precision_recall_fscore_support(
        true,
        predicted,
        sample_weight=final.test.confusion[true, predicted],
        labels=range(len(final.phonemes)),
        zero_division=0,
    )
    names = entries.metric_names(final.phonemes)
    for measure, values, scale in zip(
        ("precision", "recall", "f1", "support"), expected, (100, 100, 100, 1), strict=True
    ):
        logged = [run.data.metrics[f"phoneme_{measure}/{names[phoneme]}"] for phoneme in final.phonemes]
        np.testing.assert_allclose(logged, scale * np.asarray(values))
    assert run.data.metrics["accuracy/test"] == pytest.approx(100 * final.test.accuracy)
    assert run.data.metrics["accuracy/validation"] == pytest.approx(100 * final.validation.accuracy)


def test_an_arm_has_mean_spread_and_difference_of_its_seeds(written, record):
    metrics = runs(written[0], "ladnn", "arm")["ladnn"].data.metrics
    accuracies = [100 * final.test.accuracy for final in record.arms[0].finals]
    assert metrics["accuracy/test"] == pytest.approx(np.mean(accuracies))
    assert metrics["accuracy/test_std"] == pytest.approx(np.std(accuracies, ddof=1))
    pair = next(p for p in compare(record)["pairs"] if p["metric"] == "accuracy")
    ends = [metrics[f"accuracy/vs_baseline{end}"] for end in ("_low", "", "_high")]
    assert ends == pytest.approx([100 * pair["low"], 100 * pair["difference"], 100 * pair["high"]])
    assert not any("vs_baseline" in name for name in runs(written[0], "ladnn", "arm")["ffdnn"].data.metrics)


def test_headlines_come_before_the_many_bars_of_phonemes(written):
    metrics = runs(written[0], "ladnn", "arm")["ladnn"].data.metrics
    sections = list(dict.fromkeys(name.rpartition("/")[0] for name in sorted(metrics)))
    assert sections[0] == "accuracy"
    assert [s for s in sections if s.startswith("phoneme_")] == sections[-4:]
    assert "" not in sections


def test_a_run_says_where_it_comes_from(written, record):
    final = dataclasses.replace(
        record.arms[0].finals[0],
        provenance={"device": "cpu", "commit": "abc", "dirty": True, "versions": {"torch": "2.13.0"}, "corpus": "9f2c"},
    )
    tags = entries.run_tags(final)
    assert tags["mlflow.source.git.commit"] == tags["commit"] == "abc"
    assert (tags["dirty"], tags["device"], tags["corpus"]) == ("true", "cpu", "9f2c")
    assert json.loads(tags["versions"]) == {"torch": "2.13.0"}
    run = runs(written[0], "ladnn", "final")["ladnn seed 0"]
    assert run.data.params["training.learning_rate"] == str(final.settings["training.learning_rate"])
    assert (run.data.tags["seed"], run.data.tags["judged_on"]) == ("0", "test")
    for name in ("parameters", "flops_per_frame", "seconds", "frames_per_second", "peak_bytes"):
        assert run.data.metrics[f"cost/{name}"] == getattr(final, name)


def test_artifacts_to_compare_lie_at_the_root_of_an_arm(written, record):
    store, _ = written
    arm = runs(store, "ladnn", "arm")["ladnn"]
    at_root = {path for path in artifacts(store, arm) if "/" not in path}
    assert {
        "confusion.png",
        "confusion.csv",
        "per_phoneme.md",
        "per_phoneme.json",
        "classification_report.txt",
    } <= at_root
    assert {"search.json", "search.md", "comparison.json", "study.json", "experiment.toml"} <= at_root
    counts = np.loadtxt(_artifact(store, arm, "confusion.csv").splitlines()[1:], delimiter=",", dtype=str)[:, 1:]
    pooled = sum(final.test.confusion for final in record.arms[0].finals)
    np.testing.assert_array_equal(counts.astype(int), pooled)
    table = json.loads(_artifact(store, arm, "per_phoneme.json"))
    assert [row[0] for row in table["data"]] == list(record.arms[0].finals[0].phonemes)


def test_the_figures_of_the_arms_have_one_name_and_one_size(written, record):
    """So that MLflow's compare page, which shows 600 pixels, sets them side by side."""
    store, _ = written
    sizes = []
    for run in runs(store, "ladnn", "arm").values():
        names = sorted(path for path in artifacts(store, run) if path.endswith(".png") and "/" not in path)
        folder = Path(store.client.download_artifacts(run.info.run_id, ""))
        sizes.append({name: Image.open(folder / name).size for name in names})
        assert set(views.IMAGES) <= {name.removesuffix(".png") for name in names}
    assert sizes[0] == sizes[1]
    expected = {"boundaries_calibration", "budget", "confusion", "learning", "phonemes", "speakers"}
    assert {name.removesuffix(".png") for name in sizes[0]} == expected
    assert {width for width, _ in sizes[0].values()} == {600}


def test_a_picture_that_lacks_its_numbers_is_left_out(record):
    comparison = json.loads(json.dumps(compare(record)))
    for arm in comparison["arms"]:
        del arm["calibration"]
    names = pictures.arm_pictures("ladnn", comparison, entries.COLOURS)
    assert "speakers.png" in names
    assert "boundaries_calibration.png" not in names


def _artifact(store: Store, run, path: str) -> str:
    return Path(store.client.download_artifacts(run.info.run_id, path)).read_text()


def test_a_final_keeps_its_result_and_model_without_pickle(store, small, tmp_path):
    final = small.arms[0].finals[0]
    final.save(tmp_path / "run")
    (tmp_path / "run" / "state.pt").write_bytes(b"not to be kept")
    (tmp_path / "run" / "model").mkdir()
    (tmp_path / "run" / "model" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "run" / "model" / "model.json").write_text("{}")
    recorder = begin(store, small)
    start_final(recorder, final).finish(final, tmp_path / "run")
    kept = artifacts(store, runs(store, "ladnn", "final")["ladnn seed 0"])
    assert {"model/model.safetensors", "model/model.json", "result/result.json", "result/arrays.npz"} <= kept
    assert not [path for path in kept if path.endswith((".pt", ".pkl", ".pickle"))]


def test_epochs_logged_live_are_those_logged_at_the_end(store, small):
    recorder = begin(store, small)
    first, second = small.arms[0].finals
    live = start_final(recorder, first)
    for epoch in first.history:
        live.next_call = -math.inf  # as if some seconds had passed
        live.epoch(epoch)
        assert store.client.get_run(live.run_id).info.status == "RUNNING"
        assert steps(store, live.run_id, "epochs/train_loss")[-1] == (epoch.epoch, epoch.train_loss)
    live.finish(first)
    at_once = recorder.log_run(second)
    for run_id, final in ((live.run_id, first), (at_once, second)):
        curve = [(epoch.epoch, 100 * epoch.validation_accuracy) for epoch in final.history]
        assert steps(store, run_id, "epochs/validation_accuracy") == curve
        times = [m.timestamp for m in store.client.get_metric_history(run_id, "epochs/train_loss")]
        assert times == sorted(times)


def test_epochs_that_pass_quickly_go_out_together(store, small):
    recorder, final = begin(store, small), small.arms[0].finals[0]
    live = start_final(recorder, final)
    for epoch in final.history:
        live.epoch(epoch)
    assert [step for step, _ in steps(store, live.run_id, "epochs/train_loss")] == [1]
    live.failed("KILLED")
    assert [step for step, _ in steps(store, live.run_id, "epochs/train_loss")] == [e.epoch for e in final.history]


@pytest.mark.parametrize(
    ("phonemes", "names"),
    [
        (("[SIL]", "AA", "h#", "<sil>"), ("SIL", "AA", "h", "sil_2")),
        (("ax-h", "sp.", "a:", "ə", "œ"), ("ax-h", "sp.", "a", "other", "other_2")),
        (("t", "T", "t_2"), ("t", "T_2", "t_2_2")),
    ],
)
def test_phonemes_get_names_that_mlflow_takes(store, phonemes, names):
    assert tuple(entries.metric_names(phonemes).values()) == names
    run = store.client.create_run("0")
    for name in names:
        store.client.log_metric(run.info.run_id, f"phoneme_f1/{name}", 1.0)


def test_settings_stand_in_the_words_of_the_file(store, small):
    settings = {"a": True, "b": None, "c": (3, 10), "d": "adam", "e": 1e-4, "f": "", "g": "x" * 7000}
    params = entries.params(settings)
    assert list(params.values())[:6] == ["true", "null", "[3, 10]", "adam", "0.0001", ""]
    assert len(params["g"]) == 6000
    assert params["g"].endswith("(cut; whole in result/result.json)")
    begin(store, small).start_arm("ladnn", architecture="ladnn", settings=settings)
    assert runs(store, "ladnn", "arm")["ladnn"].data.params == params


def test_numbers_that_are_not_finite_are_named_not_logged(store, small):
    final = small.arms[0].finals[0]
    worst = dataclasses.replace(final.test, log_loss=np.full_like(final.test.log_loss, np.inf))
    epoch = dataclasses.replace(final.history[0], validation_loss=float("nan"))
    final = dataclasses.replace(final, test=worst, history=(epoch,))
    start_final(begin(store, small), final).finish(final)
    run = runs(store, "ladnn", "final")["ladnn seed 0"]
    assert "log_loss/test" not in run.data.metrics
    assert "epochs/validation_loss" not in run.data.metrics
    assert run.data.metrics["accuracy/test"] > 0
    assert run.data.tags["not_finite"] == "log_loss/test"


# Stopped and gone on with


def test_a_resumed_run_is_the_same_run_and_doubles_nothing(root, store, small):
    final = small.arms[0].finals[0]
    live = start_final(begin(store, small), final)
    for epoch in final.history[:3]:
        live.epoch(epoch)
    live.failed("KILLED")
    assert store.client.get_run(live.run_id).info.status == "KILLED"

    recorder = begin(open_store(root), small)
    resumed = start_final(recorder, final)
    assert resumed.run_id == live.run_id
    assert store.client.get_run(live.run_id).info.status == "RUNNING"
    for epoch in final.history[2:4]:  # one again, one new; the rest is made good at the end
        resumed.epoch(epoch)
    resumed.finish(final)
    assert sorted(steps(store, live.run_id, "epochs/train_loss")) == [(e.epoch, e.train_loss) for e in final.history]
    assert recorder.log_run(final) == live.run_id
    assert begin(store, small).log_run(final) == live.run_id
    assert len(runs(store, "ladnn", "final")) == len(runs(store, "ladnn", "arm")) == 1


def test_a_study_written_twice_is_written_once(store, small):
    assert write(store, small) == write(store, small)
    assert len(runs(store, "ladnn", "arm")) == 2
    assert len(runs(store, "ladnn", "final")) == 4
    assert len(runs(store, "ladnn/search", "trial")) == 2 * N_TRIALS
    arm = runs(store, "ladnn", "arm")["ladnn"]
    assert len(steps(store, arm.info.run_id, "accuracy/test")) == 1
    images = [path for path in artifacts(store, arm) if path.startswith("images/") and path.endswith(".png")]
    assert len(images) == len(views.IMAGES)


def test_a_trial_of_other_settings_replaces_the_one_before(store, small):
    trial = as_trial(small.arms[0], 0)
    begin(store, small).start_run("ladnn", stage="search", trial=0, seed=0, settings=trial.settings).failed("KILLED")
    other = dataclasses.replace(trial, settings=trial.settings | {"params.depth": 99})
    run_id = begin(store, small).log_run(other)
    found = runs(store, "ladnn/search", "trial")
    assert [run.info.run_id for run in found.values()] == [run_id]
    assert found["ladnn trial 0"].data.params["params.depth"] == "99"


def test_a_training_that_failed_says_why(store, small):
    trial = as_trial(small.arms[0], 0)
    live = begin(store, small).start_run("ladnn", stage="search", trial=0, seed=0, settings=trial.settings)
    live.failed("FAILED", "the loss is not finite in epoch 2")
    run = runs(store, "ladnn/search", "trial")["ladnn trial 0"]
    assert (run.info.status, run.data.tags["state"]) == ("FAILED", "failed")
    assert run.data.tags["mlflow.note.content"] == "the loss is not finite in epoch 2"
    again = begin(store, small).start_run("ladnn", stage="search", trial=0, seed=0, settings=trial.settings)
    assert again.run_id == live.run_id
    assert not {"state", "mlflow.note.content"} & set(store.client.get_run(live.run_id).data.tags)


KILLED = """
import sys, time
from pathlib import Path
from harness import tracking
store = tracking.open_store(Path(sys.argv[1]))
recorder = store.begin("ladnn", question="?", arms=["ladnn"], trials=0, seeds=[0], command="")
recorder.start_arm("ladnn", architecture="ladnn", settings={})
recorder.start_run("ladnn", stage="final", trial=None, seed=0, settings={})
print("started", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_left_running_is_swept_and_what_lives_is_not(root, store):
    process = subprocess.Popen([sys.executable, "-c", KILLED, root], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "started\n"
    assert store.sweep() == []  # it lives
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = [*runs(store, "ladnn", "arm").values(), *runs(store, "ladnn", "final").values()]
    assert [run.info.status for run in left] == ["RUNNING", "RUNNING"]
    assert set(store.sweep()) == {run.info.run_id for run in left}
    assert {store.client.get_run(run.info.run_id).info.status for run in left} == {"KILLED"}
    assert store.sweep() == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_process_number_used_again_is_not_taken_for_the_dead_one(store, small):
    live = start_final(begin(store, small), small.arms[0].finals[0])
    assert store.sweep() == []
    store.client.set_tag(live.run_id, "born", "1")
    assert store.sweep() == [live.run_id]


@pytest.mark.slow
def test_processes_that_make_one_database_together_all_succeed(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.tracking.store import open_store\n"
        "open_store(Path(sys.argv[1]))"
    )
    start = [subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=REPOSITORY) for _ in range(4)]
    assert [process.wait(timeout=120) for process in start] == [0, 0, 0, 0]
    assert open_store(tmp_path).studies() == []


# Where it lies


def test_runs_lie_where_a_bare_mlflow_ui_looks_whatever_folder_is_current(root, small, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    store = open_store(root)
    final = small.arms[0].finals[0]
    start_final(begin(store, small), final).finish(final)
    run = runs(store, "ladnn", "final")["ladnn seed 0"]
    assert run.info.artifact_uri == str(root / "mlruns" / run.info.experiment_id / run.info.run_id / "artifacts")
    assert (Path(run.info.artifact_uri) / "confusion.png").exists()
    assert not list(elsewhere.iterdir())
    assert Path.cwd() == elsewhere


def test_a_gitignore_in_mlruns_is_left_alone(root):
    (root / "mlruns").mkdir()
    (root / "mlruns" / ".gitignore").write_text("*\n!.gitignore\n")
    assert open_store(root).studies() == []


def test_the_line_that_shows_the_store_is_what_works_here(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(root)
    assert store.ui_command(root) == "mlflow ui"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert store.ui_command(root) == f"{Path(sys.executable).parent / 'mlflow'} ui"
    monkeypatch.chdir(tmp_path)
    assert store.ui_command(root).endswith(f"mlflow ui --backend-store-uri sqlite:///{root}/mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////some where/else.db")
    assert store.ui_command(root).endswith("mlflow ui --backend-store-uri 'sqlite:////some where/else.db'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert store.ui_command(root) == "http://tracking:5000"


def test_a_tracking_uri_is_followed(tmp_path, empty_database, small, monkeypatch):
    shutil.copy(empty_database, tmp_path / "other.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    begin(open_store(tmp_path / "project"), small)
    assert not (tmp_path / "project").exists()
    assert [line.study for line in open_store(tmp_path).studies()] == ["ladnn"]


# Refusals


def test_an_old_file_store_is_refused_with_its_mending(tmp_path, empty_database):
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("")
    with pytest.raises(UserError, match=r"mlruns/0/meta\.yaml: the file store of an old MLflow") as refusal:
        open_store(tmp_path)
    assert not (tmp_path / "mlflow.db").exists()
    subprocess.run(str(refusal.value).splitlines()[-1], shell=True, check=True)
    shutil.copy(empty_database, tmp_path)
    assert open_store(tmp_path).studies() == []


def test_a_moved_folder_is_refused_and_its_mending_works(root, store, small):
    write(store, small)
    moved = root.with_name("moved it's 2")
    root.rename(moved)
    with pytest.raises(UserError, match="was made in another folder") as refusal:
        open_store(moved)
    assert str(root / "mlruns") in str(refusal.value)
    subprocess.run(str(refusal.value).splitlines()[-1], shell=True, check=True, executable="/bin/sh")
    assert compare(open_store(moved).load_study("ladnn")) == compare(small)
    assert (moved / "mlflow.db.before").exists()


def test_a_folder_reached_by_a_link_is_not_taken_for_moved(root, store, small, tmp_path):
    begin(store, small)
    (tmp_path / "link").symlink_to(root)
    assert len(open_store(tmp_path / "link").studies()) == 1
    (tmp_path / "big disk").mkdir()
    (root / "mlruns").symlink_to(tmp_path / "big disk")
    assert len(open_store(root).studies()) == 1


def test_a_server_that_does_not_answer_is_told_at_once(tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    started = time.monotonic()
    with pytest.raises(UserError, match=f"MLFLOW_TRACKING_URI = {uri}: no server answers there"):
        open_store(tmp_path)
    assert time.monotonic() - started < 15


def test_a_closed_kind_of_store_is_a_mistake_not_a_traceback(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "files"))
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI = "):
        open_store(tmp_path)


def test_a_database_of_another_mlflow_is_told_how_to_upgrade(root):
    import sqlite3

    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("update alembic_version set version_num = '451aebb31d03'")
    with pytest.raises(UserError, match=r"made by another MLflow.*mlflow db upgrade sqlite:///"):
        open_store(root)


def test_a_study_recorded_through_a_server_is_not_reached_without_it(store, small):
    store.client.create_experiment(
        "ladnn", artifact_location="mlflow-artifacts:/1", tags={"harness.part": "study", "harness.state": "finished"}
    )
    with pytest.raises(UserError, match="Set MLFLOW_TRACKING_URI to its address"):
        store.load_study("ladnn")
    with pytest.raises(UserError, match="Set MLFLOW_TRACKING_URI to its address"):
        begin(store, small)


def test_an_experiment_that_is_not_ours_or_in_the_trash_is_not_taken(store, small):
    theirs = store.client.create_experiment("ladnn")
    with pytest.raises(UserError, match='study = "ladnn": an MLflow experiment of this name exists'):
        begin(store, small)
    store.client.delete_experiment(theirs)
    with pytest.raises(UserError, match=f"trash.*mlflow experiments restore --experiment-id {theirs}"):
        begin(store, small)


def test_an_unknown_study_names_the_nearest(store, small):
    with pytest.raises(UserError, match=r"--study ladn: .* holds no study yet"):
        store.load_study("ladn")
    begin(store, small)
    with pytest.raises(UserError, match=r'no such study in .* Did you mean "ladnn"\? There are: ladnn'):
        store.load_study("ladn")
    with pytest.raises(UserError, match=r"mlflow\.db\. There are: ladnn"):
        store.load_study("quite other")


def test_an_unfinished_study_says_how_far_it_is_and_how_to_go_on(store, small):
    write_arm(begin(store, small), small.arms[0])
    with pytest.raises(UserError) as refusal:
        store.load_study("ladnn")
    assert str(refusal.value).splitlines() == [
        "--study ladnn: not finished. So far:",
        "  ladnn: 3 of 3 trials, 2 of 2 seeds",
        "  ffdnn: 0 of 3 trials, 0 of 2 seeds",
        "To go on with it:",
        f"  {COMMAND}",
    ]


# What there is


def test_studies_are_listed_with_their_state(written, store, record):
    (line,) = written[0].studies()
    assert (line.study, line.question, line.arms) == ("ladnn", record.question, ("ladnn", "ffdnn"))
    assert (line.state, line.when[:2]) == ("finished", "20")
    begin(store, record)
    assert [line.state for line in store.studies()] == ["unfinished"]


def test_an_archived_study_is_kept_apart_and_its_name_is_free(store, small):
    write(store, small)
    before = runs(store, "ladnn", "final")
    new = store.archive("ladnn")
    assert re.fullmatch(r"ladnn \(archived 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\)", new)
    assert store.studies() == []
    with pytest.raises(UserError, match="holds no study yet"):
        store.load_study("ladnn")
    begin(store, small)
    assert not runs(store, "ladnn", "final")
    assert not runs(store, "ladnn/search", "trial")
    assert set(runs(store, new, "final")) == set(before)
    assert len(runs(store, f"{new}/search", "trial")) == 2 * N_TRIALS
    assert [line.study for line in store.studies()] == ["ladnn"]


# The prepared view


def view(store: Store, experiment: str, key: str) -> dict:
    tag = json.loads(store.client.get_experiment_by_name(experiment).tags[f"mlflow.sharedViewState.{key}"])
    return json.loads(zlib.decompress(base64.b64decode(tag["state"].removeprefix("deflate;"))))


def test_the_view_names_what_the_arms_have(written, record):
    store, _ = written
    arm = runs(store, "ladnn", "arm")["ladnn"].data
    state = view(store, "ladnn", "arms")
    keys = [chart["metricKey"] for chart in state["compareRunCharts"] if "metricKey" in chart]
    assert len(keys) == 10
    assert set(keys) <= set(arm.metrics)
    baselines = [chart.get("baselineColumnUuid") for chart in state["compareRunCharts"]]
    assert runs(store, "ladnn", "arm")["ffdnn"].info.run_id in baselines
    columns = {f"metrics.`{key}`" for key in arm.metrics} | {f"params.`{key}`" for key in arm.params}
    assert set(view(store, "ladnn", "table")["selectedColumns"]) <= columns
    trial = runs(store, "ladnn/search", "trial")["ladnn trial 0"].data
    columns = {f"{kind}.`{key}`" for kind in ("metrics", "params", "tags") for key in getattr(trial, kind)}
    assert set(view(store, "ladnn/search", "trials")["selectedColumns"]) <= columns


def test_the_study_says_question_verdicts_and_links(written, record):
    store, link = written
    note = store.client.get_experiment_by_name("ladnn").tags["mlflow.note.content"]
    assert note.startswith(f"**{record.question}** {compare(record)['verdicts'][0]}")
    assert f"]({link.removeprefix('http://127.0.0.1:5000/')})" in note
    assert "viewStateShareKey=arms&compareRunsMode=CHART" in link


def test_a_view_that_cannot_be_written_fails_no_study(store, small, monkeypatch):
    monkeypatch.setattr(views, "charts", lambda *_: 1 / 0)
    with pytest.warns(UserWarning, match="prepared view could not be written: division by zero"):
        link = write(store, small)
    assert re.fullmatch(r"http://127\.0\.0\.1:5000/#/experiments/\d+/runs\?workflowType=machine_learning", link)
    assert compare(store.load_study("ladnn")) == compare(small)


# Servers


@pytest.fixture
def server(request, root, tmp_path) -> Iterator[str]:
    """A running `mlflow ARGUMENTS` in the project's folder; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    line = [Path(sys.executable).parent / "mlflow", *request.param, "--port", str(port), "--workers", "1"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(line, cwd=root, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(240):
            try:
                refusals.silent_server(f"http://127.0.0.1:{port}")
                break
            except UserError:
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("server", [("server", "--backend-store-uri", "sqlite:///server.db")], indirect=True)
def test_a_server_keeps_and_gives_back_a_whole_study(server, small, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    link = write(open_store(tmp_path / "client"), small)
    assert link.startswith(f"{server}/#/experiments/")
    assert not (tmp_path / "client").exists()
    assert compare(open_store(tmp_path / "client").load_study("ladnn")) == compare(small)


@pytest.mark.slow
@pytest.mark.parametrize("server", [("ui",)], indirect=True)
def test_a_bare_mlflow_ui_shows_the_arms_side_by_side(server, root, small):
    link = write(open_store(root), small)
    run_id = runs(open_store(root), "ladnn", "arm")["ladnn"].info.run_id
    with urllib.request.urlopen(f"{server}/get-artifact?path=confusion.png&run_uuid={run_id}") as answer:
        assert answer.read(8) == b"\x89PNG\r\n\x1a\n"
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    words = (small.question, "Arms side by side", "Learning curves, mean over seeds", *views.IMAGES.values())
    accuracy = np.mean([100 * final.test.accuracy for final in small.arms[0].finals])
    with Browser() as browser:
        browser.size(1600, 4000)
        browser.open(link.replace("http://127.0.0.1:5000", server), seconds=120)
        browser.wait(f"{json.dumps(words)}.every(word => document.body.innerText.includes(word))", seconds=60)
        browser.wait(
            'document.querySelectorAll(\'img[src*="get-artifact"], img[src^="blob:"]\').length >= 6', seconds=60
        )
        table = link.replace("http://127.0.0.1:5000", server).replace("=arms", "=table").replace("=CHART", "=TABLE")
        browser.open(table, seconds=120)
        browser.wait(f"document.body.innerText.includes('{str(accuracy)[:7]}')", seconds=60)  # it shows all digits
        assert compare(small)["verdicts"][0] in browser.ask("document.body.innerText")
