"""A short form of `make stateful`."""

import shutil
import sys

import pytest

from tests.stateful import check

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"),
]


def test_whatever_is_done_to_a_study_what_was_trained_stays_what_it_was():
    check(sequences=1, steps=8, seed=3)
