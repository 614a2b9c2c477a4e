"""A report as LaTeX, to paste into a paper: its tables want \\usepackage{booktabs}, nothing else is needed."""

import re
from collections.abc import Iterable

from harness.display.terminal import Block, Heading, Line, Table

_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
}


def text(blocks: Iterable[Block]) -> str:
    """The first heading is a comment, one before a table its caption, another one a paragraph's; lines are text."""
    parts, lines, heading = [], list[str](), ""
    for number, block in enumerate(blocks):
        match block:
            case Heading(words):
                parts += _paragraph(heading, lines)
                lines, heading = [], words
                if number == 0:
                    parts.append(f"% {' '.join(words.split())}\n% wants \\usepackage{{booktabs}}")
                    heading = ""
            case Line(words):
                lines.append(escaped(words))
            case Table():
                parts += [*_paragraph("", lines), _table(block, heading)]
                lines, heading = [], ""
    return "\n\n".join([*parts, *_paragraph(heading, lines)]) + "\n"


def escaped(words: str) -> str:
    """What LaTeX would take for its own is shown as it is; signs of numbers are those of mathematics."""
    given = "".join(_CHARACTERS.get(character, character) for character in " ".join(words.split()))
    signed = re.sub(r"(?<![\w.)\]-])([+-])(?=\d)", r"$\1$", given)
    return re.sub(r"(?<=\d) \\%", r"~\\%", signed.replace(" - ", " $-$ "))


def _paragraph(heading: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    return ["\n".join(([rf"\paragraph{{{escaped(heading)}.}}"] if heading else []) + lines)]


def _table(table: Table, caption: str) -> str:
    names = [escaped(name.removeprefix(">")) for name in table.columns]
    rows = [
        [rf"\textbf{{{escaped(cell)}}}" if (i, j) in table.strong else escaped(cell) for j, cell in enumerate(row)]
        for i, row in enumerate(table.rows)
    ]
    written = [" & ".join(cells) + r" \\" for cells in [names, *rows]]
    lines = [
        rf"\begin{{tabular}}{{{''.join('r' if name.startswith('>') else 'l' for name in table.columns)}}}",
        *(f"  {line}" for line in [r"\toprule", written[0], r"\midrule", *written[1:], r"\bottomrule"]),
        r"\end{tabular}",
    ]
    head = [r"\centering\small", *([rf"\caption{{{escaped(caption)}.}}"] if caption else [])]
    return "\n".join([r"\begin{table}", *(f"  {line}" for line in [*head, *lines]), r"\end{table}"])
