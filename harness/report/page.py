"""One self-contained page: question and verdicts first, how it was made last. Opens offline and asks no network.

The page is `page.html` with `page.css` and `page.js` put in; tables are plain HTML, figures are drawn by plotly.js.
"""

import json
from html import escape
from pathlib import Path
from string import Template

from harness import __version__
from harness.report import figures, verdicts
from harness.report.figures import Comparison
from harness.report.markup import Page
from harness.report.sections import OF_A_SWEEP, SECTIONS, matrices

_HERE = Path(__file__).parent


def page(comparison: Comparison) -> str:
    """The page of a comparison."""
    written = Page()
    for write in OF_A_SWEEP if comparison.get("sweep") else SECTIONS:
        write(written, comparison)
    as_json = ",".join(f"{json.dumps(key)}:{text}" for key, text in written.figures.items())
    return Template((_HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{comparison['study']}: {comparison['question']}"),
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        header=verdicts.header(comparison),
        navigation="<ul>" + "".join(written.navigation) + "</ul>",
        sections="\n".join(written.sections),
        footer=f"Made by harness {escape(__version__)}. Fractions are in percent, differences in percentage points.",
        plotly=figures.script(),
        rates=json.dumps(matrices.RATES),
        figures="{" + as_json.replace("</", "<\\/") + "}",
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
    )
