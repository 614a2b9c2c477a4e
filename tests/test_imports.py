"""What the import contract in pyproject.toml cannot show: what a fresh process loads, and what modules are called.

`make check` runs the contract itself (import-linter).
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRAINING_WITHOUT = {"mlflow", "optuna", "pydantic", "safetensors", "click", "rich", "plotly", "pandas"}
"""Not there where only torch, numpy and scipy are, such as on a GPU machine that was lent."""


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("harness.training.run", TRAINING_WITHOUT),
        ("harness.bench.measure", TRAINING_WITHOUT),
        ("harness.comparison.compare", {"torch", "mlflow", "optuna"}),
        ("harness.report.outline", {"torch", "mlflow", "optuna", "plotly"}),
        ("harness.report.files", {"torch", "mlflow", "optuna"}),
        ("harness.tracking.store", {"torch", "optuna"}),
        ("harness.tracking.entries", {"torch", "mlflow", "optuna", "pandas", "matplotlib", "sklearn"}),
        ("harness.cli.main", {"torch", "mlflow", "optuna", "numpy", "pandas", "rich"}),
    ],
)
def test_a_fresh_process_loads_nothing_that_the_stage_does_not_need(module, unwanted):
    code = f"import sys, {module}; found = {unwanted} & set(sys.modules); assert not found, found"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_module_has_a_name_that_says_nothing():
    names = {file.stem for package in ("harness", "architectures") for file in (ROOT / package).rglob("*.py")}
    assert not {"utils", "common", "base", "helpers", "manager"} & names


def test_few_files_lie_directly_in_the_package_and_none_is_long():
    assert len(list((ROOT / "harness").glob("*.py"))) <= 12
    files = [file for package in ("harness", "architectures") for file in (ROOT / package).rglob("*.py")]
    assert not [file for file in files if len(file.read_text().splitlines()) > 400]
