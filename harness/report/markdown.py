"""A report as Markdown (GitHub's, with tables), to paste into an issue."""

import re
from collections.abc import Iterable
from itertools import groupby

from harness.display.terminal import Block, Heading, Line, Table


def text(blocks: Iterable[Block]) -> str:
    """The first heading is the title; neighbouring lines are a list."""
    parts: list[str] = []
    for kind, found in groupby(blocks, type):
        group = list(found)
        if kind is Line:
            lines = [_strong(escaped(line.text), line.strong) for line in group if isinstance(line, Line)]
            parts.append("\n".join(f"- {line}" for line in lines) if len(lines) > 1 else lines[0])
        for block in group:
            match block:
                case Heading(words):
                    parts.append(f"{'####' if parts else '###'} {escaped(words)}")
                case Table():
                    parts.append(_table(block))
    return "\n\n".join(parts) + "\n"


def escaped(words: str) -> str:
    """What Markdown or HTML would take for its own is shown as it is; a line break is a space."""
    return re.sub(r"([\\`*_<>\[\]|~])", r"\\\1", " ".join(words.split())).replace("&", "&amp;")


def _table(table: Table) -> str:
    names = [escaped(name.removeprefix(">")) for name in table.columns]
    rules = ["---:" if name.startswith(">") else "---" for name in table.columns]
    rows = [
        [_strong(escaped(cell), (i, j) in table.strong) for j, cell in enumerate(row)]
        for i, row in enumerate(table.rows)
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [names, rules, *rows])


def _strong(words: str, is_strong: bool) -> str:
    return f"**{words}**" if is_strong and words else words
