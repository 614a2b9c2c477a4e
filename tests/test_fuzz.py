"""Whatever a file says, it is read or refused in a sentence; `make fuzz` tries more cases."""

import pytest

from tests import fuzz

TARGETS = fuzz.targets()
N_CASES = 30
SEED = 13


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_damaged_file_is_read_or_refused_in_a_sentence(name, tmp_path):
    target = TARGETS[name]
    n_cases = 3 if name == "experiment" else N_CASES  # which takes the longest
    n_read = sum(fuzz.case(name, target, SEED, number, tmp_path) for number in range(n_cases))
    assert n_read < n_cases


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_damaged_is_read_when_it_is_whole(name, tmp_path):
    for content in TARGETS[name].samples:
        TARGETS[name].read(tmp_path, content)
