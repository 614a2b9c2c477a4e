"""What the file claims, and what the study says of it."""

from html import escape
from typing import Any

from harness.comparison.claim_words import answer_line
from harness.comparison.model import Answer
from harness.report.figures import Comparison
from harness.report.markup import Page


def write(page: Page, comparison: Comparison) -> None:
    if not comparison.get("claims"):
        return
    told = (
        f"Supported where the {100 * comparison['level']:g} % interval lies within what is claimed, refuted where it "
        "lies outside. All parts of a claim must be supported for it to be."
    )
    items = "".join(_item(claim) for claim in comparison["claims"])
    page.section("claims", "Claims", f'<p>{escape(told)}</p><ul class="claims">{items}</ul>')


def _item(claim: dict[str, Any]) -> str:
    lines = [part["sentence"] for part in claim["parts"]]
    lines += [claim["outlook"]] if claim["outlook"] and claim["more"] else []
    parts = "".join(f"<li>{escape(line)}</li>" for line in lines)
    line = answer_line(claim["claim"], Answer(claim["answer"]), is_late=claim["stated_after_the_runs"])
    return f"<li><b>{escape(line)}</b><ul>{parts}</ul></li>"
