"""Pieces of HTML: sections, figures, tables with their semantics, the scale of a matrix. What is given is escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any


class Page:
    """What has been written so far: sections, their places in the navigation, and the figures to draw."""

    def __init__(self) -> None:
        self.sections: list[str] = []
        self.navigation: list[str] = []
        self.figures: dict[str, str] = {}

    def section(self, key: str, title: str, *parts: str) -> None:
        self.navigation.append(f'<li><a href="#{key}">{escape(title)}</a></li>')
        body = "\n".join(part for part in parts if part)
        self.sections.append(f'<section id="{key}"><h2>{escape(title)}</h2>\n{body}\n</section>')

    def figure(self, key: str, figure: Any, title: str, caption: str = "", kind: str = "") -> str:
        """Keeps the figure for the script, gives the place that it is drawn in."""
        self.figures[key] = figure.to_json()
        height = f"height:{figure.layout.height}px" if figure.layout.height else ""
        said = escape(f"{title} {caption}".strip())
        keys = ' tabindex="0"' if kind == "matrix" else ""  # the script moves through its cells by the arrow keys
        return (
            f'<figure class="{kind}"><figcaption><b>{escape(title)}</b> {escape(caption)}</figcaption>'
            f'<div class="plot" id="{key}" role="img" aria-label="{said}"{keys} style="{height}"></div></figure>'
        )


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is more than its text."""

    text: str
    best: bool = False
    colour: str | None = None
    """A swatch before the text."""
    sort: float | str | None = None
    """What the column is sorted by, if not the text."""
    wrap: bool = False


def table(
    caption: str, headings: Sequence[str | Cell], rows: Sequence[Sequence[str | Cell]], *, key: str | None = None
) -> str:
    """A table that scrolls sideways where it must. Headings of numbers begin with ">", as in `screen.Table`; without
    rows nothing.

    Args:
        key: the table's id; a table with one can be sorted by its headings.
    """
    if not rows:
        return ""
    cells = [Cell(heading) if isinstance(heading, str) else heading for heading in headings]
    numeric = [cell.text.startswith(">") for cell in cells]
    names = [_named(cell.text.removeprefix(">"), cell.colour) for cell in cells]
    if key:
        names = [f'<button type="button">{name}</button>' for name in names]
    head = "".join(
        f'<th scope="col"{_class(number=is_number)}>{name}</th>' for name, is_number in zip(names, numeric, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(_cell(cell, numeric[i], heads_row=i == 0) for i, cell in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    sortable = f' id="{escape(key)}" class="sortable"' if key else ""
    label = escape(caption)
    return (
        f'<p class="caption">{label}</p><div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<table{sortable} aria-label="{label}"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def _cell(cell: str | Cell, is_number: bool, *, heads_row: bool) -> str:
    cell = Cell(cell) if isinstance(cell, str) else cell
    sort = f' data-value="{escape(str(cell.sort))}"' if cell.sort is not None else ""
    classes = _class(number=is_number, best=cell.best, wrap=cell.wrap)
    tag, scope = ("th", ' scope="row"') if heads_row else ("td", "")
    return f"<{tag}{scope}{classes}{sort}>{_named(cell.text, cell.colour)}</{tag}>"


def _named(text: str, colour: str | None) -> str:
    """A text after its swatch, which stays on the line of the first word."""
    if colour is None:
        return escape(text)
    first, space, rest = text.partition(" ")
    swatch = f'<span class="swatch" style="background:{colour}"></span>'
    return f'<span class="named">{swatch}{escape(first)}</span>{space}{escape(rest)}'


def _class(**names: bool) -> str:
    given = " ".join(name for name, is_given in names.items() if is_given)
    return f' class="{given}"' if given else ""


def columns(*parts: str) -> str:
    """Side by side where the window is wide enough."""
    return f'<div class="columns">{"".join(parts)}</div>'


def folded(summary: str, *parts: str) -> str:
    """Behind a line that opens it."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def text(words: str) -> str:
    return f"<p>{escape(words)}</p>"


def definitions(entries: Sequence[tuple[str, str]]) -> str:
    """Terms and what they are."""
    return "<dl>" + "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in entries) + "</dl>"


def scale(title: str, steps: Sequence[tuple[str, str]], after: str = "") -> str:
    """The colours of a matrix with what they stand for: (name of the colour in the style sheet, label)."""
    items = "".join(f'<li style="--tone:var(--{tone})">{escape(label)}</li>' for tone, label in steps)
    return f'<div class="scale"><span>{escape(title)}</span><ol>{items}</ol><span>{escape(after)}</span></div>'
