"""The sections of a report, a module each, in the order of the page.

A section is a function of the comparison that returns what each form of the report says of its subject. A new one is a
module here and its function in `SECTIONS`.
"""

from collections.abc import Callable

from harness.comparison.model import Comparison
from harness.display.document import Section
from harness.report.sections import (
    arms,
    boundaries,
    budget,
    calibration,
    checks,
    claims,
    classes,
    confusions,
    differences,
    layers,
    learning,
    making,
    phonemes,
    rungs,
    search,
    speakers,
    sweep,
    verdicts,
)

SECTIONS: tuple[Callable[[Comparison], Section], ...] = (
    verdicts.section,
    verdicts.notes,
    checks.section,
    claims.section,
    sweep.section,
    arms.section,
    differences.section,
    phonemes.section,
    phonemes.survivors,
    classes.section,
    confusions.section,
    boundaries.section,
    speakers.section,
    calibration.section,
    learning.section,
    layers.section,
    budget.section,
    search.section,
    rungs.section,
    making.section,
)

OF_A_SWEEP = ("verdicts", "notes", "checks", "claims", "sweep", "layers", "search", "making")
"""The sections on the page of a sweep: its cells are too many to stand beside each other in every respect."""


def sections(comparison: Comparison) -> list[Section]:
    """All of a comparison, those that have nothing to say of it too."""
    return [section(comparison) for section in SECTIONS]
