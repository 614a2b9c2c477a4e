"""A sweep: which arms it makes of those in the file, and what each is compared with."""

from pathlib import Path

import pytest

from harness.experiment import sizes
from harness.experiment.load import load

FILE = """\
question = "q"
study = "s"
[training]
learning_rate = { log = [1e-4, 1e-2] }
[arms.ladnn]
architecture = "ladnn"
params.width = 64
[arms.ffdnn]
architecture = "ffdnn"
params.width = 64
params.dropout = { float = [0.0, 0.2] }
[search]
trials = 4
[comparison]
baseline = "ffdnn"
[sweep]
params.depth = [2, 4, 8]
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def loaded(text, *overrides):
    Path("x.toml").write_text(text)
    return load("x.toml", overrides)


def test_every_arm_is_made_once_for_every_value():
    experiment = loaded(FILE)
    assert list(experiment.arms) == [f"{arm}@depth={n}" for n in (2, 4, 8) for arm in ("ladnn", "ffdnn")]
    assert experiment.sweep.key == "params.depth"
    assert experiment.sweep.values == (2, 4, 8)
    for name, arm in experiment.arms.items():
        cell = experiment.sweep.cells[name]
        assert name == f"{cell.base}@depth={cell.value}"
        assert arm.fixed["params.depth"] == cell.value
        assert arm.architecture == cell.base
        assert ("params.dropout" in arm.ranges) == (cell.base == "ffdnn")


def test_each_cell_is_compared_with_the_baseline_at_its_value():
    experiment = loaded(FILE)
    assert [experiment.compared_with(name) for name in experiment.arms] == [
        f"ffdnn@depth={n}" for n in (2, 4, 8) for _ in range(2)
    ]
    assert loaded(FILE.replace("[sweep]\nparams.depth = [2, 4, 8]\n", "")).compared_with("ladnn") == "ffdnn"


def test_a_sweep_of_one_arm_is_compared_with_nothing():
    text = FILE.replace('[arms.ffdnn]\narchitecture = "ffdnn"\nparams.width = 64\n', "").replace(
        "params.dropout = { float = [0.0, 0.2] }\n", ""
    )
    experiment = loaded(text.replace('[comparison]\nbaseline = "ffdnn"\n', ""))
    assert [experiment.compared_with(name) for name in experiment.arms] == [None] * 3


def test_a_value_can_be_set_for_one_command():
    assert len(loaded(FILE, "sweep.params.depth=[1, 3]").arms) == 4


def test_the_swept_size_is_solved_for_every_cell():
    text = FILE.replace("params.width = 64\n", "").replace(
        "params.depth = [2, 4, 8]", "params.parameters = [100_000, 400_000]"
    )
    experiment = loaded(text)
    for name, arm in experiment.arms.items():
        settings, _ = arm.ends()
        size = sizes.n_parameters(arm, settings)
        assert size == pytest.approx(experiment.sweep.cells[name].value, rel=0.01)


def test_arms_are_matched_cell_by_cell():
    text = (
        FILE.replace("params.width = 64\n", "", 1)
        .replace("params.width = 64", "params.width = 512")
        .replace("params.dropout = { float = [0.0, 0.2] }\n", "")
        .replace('baseline = "ffdnn"\n', 'baseline = "ffdnn"\nmatch = "parameters"\n')
    )
    experiment = loaded(text)
    found = {name: sizes.n_parameters(arm, arm.ends()[0]) for name, arm in experiment.arms.items()}
    for n in (2, 4, 8):
        assert found[f"ladnn@depth={n}"] == pytest.approx(found[f"ffdnn@depth={n}"], rel=0.01)
    assert found["ffdnn@depth=2"] < found["ffdnn@depth=8"]


def test_another_value_is_another_study():
    assert loaded(FILE).canonical() != loaded(FILE, "sweep.params.depth=[2, 4]").canonical()
