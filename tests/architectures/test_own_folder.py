"""Architectures of a user, in a folder beside their experiment file: found by every command, without a clone."""

import json
import shutil
import sys

import pytest

import architectures
import harness as api
from tests.command import harness
from tests.small_corpus import STUDY, write_project

MINE = """\
'''A linear map, twice.'''
from torch import nn
from architectures import register
from architectures.mine_parts import Twice

@register
class Mine(nn.Module):
    def __init__(self, window: int, d_features: int, n_classes: int, *, width: int = 8):
        super().__init__()
        self.both = Twice(window * d_features, width, n_classes)
    def forward(self, windows):
        return self.both(windows.flatten(1))
"""
PARTS = """\
'''What mine is made of.'''
from torch import nn
class Twice(nn.Sequential):
    def __init__(self, d_in, width, d_out):
        super().__init__(nn.Linear(d_in, width), nn.Linear(width, d_out))
"""
FILE = STUDY.replace('architecture = "ladnn"', 'architecture = "mine"')


@pytest.fixture
def found_anew():
    """What was found is forgotten afterwards."""
    before = list(architectures.__path__)
    yield
    architectures.__path__[:] = before
    for name in ("mine", "mine_parts"):
        architectures.unregister(name)
        sys.modules.pop(f"architectures.{name}", None)


def write(folder, **files):
    (folder / "architectures").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "architectures" / f"{name}.py").write_text(text)


@pytest.mark.slow
def test_a_study_of_ones_own_architecture_is_run_listed_used_and_known_by_its_code(tmp_path):
    write_project(tmp_path, {"small.toml": FILE}, n_train=2, n_held=2)
    write(tmp_path, mine=MINE, _mine_parts=PARTS)
    write(tmp_path, mine=MINE.replace("mine_parts", "_mine_parts"))
    done = harness("run", "small.toml", cwd=tmp_path, OMP_NUM_THREADS="2")  # in worker processes
    assert done.returncode == 0, done.stderr
    assert "mine\n" in harness("list", cwd=tmp_path).stdout
    out = ("--study", "small", "--arm", "ladnn", "--out", "out.csv")
    assert harness("predict", "corpus", "--split", "test", *out, cwd=tmp_path).returncode == 0
    kept = next(tmp_path.glob("mlruns/*/*/artifacts/model/model.json"), None)
    assert kept is not None
    write(tmp_path, _mine_parts=PARTS.replace("width, d_out)", "width, d_out, bias=False)"))
    told = harness("report", "--study", "small", "--json", cwd=tmp_path)
    assert any("code" in note for note in json.loads(told.stdout)["notes"]), "the code of a file that it imports"


@pytest.mark.slow
def test_a_name_that_is_taken_is_refused(tmp_path):
    write(tmp_path, ffdnn=MINE)
    refused = harness("list", cwd=tmp_path)
    assert refused.returncode == 2
    assert "architectures/ffdnn.py: " in refused.stderr
    assert "has this name already; give the file another one" in refused.stderr
    assert "Traceback" not in refused.stderr
    shutil.rmtree(tmp_path / "architectures")
    assert harness("list", cwd=tmp_path).returncode == 0


def test_in_a_notebook_an_edited_file_is_read_anew(tmp_path, monkeypatch, found_anew):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, mine=MINE, mine_parts=PARTS)
    architectures.look_in(tmp_path / "architectures")
    assert architectures.parameters_of("mine")["width"].default == 8
    before = architectures.digest("mine")
    write(tmp_path, mine=MINE.replace("width: int = 8", "width: int = 16"))
    architectures.look_in(tmp_path / "architectures")
    assert architectures.parameters_of("mine")["width"].default == 16
    assert architectures.digest("mine") != before
    assert list(architectures.sources("mine")) == ["mine.py", "mine_parts.py"]
    (tmp_path / "x.toml").write_text(FILE.replace("width = 8", "width = 'wide'"))
    with pytest.raises(api.UserError, match=r"params.width: 'wide'|params.width"):
        api.run("x.toml")
