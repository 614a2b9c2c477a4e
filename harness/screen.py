"""What people see in a terminal: headings, lines and tables as data, and how they are printed. The only importer of rich.

In a pipe nothing is coloured, cut or wrapped: one line of data is one line of text. `NO_COLOR` is respected.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

_WIDE = 10_000  # columns of a pipe: wide enough that rich never folds a cell


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Line:
    text: str
    strong: bool = False


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    """Headings; those of numbers begin with ">" and are aligned right."""
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[tuple[int, int]] = frozenset()
    """(row, column) of the cells that stand out."""


Block = Heading | Line | Table


def show(blocks: Iterable[Block], stream: IO[str] | None = None) -> None:
    """Print to a stream, standard output by default."""
    console = _console(stream)
    for block in blocks:
        match block:
            case Heading(text):
                console.print()
                console.print(Text(text, "bold"), soft_wrap=not console.is_terminal)
            case Line(text, strong):
                console.print(Text(text, "bold" if strong else ""), soft_wrap=not console.is_terminal)
            case Table():
                console.print(_rich_table(block))


def _console(stream: IO[str] | None) -> Console:
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(file=stream, highlight=False, markup=False, emoji=False, width=_WIDE)
    return console


def _rich_table(table: Table) -> RichTable:
    rich_table = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="", padding=(0, 1, 0, 0))
    for name in table.columns:
        numeric = name.startswith(">")
        rich_table.add_column(
            Text(name.removeprefix(">")), justify="right" if numeric else "left", vertical="bottom", overflow="fold"
        )
    for i, row in enumerate(table.rows):
        cells = [Text(cell, "bold" if (i, j) in table.strong else "") for j, cell in enumerate(row)]
        rich_table.add_row(*cells)
    return rich_table
