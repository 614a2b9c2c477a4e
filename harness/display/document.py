"""The blocks that everything is said in: a section of a report returns them, and who shows them renders them.

`harness.display.terminal` prints headings, lines and tables; `harness.report.paste` writes the same as Markdown and
LaTeX; `harness.report.page` has a place for every block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Trace: TypeAlias = Mapping[str, Any]
"""One series of a figure, as plotly's JSON has it."""


@dataclass(frozen=True)
class Heading:
    """A title within a document."""

    text: str


@dataclass(frozen=True)
class Line:
    """A paragraph of one line."""

    text: str
    strong: bool = False
    soft: bool = False
    """Small and grey, on the page."""


@dataclass(frozen=True)
class Column:
    """The head of a table's column."""

    title: str
    number: bool = False
    """Aligned right, and sorted as a number."""
    colour: str | None = None
    """A swatch before the title, on the page."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is more than its text."""

    text: str
    strong: bool = False
    colour: str | None = None
    """A swatch before the text, on the page."""
    sort: float | None = None
    """What the column is sorted by, if not the text."""


Columns: TypeAlias = Sequence[str | Column]
Row: TypeAlias = Sequence[str | Cell]


@dataclass(frozen=True)
class Table:
    """Rows below headings; without rows nothing is shown of it on the page."""

    columns: Columns
    rows: Sequence[Row]
    caption: str = ""
    """On the page; elsewhere a heading stands before the table."""
    key: str = ""
    """The table's id on the page; one that has it can be sorted there by its headings."""

    @property
    def heads(self) -> list[Column]:
        """The columns, all as `Column`."""
        return [Column(column) if isinstance(column, str) else column for column in self.columns]

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows, all of `Cell`."""
        return [[Cell(cell) if isinstance(cell, str) else cell for cell in row] for row in self.rows]


Block: TypeAlias = Heading | Line | Table
"""What a terminal can show."""


@dataclass(frozen=True)
class Figure:
    """A plot."""

    key: str
    """Its id on the page."""
    title: str
    caption: str
    traces: Sequence[Trace]
    layout: Mapping[str, Any]
    kind: Literal["", "matrix", "phonemes"] = ""
    """How the page's script links it with others."""


@dataclass(frozen=True)
class Item:
    """An entry of a list, with what belongs to it below."""

    text: str
    strong: bool = False
    details: Sequence[str] = ()


@dataclass(frozen=True)
class Items:
    """A list."""

    items: Sequence[Item]
    kind: Literal["", "claims", "notes"] = ""


@dataclass(frozen=True)
class Definitions:
    """Terms and what they are."""

    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Text of a file, line by line as it is."""

    text: str


@dataclass(frozen=True)
class ColourScale:
    """The colours of a matrix and what they stand for."""

    title: str
    steps: Sequence[tuple[str, str]]
    """(name of the colour in the style sheet, label)"""
    after: str = ""


@dataclass(frozen=True)
class Readout:
    """The place where the page's script says what is pointed at."""

    text: str


@dataclass(frozen=True)
class TableTools:
    """What orders and filters the rows of a table that has a key."""

    key: str
    orders: Sequence[tuple[str, str]]
    """(place of the column, or "class" for the first order; name)"""
    example: str
    rows: str
    """What is filtered: phonemes, say."""


@dataclass(frozen=True)
class IntervalLine:
    """A difference and its interval on a line that several share, zero in the middle."""

    low: float
    middle: float
    high: float
    """Places in percent of the width."""
    end: str
    """What the right end of the line stands for."""
    label: str
    """The same in words."""


@dataclass(frozen=True)
class Card:
    """A verdict."""

    title: str
    lines: Sequence[str]
    is_shown: bool = False
    """Whether a difference is."""
    strong: str = ""
    interval: IntervalLine | None = None
    soft: str = ""


@dataclass(frozen=True)
class Cards:
    """Verdicts side by side."""

    cards: Sequence[Card]


@dataclass(frozen=True)
class Group:
    """Blocks that stand together."""

    blocks: "Sequence[PageBlock]"
    kind: Literal["", "columns", "beside"] = ""
    """columns: side by side where the window is wide enough; beside: the first as wide as it needs."""


@dataclass(frozen=True)
class Folded:
    """Blocks behind a line that opens them."""

    summary: str
    blocks: "Sequence[PageBlock]"


PageBlock: TypeAlias = (
    Block | Figure | Items | Definitions | Code | ColourScale | Readout | TableTools | Cards | Group | Folded
)
"""What the page can show."""


@dataclass(frozen=True)
class Section:
    """What a report says of one subject, for each who shows it; a form for which there is nothing leaves it out."""

    key: str
    """Its id on the page."""
    title: str = ""
    """On the page; a section without a title stands in the page's header."""
    page: Sequence[PageBlock] = ()
    short: Sequence[Block] = ()
    """In the terminal: `harness report`."""
    long: Sequence[Block] | None = None
    """`harness report --all`; None: as in short."""
    pasted: Sequence[Block] = ()
    """As Markdown or LaTeX."""
    pasted_long: Sequence[Block] | None = None
    """The same with --all; None: as in short."""

    def printed(self, everything: bool) -> Sequence[Block]:
        """What the terminal shows, with or without --all."""
        return self.long if everything and self.long is not None else self.short

    def to_paste(self, everything: bool) -> Sequence[Block]:
        """What is pasted, with or without --all."""
        return self.pasted_long if everything and self.pasted_long is not None else self.pasted


def numbers(*titles: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(title, number=True) for title in titles]
