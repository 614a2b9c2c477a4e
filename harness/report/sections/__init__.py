"""The sections of the page, a module each, in their order.

A section is a function of the page and the comparison that adds itself, or nothing where the comparison lacks what it
is about. A new one is a module here and a name in `SECTIONS`, or in `OF_A_SWEEP`, or in both.
"""

from collections.abc import Callable

from harness.report.figures import Comparison
from harness.report.markup import Page
from harness.report.sections import (
    arms,
    boundaries,
    budget,
    calibration,
    claims,
    confusions,
    differences,
    layers,
    learning,
    making,
    phonemes,
    search,
    speakers,
    sweep,
)

SECTIONS: tuple[Callable[[Page, Comparison], None], ...] = (
    claims.write,
    arms.write,
    differences.write,
    phonemes.write,
    confusions.write,
    boundaries.write,
    speakers.write,
    calibration.write,
    learning.write,
    layers.write,
    budget.write,
    search.write,
    making.write,
)

OF_A_SWEEP: tuple[Callable[[Page, Comparison], None], ...] = (
    claims.write,
    sweep.write,
    layers.write,
    search.write,
    making.write,
)
"""Its cells are too many to stand beside each other in every respect; `comparison.json` has it all."""
