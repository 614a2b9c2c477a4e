"""What `harness report` prints: the verdicts first, then tables that fit 80 columns; with --all the long ones too.
And which figures there are."""

from collections.abc import Iterable, Iterator, Sequence

from harness.comparison.model import Comparison
from harness.display.document import Block, Figure, Folded, Group, Heading, PageBlock, Section
from harness.display.terminal import fitting
from harness.report.sections import sections

_ORDER = (
    "verdicts", "claims", "arms", "rungs", "survivors", "differences", "classes", "phonemes", "confusions",
    "boundaries", "speakers", "budget", "learning", "checks", "notes",
)  # fmt: skip
"""The sections in their order in a terminal."""
_ORDER_OF_SWEEP = ("sweep", "claims", *_ORDER)


def title(comparison: Comparison) -> Heading:
    return Heading(f"{comparison.study}: {comparison.question}")


def blocks(comparison: Comparison, *, everything: bool = False) -> list[Block]:
    """The report of a comparison, top to bottom.

    Args:
        everything: with the long tables.
    """
    in_order = ordered(comparison, _ORDER_OF_SWEEP if comparison.sweep else _ORDER)
    return fitting([title(comparison), *(block for section in in_order for block in section.printed(everything))])


def ordered(comparison: Comparison, keys: Sequence[str]) -> list[Section]:
    """The sections by the first place of their keys; one without a place stands before the last one."""
    places: dict[str, float] = {key: place for place, key in reversed([*enumerate(keys)])}
    return sorted(sections(comparison), key=lambda section: places.get(section.key, len(keys) - 1.5))


def figures(comparison: Comparison) -> list[tuple[Section, Figure]]:
    """Every figure of the page, with its section."""
    return [(section, figure) for section in sections(comparison) for figure in _figures(section.page)]


def _figures(blocks: Iterable[PageBlock]) -> Iterator[Figure]:
    """All of a page's blocks, in order."""
    for block in blocks:
        match block:
            case Figure():
                yield block
            case Group() | Folded():
                yield from _figures(block.blocks)
