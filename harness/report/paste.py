"""The report in short, to paste elsewhere: as Markdown (GitHub's, with tables) into an issue, as LaTeX into a paper.

The tables of LaTeX want \\usepackage{booktabs}; nothing else is needed.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from harness.comparison.model import Comparison
from harness.display.document import Block, Heading, Line, Table
from harness.display.wording import count, counted
from harness.report.outline import ordered, title

_NARROW, _USUAL = 4, 6
"""Columns of a table that fits one of two columns of text; and the whole text in its usual size."""
_ORDER = ("verdicts", "claims", "arms", "differences", "notes")


def blocks(comparison: Comparison, *, everything: bool = False) -> list[Block]:
    """Verdicts, claims, arms with their spread, pairs, and what to know.

    Args:
        everything: pairs in every measure, not in the main ones alone.
    """
    in_order = ordered(comparison, _ORDER)
    return [title(comparison), *(block for section in in_order for block in section.to_paste(everything))]


def markdown(blocks: Iterable[Block]) -> str:
    """The first heading is the title; neighbouring lines are a list."""
    parts: list[str] = []
    for kind, neighbours in groupby(blocks, type):
        group = list(neighbours)
        if kind is Line:
            lines = [_strong(markdown_text(line.text), line.strong) for line in group if isinstance(line, Line)]
            parts.append("\n".join(f"- {line}" for line in lines) if len(lines) > 1 else lines[0])
        for block in group:
            match block:
                case Heading(words):
                    parts.append(f"{'####' if parts else '###'} {markdown_text(words)}")
                case Table():
                    parts.append(_markdown_table(block))
    return "\n\n".join(parts) + "\n"


def markdown_text(words: str) -> str:
    """What Markdown or HTML would take for its own is shown as it is; a line break is a space."""
    return re.sub(r"([\\`*_<>\[\]|~])", r"\\\1", " ".join(words.split())).replace("&", "&amp;")


def _markdown_table(table: Table) -> str:
    titles = [markdown_text(column.title) for column in table.heads]
    rules = ["---:" if column.number else "---" for column in table.heads]
    rows = [[_strong(markdown_text(cell.text), cell.strong) for cell in row] for row in table.cells]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [titles, rules, *rows])


def _strong(words: str, is_strong: bool) -> str:
    return f"**{words}**" if is_strong and words else words


_OF_LATEX = {
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
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
}


def paper(comparison: Comparison, *, everything: bool = False) -> str:
    """The short report as LaTeX; tables have labels, and captions that say what they are of."""
    return latex(blocks(comparison, everything=everything), about(comparison), label(comparison.study))


def about(comparison: Comparison) -> str:
    """What a table or figure is of, in a sentence: corpus, speakers, seeds and searches."""
    corpus: Mapping[str, Any] = comparison.corpus
    test = corpus.get("splits", {}).get("test", {})
    parts = [f"Corpus {corpus.get('name', '')}"]
    if "speakers" in test and "frames" in test:
        parts.append(f"{counted(test['speakers'], 'test speaker')} with {count(test['frames'])} frames")
    seeds = sorted({len(arm.seeds) for arm in comparison.arms})
    parts.append(f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else counted(seeds[0], "seed") if seeds else "")
    if comparison.n_searches:
        parts.append(f"{counted(comparison.n_searches, 'search')} of each arm")
    return ", ".join(filter(None, parts)) + "."


def label(*names: str) -> str:
    """What `\\ref` finds something by.

    Example:
        >>> label("my study", "each_seed")
        'my-study-each-seed'
    """
    return re.sub(r"[^a-z0-9]+", "-", " ".join(names).lower()).strip("-")


def latex(blocks: Iterable[Block], about: str = "", study: str = "") -> str:
    """The first heading is a comment, one before a table its caption, another one a paragraph's; lines are text.

    Args:
        about: what a table is of, for its caption.
        study: what its label begins with.
    """
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
                lines.append(latex_text(words))
            case Table():
                name = label(study, heading.partition(",")[0])
                parts += [*_paragraph("", lines), _latex_table(block, heading, about, name)]
                lines, heading = [], ""
    return "\n\n".join([*parts, *_paragraph(heading, lines)]) + "\n"


def latex_text(words: str) -> str:
    """What LaTeX would take for its own is shown as it is; signs of numbers are those of mathematics."""
    escaped = "".join(_OF_LATEX.get(character, character) for character in " ".join(words.split()))
    signed = re.sub(r"(?<![\w.)\]-])([+-])(?=\d)", r"$\1$", escaped)
    return re.sub(r"(?<=\d) \\%", r"~\\%", signed.replace(" - ", " $-$ "))


def _paragraph(heading: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    return ["\n".join(([rf"\paragraph{{{latex_text(heading)}.}}"] if heading else []) + lines)]


def _latex_table(table: Table, caption: str, about: str, name: str) -> str:
    titles = [latex_text(column.title) for column in table.heads]
    rows = [
        [rf"\textbf{{{latex_text(cell.text)}}}" if cell.strong else latex_text(cell.text) for cell in row]
        for row in table.cells
    ]
    head, *body = [" & ".join(cells) + r" \\" for cells in [titles, *rows]]
    lines = [
        rf"\begin{{tabular}}{{{''.join('r' if column.number else 'l' for column in table.heads)}}}",
        *(f"  {line}" for line in [r"\toprule", head, r"\midrule", *body, r"\bottomrule"]),
        r"\end{tabular}",
    ]
    words = " ".join(latex_text(sentence) for sentence in (f"{caption}." if caption else "", about) if sentence)
    size = r"\small" if len(table.heads) <= _USUAL else r"\footnotesize\setlength{\tabcolsep}{3pt}"
    top = [rf"\centering{size}", *([rf"\caption{{{words}}}", rf"\label{{tab:{name}}}"] if words else [])]
    kind = "table*" if len(table.heads) > _NARROW else "table"  # across both columns, where there are two
    return "\n".join([rf"\begin{{{kind}}}", *(f"  {line}" for line in [*top, *lines]), rf"\end{{{kind}}}"])
