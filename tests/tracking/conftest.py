"""Projects with a study in each of its states. A state is written once in a session; tests that write get a copy."""

import shutil
from pathlib import Path

import pytest

from harness.comparison.compare import compare
from harness.comparison.model import Comparison
from harness.results import StudyRecord
from harness.tracking.store import Store, open_store
from tests.records import make_record
from tests.studies import begin, copy_project, finish, finish_arms, write, write_arm


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
    """A project whose store is empty."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    return folder


@pytest.fixture
def store(root) -> Store:
    return open_store(root)


@pytest.fixture(scope="session")
def small() -> StudyRecord:
    """With few phonemes, whose picture is drawn in no time."""
    phonemes = ("[SIL]", "AA", "IH", "S")
    return make_record(n_arms=2, n_seeds=2, n_speakers=2, n_trials=3, phonemes=phonemes)


@pytest.fixture(scope="session")
def project_of_one_arm(tmp_path_factory, empty_database, small) -> Path:
    """The small study, whose first arm is trained; for `copy_project` only."""
    root = tmp_path_factory.mktemp("of one arm")
    shutil.copy(empty_database, root)
    write_arm(begin(open_store(root), small), small.arms[0])
    return root


@pytest.fixture(scope="session")
def project_of_arms(tmp_path_factory, project_of_one_arm, small) -> Path:
    """The small study, whose arms are finished, but not the study; for `copy_project` only."""
    root = copy_project(project_of_one_arm, tmp_path_factory.mktemp("of arms") / "project")
    recorder = begin(open_store(root), small)
    write_arm(recorder, small.arms[1])
    finish_arms(recorder, small)
    return root


@pytest.fixture
def finished(tmp_path, project_of_arms, small) -> tuple[Path, str]:
    """A project of its own with the small study, finished, and the link of its view."""
    root = copy_project(project_of_arms, tmp_path / "finished")
    return root, finish(begin(open_store(root), small), small)


@pytest.fixture(scope="session")
def record() -> StudyRecord:
    return make_record(n_arms=2, n_seeds=2, n_speakers=4, n_trials=3)


@pytest.fixture(scope="session")
def comparison(record) -> Comparison:
    return compare(record)


@pytest.fixture(scope="session")
def written(tmp_path_factory, empty_database, record) -> tuple[Store, str]:
    """A finished study with all phonemes, for tests that only read: its store, and the link of its view."""
    root = tmp_path_factory.mktemp("written")
    shutil.copy(empty_database, root)
    store = open_store(root)
    return store, write(store, record)
