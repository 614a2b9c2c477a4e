"""One self-contained page: question and verdicts first, how it was made last. Opens offline and asks no network.

The page is `page.html` with `page.css` and `page.js` put in; tables are plain HTML, figures are drawn by plotly.js.
"""

import json
from html import escape
from pathlib import Path
from string import Template

from harness import __version__
from harness.report import figures, figures_confusion, sections
from harness.report.figures import Comparison
from harness.report.markup import Page
from harness.report.wording import NOTHING_TO_COMPARE, several

_HERE = Path(__file__).parent


def page(comparison: Comparison) -> str:
    """The page of a comparison."""
    written = Page()
    sections.arms(written, comparison)
    sections.differences(written, comparison)
    sections.phonemes(written, comparison)
    sections.confusions(written, comparison)
    sections.learning(written, comparison)
    sections.search(written, comparison)
    sections.making(written, comparison)
    as_json = ",".join(f"{json.dumps(key)}:{text}" for key, text in written.figures.items())
    return Template((_HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{comparison['study']}: {comparison['question']}"),
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        header=_header(comparison),
        navigation="<ul>" + "".join(written.navigation) + "</ul>",
        sections="\n".join(written.sections),
        footer=f"Made by harness {escape(__version__)}. Fractions are in percent, differences in percentage points.",
        plotly=figures.script(),
        rates=json.dumps(figures_confusion.RATES),
        figures="{" + as_json.replace("</", "<\\/") + "}",
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
    )


def _header(comparison: Comparison) -> str:
    pairs = [pair for pair in comparison["pairs"] if pair["metric"] == "accuracy"]
    verdicts = "".join(
        f"<li{' class=shown' if pair['verdict'].endswith(' better') else ''}>"
        f"<strong>{escape(pair['a'])} against {escape(pair['b'])}: {escape(pair['verdict'])}</strong> "
        f"{escape(pair['sentence'])}</li>"
        for pair in pairs
    )
    evidence = (
        f"On the test split. In brackets the {100 * comparison['level']:g} % interval over "
        f"{several(comparison['units'], comparison['unit'])} and the seeds; "
        "where it covers zero, no difference is shown."
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in comparison["notes"])
    corpus = escape(str(comparison["corpus"].get("name")))
    return "\n".join(
        [
            f'<p class="study">Study {escape(comparison["study"])} on {corpus}</p>',
            f"<h1>{escape(comparison['question'])}</h1>",
            f'<ul class="verdicts">{verdicts}</ul>\n<p class="soft">{escape(evidence)}</p>'
            if pairs
            else f"<p>{NOTHING_TO_COMPARE}</p>",
            f'<ul class="notes">{notes}</ul>' if notes else "",
        ]
    )
