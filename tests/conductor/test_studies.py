"""Looking after studies: how they stand, and stopping, archiving and deleting them."""

import itertools
import json
import time

import pytest
from mlflow import MlflowClient

from harness.conductor.studies import archive, bring_back
from harness.tracking.store import open_store
from tests.command import harness, start
from tests.small_corpus import STUDY, write_project
from tests.studies import copy_project

pytestmark = pytest.mark.slow

LONG = STUDY.replace("epochs = 1\nbatch_size", "epochs = 2000\nbatch_size").replace('"small"', '"long"')
CODE = "from harness.cli.main import main; main(prog_name='harness')"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = write_project(
        tmp_path_factory.mktemp("project"), {"small.toml": STUDY, "long.toml": LONG}, n_train=2, n_held=2
    )
    done = harness("run", "small.toml", cwd=folder, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    return folder


def standings(project, *options):
    done = harness("studies", "--json", *options, cwd=project)
    assert done.returncode == 0, done.stderr
    return {own["study"]: own for own in json.loads(done.stdout)}


def refused(project, *arguments):
    done = harness(*arguments, cwd=project)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_study_runs_is_stopped_and_goes_on(project):
    running = start(CODE, "run", "long.toml", cwd=project, OMP_NUM_THREADS="1")
    deadline = time.monotonic() + 60
    while standings(project).get("long", {"state": ""})["state"] != "running" and time.monotonic() < deadline:
        assert running.poll() is None
        time.sleep(0.1)
    assert "long: is running; stop it first: harness stop long" in refused(project, "delete", "long", "--yes")
    assert "is running; stop it first" in refused(project, "archive", "long")
    table = harness("studies", cwd=project).stdout
    assert "to stop it: harness stop long" in table
    assert "running" in harness("list", cwd=project).stdout, "one word for one state"
    stopped = harness("stop", "long", cwd=project)
    assert stopped.returncode == 0, stopped.stderr
    assert stopped.stdout.startswith("long: stopped, ")
    assert "to go on: harness run long.toml" in stopped.stdout
    running.communicate(timeout=10)
    assert running.returncode == 130
    found = standings(project)
    assert {name: own["state"] for name, own in found.items()} == {"long": "stopped", "small": "finished"}
    assert 0 <= found["long"]["done"] < 1 == found["small"]["done"]
    assert "long: is not running, there is nothing to stop" in refused(project, "stop", "long")
    assert "no such study" in refused(project, "stop", "lang")


def test_an_archived_study_leaves_its_name_and_comes_back_whole(project):
    before = harness("report", "--study", "small", "--json", cwd=project).stdout
    archived = harness("archive", "small", cwd=project)
    assert archived.returncode == 0, archived.stderr
    assert "small" not in standings(project)
    (name,) = [own for own in standings(project, "--archived") if own.startswith("small (archived ")]
    assert f"to read it: harness report --study '{name}'" in archived.stdout
    assert json.loads(harness("report", "--study", name, "--json", cwd=project).stdout)["pairs"]
    assert not (project / ".harness" / "studies" / "small").exists()
    assert "small: no such study" in refused(project, "archive", "small")
    back = harness("archive", "--undo", "small", cwd=project)
    assert back.stdout == "small: is back\n"
    assert harness("report", "--study", "small", "--json", cwd=project).stdout == before
    again = harness("run", "small.toml", cwd=project)
    assert again.returncode == 0, again.stderr
    assert "trial" not in again.stderr, "nothing is trained anew"
    assert "no such archived study? There are: none" in refused(project, "archive", "--undo", "small")


WRITES = ("rename_experiment", "set_experiment_tag", "delete_experiment_tag")


@pytest.mark.parametrize("is_undone", [False, True], ids=["archive", "undo"])
def test_archiving_that_is_cut_off_anywhere_is_finished_by_the_same_command(project, tmp_path, monkeypatch, is_undone):
    """Cut off before each write to MLflow in turn, and after the last: until a command needs no second one."""
    command = bring_back if is_undone else archive
    for n in itertools.count():
        own = copy_project(project, tmp_path / str(n))
        if is_undone:
            archive(own, "small")
        left = iter(range(n))

        def cut(method, left=left):
            def write(*arguments, **named):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return method(*arguments, **named)

            return write

        with monkeypatch.context() as patched:
            for name in WRITES:
                patched.setattr(MlflowClient, name, cut(getattr(MlflowClient, name)))
            try:
                command(own, "small")
                is_whole = True
            except KeyboardInterrupt:
                is_whole = False
        if not is_whole:
            command(own, "small")
        reader = open_store(own)
        names = {e.name for e in reader.experiments() if e.name.startswith("small")}
        (archived,) = reader.archived() or ["small"]
        assert (archived == "small") == is_undone
        assert names == {archived, f"{archived}/search"}
        assert reader.load_study(archived).arms[0].trials
        folder = ".harness/studies/small" if is_undone else ".harness/archived/small *"
        assert len(list(own.glob(folder))) == 1
        if is_whole:
            break
    assert n >= 5


def test_a_study_that_failed_says_why(project):
    text = STUDY.replace('"small"', '"failing"').replace("{ log = [1e-3, 1e-1] }", "1e30").partition("[search]")[0]
    text += '[comparison]\nbaseline = "ffdnn"\nseeds = [5, 6]\n'
    (project / "failing.toml").write_text(text)
    assert harness("run", "failing.toml", cwd=project, OMP_NUM_THREADS="1").returncode == 1
    found = standings(project)["failing"]
    assert found["state"] == "failed"
    assert "not finite" in found["why"]
    table = harness("studies", cwd=project).stdout
    assert "not finite" in table
    assert "to go on: harness run failing.toml" in table


def test_a_deleted_study_is_gone_but_for_what_it_read(project):
    assert "nobody can be asked here; say --yes" in refused(project, "delete", "small")
    assert harness("delete", "small", "--yes", cwd=project).returncode == 0
    assert "small" not in standings(project, "--archived")
    assert not list((project / ".harness" / "studies").glob("small*"))
    assert "--study small: " in refused(project, "report", "--study", "small")
    (project / "anew.toml").write_text(STUDY.replace('"small"', '"anew"'))
    assert harness("run", "anew.toml", cwd=project, OMP_NUM_THREADS="1").returncode == 0
    checks = json.loads(harness("report", "--study", "anew", "--json", cwd=project).stdout)["checks"]
    (read,) = [check["sentence"] for check in checks if check["code"] == "H016"]
    assert "small (deleted " in read


def test_where_there_is_no_project_nothing_is_made(tmp_path):
    assert harness("studies", "--json", cwd=tmp_path).stdout == "[]\n"
    assert "no study yet" in harness("studies", cwd=tmp_path).stdout
    assert "holds no study yet" in refused(tmp_path, "delete", "x", "--yes")
    assert not list(tmp_path.iterdir())
