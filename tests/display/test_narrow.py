"""Terminals narrower than what reports are made for, and locales without the characters of a path."""

import io

import pytest

from harness.display import terminal
from harness.display.document import Table
from harness.failures import of_medium


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [40, 60])
def test_a_narrow_terminal_gets_tables_in_parts_not_cells_in_pieces(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    titles = [f"measure {i}" for i in range(6)]
    stream = Tty()
    terminal.show([Table(["arm", *titles], [["ladnn", *(f"{i}.25" for i in range(6))]])], stream)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    for title in titles:
        assert title in text
    assert sum(line.startswith("ladnn") for line in lines) > 1


def test_a_locale_without_the_characters_of_a_path_is_a_sentence():
    with pytest.raises(UnicodeEncodeError) as raised:
        "/tmp/ü".encode("ascii")
    assert "set LC_ALL=C.UTF-8" in (of_medium(raised.value) or "")
