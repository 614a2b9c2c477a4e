"""Blocks as a terminal shows them.

In a pipe nothing is coloured, cut or wrapped: one line of data is one line of text. `NO_COLOR` is respected.
"""

import textwrap
from collections.abc import Iterable, Sequence
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from harness.display.document import Block, Heading, Line, Table

COLUMNS = 80
"""The width that reports are made for."""
_BETWEEN = 2  # of two columns
_WIDE = 10_000  # columns of a pipe: wide enough that rich never folds a cell


def show(blocks: Iterable[Block], stream: IO[str] | None = None) -> None:
    """Print to a stream, standard output by default."""
    paper, before = console(stream), None
    for block in fitting(blocks, paper.width) if paper.is_terminal else blocks:
        match block:
            case Heading(text):
                paper.print()
                paper.print(Text(text, "bold"), soft_wrap=not paper.is_terminal)
            case Line(text, strong):
                _line(paper, text, "bold" if strong else "")
            case Table():
                if isinstance(before, Table):
                    paper.print()
                paper.print(_rich_table(block))
        before = block


def console(stream: IO[str] | None) -> Console:
    """What is printed on."""
    paper = _Paper(file=stream, highlight=False, markup=False, emoji=False)
    if not paper.is_terminal:
        paper = _Paper(file=stream, highlight=False, markup=False, emoji=False, width=_WIDE)
    return paper


class _Paper(Console):
    """A console to which a reader that has gone away is no failure: the command line ends without one."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _line(paper: Console, text: str, style: str) -> None:
    """In a terminal what does not fit goes on below, indented, so that one sees where the next line begins."""
    if paper.is_terminal and len(text) > paper.width and " " in text[: paper.width]:
        lines = textwrap.wrap(text, paper.width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        text = "\n".join(lines)
    paper.print(Text(text, style), soft_wrap=True)


def _rich_table(table: Table) -> RichTable:
    rich_table = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="", padding=(0, 1, 0, 0))
    for column in table.heads:
        rich_table.add_column(
            Text(column.title), justify="right" if column.number else "left", vertical="bottom", overflow="fold"
        )
    for row in table.cells:
        rich_table.add_row(*(Text(cell.text, "bold" if cell.strong else "") for cell in row))
    return rich_table


def fitting(blocks: Iterable[Block], columns: int = COLUMNS) -> list[Block]:
    """The same, with each table that is wider than so many columns as several, each with the first column."""
    return [part for block in blocks for part in (_cut(block, columns) if isinstance(block, Table) else [block])]


def width(table: Table) -> int:
    """The columns of the terminal that a table takes."""
    widths = _widths(table)
    return sum(widths) + _BETWEEN * (len(widths) - 1)


def _cut(table: Table, columns: int) -> list[Block]:
    """As many columns at a time as fit beside the first, one at least."""
    widths = _widths(table)
    groups: list[list[int]] = [[]]
    for j in range(1, len(widths)):
        if groups[-1] and sum(_BETWEEN + widths[i] for i in (*groups[-1], j)) + widths[0] > columns:
            groups.append([])
        groups[-1].append(j)
    return [_part(table, [0, *group]) for group in groups]


def _part(table: Table, places: Sequence[int]) -> Table:
    return Table([table.columns[j] for j in places], [[row[j] for j in places] for row in table.rows])


def _widths(table: Table) -> list[int]:
    cells = table.cells
    return [
        max(map(len, (*column.title.split("\n"), *(row[j].text for row in cells))))
        for j, column in enumerate(table.heads)
    ]
