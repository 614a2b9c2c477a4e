"""The README's commands, as typed, on smaller copies of the experiments; and the documents against the code."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.experiment.experiment import ComparisonSettings, Search
from harness.settings import Data, Training

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.partition("   #")[0].partition(" # ")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
]
SMALLER = [
    (r"^corpus .*$", 'corpus = "synthetic"\nsynthetic.minutes = 1'),
    (r"^synthetic\.minutes = .*\n(?=[\s\S]*^synthetic)", ""),
    (r"^epochs .*$", "epochs = 1"),
    (r"^trials .*$", "trials = 2"),
    (r"^subset .*$", "subset = 1.0"),
    (r"^seeds .*$", "seeds = [0, 1]"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the project's experiments, shrunk, and commands `harness` and `mlflow` on its path."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "experiments").mkdir()
    (folder / "pyproject.toml").touch()
    for name in ("ladnn_vs_ffdnn", "smoke"):
        text = (ROOT / "experiments" / f"{name}.toml").read_text()
        if name == "ladnn_vs_ffdnn":
            for pattern, smaller in SMALLER:
                text = re.sub(pattern, smaller, text, flags=re.MULTILINE)
        (folder / "experiments" / f"{name}.toml").write_text(text)
    (folder / "bin").mkdir()
    harness = folder / "bin" / "harness"
    harness.write_text(f"#!{sys.executable}\nfrom harness.cli.main import main\nmain(prog_name='harness')\n")
    harness.chmod(0o755)
    return folder


def test_the_readme_has_the_commands_that_must_always_work():
    for command in (
        "make run",
        "make test",
        "harness run experiments/ladnn_vs_ffdnn.toml",
        "mlflow ui",
        "harness report --study ladnn",
    ):
        assert command in COMMANDS


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("harness")])
def test_a_harness_command_of_the_readme_works_as_typed(project, command):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment |= {"PATH": f"{project / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, shell=True, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert max(len(line) for line in done.stdout.splitlines() if "http" not in line and not line.startswith("{")) <= 160


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_a_make_command_of_the_readme_is_a_target(command):
    done = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ".venv/bin/harness run" in done.stdout or "pytest" in done.stdout


@pytest.mark.parametrize("section", [Data, Training, Search, ComparisonSettings])
def test_every_key_of_the_experiment_file_is_documented(section):
    text = (ROOT / "docs" / "experiment-file.md").read_text()
    missing = [f.name for f in dataclasses.fields(section) if f"`{f.name}`" not in text]
    assert not missing


def test_the_example_in_the_readme_is_a_valid_file(tmp_path):
    from harness.experiment import load

    (example,) = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    (tmp_path / "x.toml").write_text(example)
    assert set(load.load(tmp_path / "x.toml").arms) == {"ladnn", "ffdnn"}


@pytest.mark.parametrize("document", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(document):
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target
