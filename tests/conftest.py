"""What every test process starts from."""

import os
import signal

import pytest

# Several threads on a busy machine wait for each other far longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell starts background jobs deaf to it, and they their children: those that tests interrupt would go on.
signal.signal(signal.SIGINT, signal.default_int_handler)

_LONGEST = ("test_cli", "test_growth", "test_readme", "test_initialisation", "test_intervals", "test_seeds_together",
            "test_stages", "test_studies", "test_faults", "test_page", "test_source_code", "test_local", "test_api",
            "test_notebook")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that no process has one left when the others are done."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
