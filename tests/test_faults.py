"""Some of the faults of `make faults`: a command is killed, or a write of it fails, and it is given again."""

import random
import shutil
import sys

import pytest

from tests.faults.cases import HOW, Bench, Case

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"),
]
SEED = 7
N_CASES = {"study": 2, "report": 1, "import": 1, "synthesis": 1}
"""Of each way to fail."""


def test_after_a_fault_the_same_command_gives_the_same(tmp_path):
    with Bench(tmp_path, 1) as bench:
        for scenario, n_cases in N_CASES.items():
            n_calls = bench.prepare(scenario)
            for how in HOW:
                places = random.Random(f"{SEED} {scenario} {how}").sample(range(1, n_calls + 1), n_cases)
                for at in places:
                    case = Case(scenario, how, at)
                    assert not (wrong := bench.try_case(case)), "\n".join([str(case), *wrong])
