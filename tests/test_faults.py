"""Some of the faults of `make faults`: a command is killed, or a write of it fails, and it is given again."""

import random
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.faults.cases import Bench, Case

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"),
]
SEED = 7
CASES = {"study": ("kill", "full"), "report": ("kill",), "import": ("once",), "synthesis": ("kill",)}
"""Ways to fail, at a place each that is drawn."""


def test_after_a_fault_the_same_command_gives_the_same():
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, Bench(Path(folder), 1) as bench:
        for scenario, ways in CASES.items():
            n_calls = bench.prepare(scenario)
            for how in ways:
                case = Case(scenario, how, random.Random(f"{SEED} {scenario} {how}").randint(1, n_calls))
                assert not (wrong := bench.try_case(case)), "\n".join([str(case), *wrong])
