"""One self-contained page: question and verdicts first, how it was made last. Opens offline and asks no network.

The page is the template `page.html` with `page.css` and `page.js` put in, and `blocks.html` has a macro for each block:
tables are plain HTML, figures are drawn by plotly.js. Whatever people wrote is escaped by the templates.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness import __version__
from harness.comparison.model import Comparison
from harness.display.document import Figure, Folded, Group, PageBlock
from harness.report import figures
from harness.report.sections import OF_A_SWEEP, confusions, sections

_HERE = Path(__file__).parent


def page(comparison: Comparison) -> str:
    """The page of a comparison."""
    visible = [
        section
        for section in sections(comparison)
        if section.page and (comparison.sweep is None or section.key in OF_A_SWEEP)
    ]
    drawings = {
        figure.key: figures.as_json(figure) for figure in _figures(b for section in visible for b in section.page)
    }
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.get_template("page.html").render(
        comparison=comparison,
        header=[block for section in visible if not section.title for block in section.page],
        sections=[section for section in visible if section.title],
        version=__version__,
        style=_own("page.css"),
        script=_own("page.js"),
        plotly=Markup(figures.script()),  # nosec B704 - plotly's own script, as it is installed
        rates=json.dumps(confusions.RATES),
        drawings=_in_script(drawings),
    )


def _own(name: str) -> Markup:
    """A file of ours, which is not escaped."""
    return Markup((_HERE / name).read_text(encoding="utf-8"))  # nosec B704 - lies in this package


def _in_script(drawings: dict[str, str]) -> Markup:
    """JSON of JSONs that cannot end the element that it stands in."""
    text = ",".join(f"{json.dumps(key)}:{drawing}" for key, drawing in drawings.items())
    return Markup("{" + text.replace("<", "\\u003c") + "}")  # nosec B704 - JSON without any "<"


def _figures(blocks: Iterable[PageBlock]) -> Iterator[Figure]:
    """All that stand in blocks, or in blocks of those."""
    for block in blocks:
        match block:
            case Figure():
                yield block
            case Group(parts) | Folded(_, parts):
                yield from _figures(parts)
