"""What `harness report` prints: the verdicts first, then tables that fit 80 columns; with --all the long ones too."""

from harness.comparison.model import Comparison
from harness.display.document import Block, Heading
from harness.display.terminal import fitting
from harness.report.sections import sections

_ORDER = (
    "verdicts", "claims", "arms", "rungs", "survivors", "differences", "classes", "phonemes", "confusions",
    "boundaries", "speakers", "budget", "learning", "notes",
)  # fmt: skip
"""Sections in their order in a terminal; one that is not among them stands after the others."""
_ORDER_OF_SWEEP = ("sweep", "claims", *_ORDER)


def title(comparison: Comparison) -> Heading:
    return Heading(f"{comparison.study}: {comparison.question}")


def blocks(comparison: Comparison, *, everything: bool = False) -> list[Block]:
    """The report of a comparison, top to bottom.

    Args:
        everything: with the long tables.
    """
    order = _ORDER_OF_SWEEP if comparison.sweep else _ORDER
    places = {key: place for place, key in reversed([*enumerate(order)])}
    in_order = sorted(sections(comparison), key=lambda section: places.get(section.key, len(order)))
    return fitting([title(comparison), *(block for section in in_order for block in section.printed(everything))])
