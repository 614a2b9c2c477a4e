"""The checks of the study itself: what to ask before believing a verdict."""

from harness.comparison.model import Comparison
from harness.display.document import Block, Heading, Item, Items, Line, PageBlock, Section
from harness.display.wording import counted


def section(comparison: Comparison) -> Section:
    """Warnings, and the codes of notes; with --all a line for each. Nothing where nothing is found or muted."""
    findings = comparison.checks
    lines: list[Block] = [
        Line(f"{check.code} {check.severity}: {check.sentence}") for check in findings if check.severity == "warning"
    ]
    if notes := [check.code for check in findings if check.severity != "warning"]:
        lines.append(Line(f"Notes: {', '.join(dict.fromkeys(notes))}; --all says what they are."))
    long: list[Block] = [Line(f"{check.code} {check.severity}: {check.sentence} {check.advice}") for check in findings]
    muted = [Line(f"Muted by the file: {', '.join(comparison.muted)}.")] if comparison.muted else []
    if not lines and not muted:
        return Section("checks")
    title = Heading("Checks of the study; docs/checks.md explains each")
    items = [Item(f"{check.code}, {check.severity}: {check.sentence} {check.advice}") for check in findings]
    about = f"{counted(len(findings), 'finding')} about the study itself; docs/checks.md explains each."
    page: list[PageBlock] = [Line(about, soft=True), Items(items)] if items else []
    return Section(
        "checks",
        "Checks",
        page=[*page, *muted],
        short=[title, *lines, *muted],
        long=[title, *long, *muted],
    )
