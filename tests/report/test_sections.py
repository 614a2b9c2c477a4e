"""A section is written once: every form shows what it says for that form, and every block has a place on the page."""

import re

import pytest

from harness.comparison.compare import compare
from harness.comparison.model import Comparison
from harness.display.document import (
    Card,
    Cards,
    Cell,
    Code,
    ColourScale,
    Column,
    Definitions,
    Folded,
    Group,
    Heading,
    IntervalLine,
    Item,
    Items,
    Line,
    Readout,
    Section,
    Table,
    TableTools,
    numbers,
)
from harness.report import outline, page, paste, sections
from harness.report.figures import figure, scatter
from tests.records import make_record

BLOCKS = [
    Heading("a heading"),
    Line("a paragraph"),
    Line("a grey one", soft=True),
    Table(["name", Column("n", number=True, colour="#123456")], [("row", Cell("7", strong=True, sort=7.5))], key="t"),
    figure("plot-1", "A figure.", "Of a test.", [scatter(x=[1], y=[2])]),
    Items([Item("an item", strong=True, details=["a detail"])], "claims"),
    Definitions([("term", "meaning")]),
    Code("[data]\n"),
    ColourScale("shares", [("rate-0", "0")], "and beyond"),
    Readout("Nothing chosen."),
    TableTools("t", [("class", "broad class")], example="S", rows="phonemes"),
    Cards([Card("a against b", ["a is better"], is_shown=True, strong="a better",
                interval=IntervalLine(10.0, 20.0, 30.0, "1.00", "from here to there"), soft="for sure")]),
    Group([Line("within a group")], "columns"),
    Folded("open me", [Line("behind it")]),
]  # fmt: skip
TEXTS = (
    "a heading", "a paragraph", "a grey one", "row", "A figure.", "an item", "a detail", "meaning", "[data]",
    "and beyond", "Nothing chosen.", "broad class", "a against b", "for sure", "within a group", "behind it",
)  # fmt: skip


def extra(comparison: Comparison) -> Section:
    """A section that says something else in each form."""
    return Section(
        "extra",
        "Something else",
        page=BLOCKS,
        short=[Line(f"short: {comparison.study}")],
        long=[Line("long")],
        pasted=[Line("pasted")],
        pasted_long=[Line("pasted with all")],
    )


@pytest.fixture
def comparison(monkeypatch) -> Comparison:
    monkeypatch.setattr(sections, "SECTIONS", (*sections.SECTIONS, extra))
    return compare(make_record(n_speakers=3, n_trials=3, phonemes=("[SIL]", "AA", "S")))


def test_a_section_is_in_every_form_once_it_is_in_the_list(comparison):
    def lines(blocks) -> list[str]:
        return [block.text for block in blocks if isinstance(block, Line)]

    short, long = (lines(outline.blocks(comparison, everything=everything)) for everything in (False, True))
    assert "short: ladnn" in short
    assert "long" not in short
    assert "long" in long
    assert "short: ladnn" not in long
    assert "pasted" in lines(paste.blocks(comparison))
    assert "pasted with all" in lines(paste.blocks(comparison, everything=True))
    html = page.page(comparison)
    assert html.index('<section id="making">') < html.index('<section id="extra"><h2>Something else</h2>')
    assert '<a href="#extra">Something else</a>' in html


def test_every_block_has_a_place_on_the_page(comparison):
    html = page.page(comparison)
    own = html[html.index('<section id="extra">') : html.index("</main>")]
    text = re.sub(r"<[^>]*>", "|", own)
    for words in TEXTS:
        assert f"|{words}" in text
    assert '<th scope="col" class="number"><button type="button"><span class="named"><span class="swatch"' in own
    assert '<td class="number best" data-value="7.5">7</td>' in own
    assert '<th scope="row">row</th>' in own
    assert re.search(r'"plot-1":\{"data":\[\{"x":\[1\],"y":\[2\],"type":"scatter"\}\]', html)


def test_a_column_that_is_a_number_says_so():
    assert numbers("frames") == [Column("frames", number=True)]
    table = Table(["> 5 frames", *numbers("count")], [("a", "1")])
    assert [(column.title, column.number) for column in table.heads] == [("> 5 frames", False), ("count", True)]
    assert paste.markdown([table]).splitlines()[1] == "| --- | ---: |"
