"""`harness reproduce`: a run trained again from its record in MLflow is equal bit for bit, or differs by so much."""

import shutil
from dataclasses import replace

import pytest

import architectures
from harness.engines import worker
from harness.tracking import store
from tests.command import invoke
from tests.small_corpus import STUDY, write_corpus, write_project
from tests.studies import runs

pytestmark = pytest.mark.slow  # trainings and a store: not for the inner loop

SEARCH = "trials = 3\nsubset = 0.5\npruning = 'median'\nstartup_trials = 1\nwarmup_epochs = 1\n"
FILE = STUDY.replace("epochs = 1", "epochs = 3").replace("trials = 2\n", SEARCH)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = write_project(tmp_path_factory.mktemp("project"), {"small.toml": FILE})
    done = invoke("run", "small.toml", cwd=folder)
    assert done.exit_code == 0, done.output
    return folder


def ids(project, kind):
    """Name -> id of the finished runs of a kind, trial or final."""
    opened = store.open_store(project)
    experiment = {"trial": "small/search", "final": "small"}[kind]
    return {name: run.info.run_id for name, run in runs(opened, experiment, kind).items()}


def test_every_trial_and_final_is_equal_bit_for_bit(project):
    found = ids(project, "trial") | ids(project, "final")
    assert len(found) == 10
    for name, run_id in found.items():
        done = invoke("reproduce", run_id[:12], cwd=project)
        assert done.exit_code == 0, (name, done.output)
        assert "Equal bit for bit: " in done.stdout, (name, done.stdout)
        assert ("the weights, " in done.stdout) == (" seed " in name)
    assert not (project / ".harness" / "reproduced").exists()


def test_a_training_that_gives_something_else_is_told_by_how_much(project, monkeypatch):
    train = worker.train

    def other(request, *arguments):
        training = replace(request.settings.training, learning_rate=0.5)
        return train(replace(request, settings=replace(request.settings, training=training)), *arguments)

    monkeypatch.setattr(worker, "train", other)
    done = invoke("reproduce", next(iter(ids(project, "final").values())), cwd=project)
    assert done.exit_code == 1
    assert "Not equal, although machine, threads and version of torch are the same." in done.stdout
    assert "points" in done.stdout


def test_on_another_machine_a_difference_is_no_failure(project, monkeypatch):
    train = worker.train

    def elsewhere(*arguments):
        (result,) = train(*arguments)
        part = replace(result.validation, log_loss=result.validation.log_loss + 1e-9)
        return (replace(result, validation=part, provenance=result.provenance | {"device": "another processor"}),)

    monkeypatch.setattr(worker, "train", elsewhere)
    done = invoke("reproduce", next(iter(ids(project, "final").values())), cwd=project)
    assert done.exit_code == 0
    assert "Not equal; other machines, threads or versions of torch may round differently." in done.stdout
    assert "another processor" in done.stdout


def test_another_corpus_or_other_code_is_refused(project, tmp_path, monkeypatch):
    run_id = next(iter(ids(project, "final").values()))
    done = invoke("reproduce", run_id, "--corpus", str(write_corpus(tmp_path / "other", seed=1)), cwd=project)
    assert done.exit_code == 2
    assert "was trained on a corpus with digest" in done.stderr
    moved = tmp_path / "moved"
    shutil.copytree(project / "corpus", moved)
    assert invoke("reproduce", run_id, "--corpus", str(moved), cwd=project).exit_code == 0
    monkeypatch.setattr(architectures, "digest", lambda name: "another")
    done = invoke("reproduce", run_id, cwd=project)
    assert done.exit_code == 2
    assert "is not that which it was trained with. Bring that code back: it is in MLflow" in done.stderr


def test_what_is_no_run_is_refused(project, tmp_path):
    done = invoke("reproduce", "abcdef", cwd=project)
    assert done.exit_code == 2
    assert "abcdef: no such run in" in done.stderr
    assert "The newest finals:" in done.stderr
    empty = invoke("reproduce", "abcdef", cwd=tmp_path)
    assert empty.exit_code == 2
    assert "holds no study yet" in empty.stderr
    assert not list(tmp_path.iterdir())
