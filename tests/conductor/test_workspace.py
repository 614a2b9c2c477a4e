"""A study's folder: what it was begun with decides what may go on in it."""

import json
from pathlib import Path

import pytest

from harness.conductor.workspace import Workspace
from harness.errors import UserError
from harness.experiment import load
from harness.experiment.experiment import Experiment

FILE = """\
question = "q"
study = "s"
arms.a.architecture = "ladnn"
arms.b.architecture = "linear"
arms.b.params.dropout = 0.1
"""
KAIMING = 'arms.a.params.init = "kaiming"\narms.b.params.init = "pytorch"\n'


def experiment(folder: Path, text: str) -> Experiment:
    path = folder / "s.toml"
    path.write_text(text)
    return load.load(path)


def begun_by_an_earlier_version(folder: Path) -> None:
    """A study's folder with a run, from when `kaiming` and `pytorch` were the defaults, which no file then named."""
    settings = {
        key: value
        for key, value in experiment(folder, FILE).canonical().items()
        if key not in ("arms.a.params.init", "arms.b.params.init")
    }
    (folder / ".harness" / "studies" / "s" / "runs").mkdir(parents=True)
    (folder / ".harness" / "studies" / "s" / "study.json").write_text(json.dumps({"settings": settings}))


def test_a_study_begun_with_an_earlier_default_is_not_continued_with_another(tmp_path: Path) -> None:
    begun_by_an_earlier_version(tmp_path)
    with pytest.raises(UserError) as error:
        Workspace(tmp_path, experiment(tmp_path, FILE)).open()
    assert str(error.value).splitlines()[1:3] == [
        "  arms.a.params.init: kaiming -> preserving",
        "  arms.b.params.init: pytorch -> preserving",
    ]


def test_a_study_begun_with_an_earlier_default_goes_on_where_its_file_names_it(tmp_path: Path) -> None:
    begun_by_an_earlier_version(tmp_path)
    Workspace(tmp_path, experiment(tmp_path, FILE + KAIMING)).open()


def test_a_study_goes_on_as_it_was_begun(tmp_path: Path) -> None:
    for _ in range(2):
        workspace = Workspace(tmp_path, experiment(tmp_path, FILE))
        workspace.open()
        workspace.trial("a", 0)
    with pytest.raises(UserError, match=r"arms\.a\.params\.init: preserving -> kaiming"):
        Workspace(tmp_path, experiment(tmp_path, FILE + KAIMING)).open()
