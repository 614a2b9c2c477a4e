"""Broken code of a user is told with file, line and what is expected, and keeps no other architecture away."""

import shutil

import pytest

from tests.command import ROOT, harness
from tests.small_corpus import write_project

pytestmark = pytest.mark.slow  # processes and trainings: not for the inner loop

HEAD = """\
'''An architecture of a user.'''
from torch import nn
from architectures import register
"""
WHOLE = """\
@register
class Mine(nn.Module):
    def __init__(self, window: int, d_features: int, n_classes: int, *, width: int = 8):
        super().__init__()
        self.output = nn.Linear(window * d_features, n_classes)
        self.n = 0
    def forward(self, windows):
        return self.output(windows.flatten(1))
"""
FORM = "(self, window, d_features, n_classes, *, depth: int = 4, ...)"
BROKEN = {
    "syntax": (WHOLE.replace("nn.Module):", "nn.Module)"), "architectures/mine.py:5: SyntaxError: expected ':'"),
    "import": ("import nowhere_at_all\n", "architectures/mine.py:4: ModuleNotFoundError: No module named 'nowhere"),
    "exit": ("raise SystemExit(3)\n", "architectures/mine.py:4: SystemExit: 3"),
    "unregistered": (WHOLE.replace("@register\n", ""), "no class in it is decorated with @register"),
    "function": ("@register\ndef mine(): pass\n", "architectures/mine.py:5: is not a class of torch.nn.Module"),
    "unannotated": (
        WHOLE.replace("width: int = 8", "width=8"),
        f"architectures/mine.py:6: the setting 'width' has no annotation; say what it may be: {FORM}",
    ),
    "positional": (
        WHOLE.replace("*, width", "width"),
        f"architectures/mine.py:6: the setting 'width' is positional; put it after a *: {FORM}",
    ),
    "keywords": (WHOLE.replace("*, width: int = 8", "**rest: int"), "the constructor takes **rest: int; name each"),
    "first": (WHOLE.replace("window: int, d_features: int, ", ""), f"it must take {FORM}"),
    "annotation": (WHOLE.replace("width: int", "width: 'Width'"), "NameError: name 'Width' is not defined"),
    "forward": (WHOLE.partition("    def forward")[0], "has no forward(self, windows): (B, W, D) -> (B, C)"),
}
IN_USE = {
    "shape": (WHOLE.replace(", n_classes)\n        self.n", ", n_classes + 1)\n        self.n"), "it must give logits"),
    "item": (
        WHOLE.replace("        return", "        windows.sum().item()\n        return"),
        "architectures/mine.py:11: RuntimeError: Tensor.item() cannot be called on meta tensors; shapes are checked",
    ),
    "tuple": (WHOLE.replace("flatten(1))", "flatten(1)), 1"), "forward gives tuple of"),
    "constructor": (WHOLE.replace("self.n = 0", "self.n = {}['n']"), "architectures/mine.py:9: KeyError: n"),
}
TRAINING = "        self.n += 1\n        print('windows', self.n)\n        if self.training and self.n > 3:\n"
FAULT = f"{TRAINING}            raise KeyError('no such layer')\n"
EXPERIMENT = """\
question = "Does mine help?"
study = "mine"
[data]
corpus = "corpus"
[training]
epochs = 1
batch_size = 128
[arms.mine]
architecture = "mine"
[arms.linear]
architecture = "linear"
[comparison]
seeds = [0, 1]
resamples = 200
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a copy of the packages, to which an architecture is added."""
    folder = tmp_path_factory.mktemp("project")
    for package in ("harness", "architectures"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return write_project(folder, {"mine.toml": EXPERIMENT, "others.toml": EXPERIMENT.replace('"mine"', '"ffdnn"')})


def run(project, *arguments, text):
    (project / "architectures" / "mine.py").write_text(HEAD + text)
    done = harness(*arguments, cwd=project, path=project, OMP_NUM_THREADS="1", COLUMNS="200")
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def with_files(project):
    """Write files of architectures, `mine_KIND.py` for each kind, and an experiment with an arm for each."""
    files = []

    def write(kinds):
        for kind, (text, _) in kinds.items():
            files.append(project / "architectures" / f"mine_{kind}.py")
            files[-1].write_text(HEAD + text)
        arms = "".join(f'[arms.{kind}]\narchitecture = "mine_{kind}"\n' for kind in kinds)
        files.append(project / "all.toml")
        files[-1].write_text(EXPERIMENT.replace('[arms.mine]\narchitecture = "mine"\n', arms))

    yield write
    for file in files:
        file.unlink()


def test_files_that_are_no_architectures_are_told_by_list_and_plan(project, with_files):
    with_files(BROKEN)
    listed, planned = run(project, "list", text=WHOLE), run(project, "run", "--plan", "all.toml", text=WHOLE)
    assert (listed.returncode, planned.returncode) == (0, 2), listed.stderr
    assert "tdnnf" in listed.stdout
    for kind, (_, reason) in BROKEN.items():
        reason = reason.replace("mine.py", f"mine_{kind}.py")
        assert reason in " ".join(listed.stdout.split())
        refusal = f'arms.{kind}.architecture: "mine_{kind}" cannot be used: architectures/mine_{kind}.py'
        assert [line for line in planned.stderr.splitlines() if refusal in line and reason in line]


def test_architectures_that_cannot_be_used_are_told_before_anything_is_read(project, with_files):
    with_files(IN_USE)
    planned = run(project, "run", "--plan", "all.toml", text=WHOLE)
    assert planned.returncode == 2
    for kind, (_, reason) in IN_USE.items():
        told = [line for line in planned.stderr.splitlines() if f"arms.{kind}: " in line]
        assert reason.replace("mine.py", f"mine_{kind}.py") in told[0]


def test_a_fault_in_training_is_told_and_can_be_corrected_while_nothing_is_trained(project):
    faulty = WHOLE.replace("        return", FAULT + "        return")
    failed = run(project, "run", "mine.toml", text=faulty)
    assert failed.returncode == 2
    assert failed.stderr.strip().splitlines()[-1] == "architectures/mine.py:14: KeyError: no such layer"
    assert failed.stderr.count("mine: its code printed, which is shown once:\n  windows ") == 1
    assert "windows" not in failed.stdout
    corrected = faulty.replace("raise KeyError('no such layer')", "pass")
    done = run(project, "run", "mine.toml", text=corrected)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("mine: its code printed") == 1  # of two seeds
    predict = ("predict", "corpus", "--split", "test", "--study", "mine", "--arm", "mine", "--out", "labels.csv")
    labelled = run(project, *predict, text=corrected)
    assert labelled.returncode == 0, labelled.stderr
    assert labelled.stderr.count("mine: its code printed") == 1
    assert "windows" not in labelled.stdout
    other = ("predict", "corpus", "--split", "test", "--study", "mine", "--arm", "linear", "--out", "labels.csv")
    broken = BROKEN["syntax"][0]
    assert run(project, *other, text=broken).returncode == 0, "a broken file keeps others away"
    assert "SyntaxError" in run(project, *predict, text=broken).stderr
    assert run(project, "run", "--plan", "others.toml", "--set", "study=others", text=broken).returncode == 0
