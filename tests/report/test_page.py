"""The report's page: the numbers of the comparison, and what a person does with it in a real browser."""

import base64
import dataclasses
import itertools
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from harness.comparison.arm_model import TuningEffort
from harness.comparison.compare import compare
from harness.comparison.model import Comparison
from harness.display import wording
from harness.report import figures
from harness.report.page import page as render_page
from harness.results import RunResult, StudyRecord
from harness.statistics.registry import METRICS, comparable
from tests.browser import CHROMIUM, Browser
from tests.records import make_record

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

needs_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
DRAWN = "document.documentElement.dataset.drawn"


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(make_record(n_arms=4))


@pytest.fixture(scope="module")
def page(comparison) -> str:
    return render_page(comparison)


@pytest.fixture(scope="module")
def two() -> Comparison:
    """Two arms; some phonemes and a confusion survive the correction."""
    record = make_record(n_arms=3, n_speakers=20)
    return compare(dataclasses.replace(record, arms=[record.arms[2], record.arms[1]]))


def drawn(page: str) -> dict:
    """The figures as the page's script gets them."""
    return json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


def numbers(packed: list | dict) -> list[float]:
    """plotly writes arrays of numpy packed."""
    if isinstance(packed, list):
        return packed
    return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"]).tolist()


# The numbers


def test_page_says_the_numbers_of_the_comparison(comparison, page):
    text = unescape(re.sub(r"<[^>]+>", "|", page[: page.index("<script>")]))
    for arm in comparison.arms:
        for metric in [metric.name for metric in comparable()]:
            assert f"|{wording.spread(arm.test[metric])}|" in text
        for row in arm.phonemes:
            assert f"|{wording.percent(row.f1)}|" in text
        for row in [*arm.speakers, *arm.boundaries]:
            assert f"|{wording.spread(row.accuracy)}|" in text
        assert f"|{wording.percent(arm.effort.curve[-1].expected)}|" in text
        worst = arm.worst_speaker
        said = f"{arm.arm} is worst for {worst.speaker}: {wording.percent(worst.accuracy.mean)} %."
        assert said in text
    for pair in comparison.pairs:
        assert f"|{wording.points(pair.difference)}||{wording.interval(pair.low, pair.high)}|" in text
    for found in comparison.phoneme_differences:
        for row in found.phonemes:
            ends = wording.interval(row.low_corrected, row.high_corrected)
            assert f"|{wording.points(row.difference)}||{ends}|" in text
    for sentence in comparison.verdicts:
        assert sentence in text


def test_verdicts_come_before_everything_else(comparison, page):
    first = page.index(comparison.verdicts[0])
    assert page.index("<h1>") < first < page.index("<main")
    assert page.index('<section id="arms">') < page.index('<section id="making">')


def test_figures_draw_the_numbers_of_the_comparison(comparison, page):
    found = drawn(page)
    by_name = {(name, at): trace for trace in found["differences"]["data"] for at, name in enumerate(trace["y"])}
    for pair in comparison.pairs[: 3 * len(comparable())]:
        if METRICS[pair.metric].lower_is_better:  # in a figure of their own
            continue
        name = f"{METRICS[pair.metric].title}, {pair.a}"
        at, trace = next((at, trace) for (row, at), trace in by_name.items() if row == name)
        assert trace["x"][at] == pytest.approx(100 * pair.difference)
        assert trace["x"][at] + trace["error_x"]["array"][at] == pytest.approx(100 * pair.high)
    bars = {trace["name"]: trace for trace in found["phoneme_f1"]["data"]}
    speakers = {trace["name"]: trace for trace in found["each_speaker"]["data"] if "name" in trace}
    sure = {trace["name"]: trace for trace in found["reliability"]["data"] if "name" in trace}
    best = {trace["name"]: trace for trace in found["effort"]["data"] if "name" in trace}
    for arm in comparison.arms:
        f1 = dict(zip(bars[arm.arm]["y"], bars[arm.arm]["x"], strict=True))
        assert f1 == pytest.approx({row.phoneme: 100 * row.f1 for row in arm.phonemes})
        dots = dict(zip(speakers[arm.arm]["x"], speakers[arm.arm]["y"], strict=True))
        assert dots == pytest.approx({row.speaker: 100 * row.accuracy.mean for row in arm.speakers})
        assert sure[arm.arm]["y"] == pytest.approx([100 * row.accuracy for row in arm.calibration])
        assert best[arm.arm]["y"] == pytest.approx([100 * row.expected for row in arm.effort.curve])


def test_only_what_survives_the_correction_is_coloured(two):
    found = two.phoneme_differences[0]
    survives = {row.phoneme for row in found.phonemes if row.survives}
    assert 0 < len(survives) < len(found.phonemes)
    plotted = drawn(render_page(two))
    for trace in plotted["phoneme_difference_0"]["data"]:
        is_coloured = trace["marker"]["color"] != figures.QUIET
        assert is_coloured == (not trace["marker"]["symbol"].endswith("-open"))  # also without colours
        assert set(trace["y"]) <= survives if is_coloured else not set(trace["y"]) & survives
    cells = {(cell.true, cell.predicted): cell for cell in two.confusion_differences[0].surviving}
    assert cells
    (matrix,) = plotted["confusion_difference_0"]["data"]
    z = np.reshape(numbers(matrix["z"]), (len(matrix["y"]), -1))
    signs = np.array(matrix["text"])
    for (i, true), (j, predicted) in itertools.product(enumerate(matrix["y"]), enumerate(matrix["x"])):
        cell = cells.get((true, predicted))
        assert z[i, j] == (pytest.approx(cell.difference) if cell else 0)
        assert signs[i, j] == ("" if not cell else "+" if cell.difference > 0 else "-")


def test_arms_differ_in_more_than_colour(page):
    found = drawn(page)
    marks = {trace["name"]: trace["marker"]["symbol"] for trace in found["distances"]["data"]}
    fills = {trace["name"]: trace["marker"].get("pattern", {}).get("shape") for trace in found["phoneme_f1"]["data"]}
    assert len(set(marks.values())) == len(set(fills.values())) == 4


def test_a_section_is_left_out_where_the_comparison_lacks_what_it_is_about(two):
    unsearched = TuningEffort(random_trials=0, frames_per_trial=None, curve=())
    nothing = {"calibration": None, "boundaries": None, "segments": None, "search": (), "effort": unsearched}
    nothing |= dict.fromkeys(("speakers", "broad_classes", "layers"), ())
    arms = tuple(dataclasses.replace(arm, **nothing) for arm in two.arms)
    lacking = dataclasses.replace(two, claims=(), arms=arms)
    sections = re.findall(r'<section id="(\w+)"', render_page(lacking))
    assert sections == ["checks", "arms", "differences", "phonemes", "confusions", "learning", "making"]


def test_page_is_one_file_under_6_mb_that_asks_no_network(page, two):
    before_plotly = page[: page.index("<script>")]
    assert "default-src 'none'" in before_plotly  # the browser itself refuses any request
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", before_plotly)
    assert len(render_page(two).encode()) < 6_000_000


INJECTION = '</script></title></pre><script>alert(1)</script>"><img src=x onerror=alert(1)>'


def of_evil_names() -> StudyRecord:
    """Every text that comes from people, or from a corpus, is an attempt to run a script."""
    record = make_record(phonemes=(INJECTION, "AA", "S", "T"), n_speakers=3, n_trials=3)
    names = {arm.arm: f"{arm.arm}{INJECTION}" for arm in record.arms}

    def renamed(final: RunResult) -> RunResult:
        speakers = tuple(f"{name}{INJECTION}" for name in final.test.speakers)
        test = dataclasses.replace(final.test, speakers=speakers)
        settings = {f"params.{INJECTION}": INJECTION}
        return dataclasses.replace(final, arm=names[final.arm], test=test, settings=settings)

    arms = [
        dataclasses.replace(
            arm,
            arm=names[arm.arm],
            chosen={f"params.{INJECTION}": INJECTION},
            importances={f"params.{INJECTION}": 1.0},
            finals=tuple(map(renamed, arm.finals)),
        )
        for arm in record.arms
    ]
    claim = {"kind": "better", "claim": INJECTION, "a": arms[0].arm, "b": arms[1].arm, "metric": "accuracy"}
    return dataclasses.replace(
        record,
        arms=arms,
        study=INJECTION,
        question=INJECTION,
        baseline=names["ffdnn"],
        claims=(claim,),
        notes=(INJECTION,),
        experiment=INJECTION,
        corpus=record.corpus | {"name": INJECTION, "digest": INJECTION},
        provenance={"command": INJECTION, "versions": {INJECTION: INJECTION}},
    )


def test_what_people_wrote_is_escaped():
    record = dataclasses.replace(make_record(), question="Is <b> & c?")
    assert "Is &lt;b&gt; &amp; c?" in render_page(compare(record))


@pytest.mark.parametrize("is_sweep", [False, True])
def test_no_text_of_people_runs_in_the_page(is_sweep):
    record = of_evil_names()
    if is_sweep:
        cells = {arm.arm: {"base": arm.arm, "value": INJECTION} for arm in record.arms}
        record = dataclasses.replace(
            record, sweep={"key": f"params.{INJECTION}", "values": (INJECTION,), "cells": cells}
        )
    page = render_page(compare(record))
    usual = render_page(compare(make_record()))
    assert page.count("<script") == usual.count("<script") == 3
    assert page.count("</script") == usual.count("</script")
    assert "<img" not in page.partition("<script>")[0]


def test_the_best_arm_is_the_largest_number_also_across_ten_percent(two):
    """9.29 is less than 19.17, whatever their spelling says."""
    arms = [
        dataclasses.replace(arm, test={**arm.test, "accuracy": dataclasses.replace(arm.test["accuracy"], mean=mean)})
        for arm, mean in zip(two.arms, (0.0929, 0.1917), strict=True)
    ]
    page = render_page(dataclasses.replace(two, arms=tuple(arms)))
    best = re.findall(r'<td class="number best">([\d.]+)', page)
    assert "19.17" in best
    assert "9.29" not in best


def test_many_pairs_are_folded_behind_those_with_the_baseline(comparison, page):
    assert page.count('<span class="pair">') == 6
    arms = tuple(dataclasses.replace(arm, arm=f"{arm.arm}{i}") for arm in comparison.arms for i in range(3))
    pairs = tuple(dataclasses.replace(pair, a=f"{pair.a}{i}") for pair in comparison.pairs for i in range(3))
    many = dataclasses.replace(comparison, arms=(*comparison.arms, *arms), pairs=pairs)
    header = render_page(many).partition("</header>")[0]
    assert header.count('<span class="pair">') == 9
    assert "The other 9 pairs" in header


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


@pytest.fixture
def opened(browser, two, tmp_path) -> Iterator[Browser]:
    """The page of two arms in a window; at the end nothing was complained of, nothing but the file asked for."""
    file = tmp_path / "index.html"
    file.write_text(render_page(two), encoding="utf-8")
    _open(browser, file)
    yield browser
    assert browser.complaints == []
    assert set(browser.requests) == {file.as_uri()}


def _open(browser: Browser, file: Path) -> None:
    browser.complaints.clear()
    browser.requests.clear()
    browser.media()
    browser.size(1280, 900)
    browser.open(file.as_uri(), DRAWN)


def _scroll_to(browser: Browser, selector: str) -> dict[str, float]:
    """An element in the middle of the window; its box there."""
    return browser.ask(
        f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
        "e.scrollIntoView({block: 'center', behavior: 'instant'});"
        "const b = e.getBoundingClientRect(); return {x: b.x, y: b.y, width: b.width, height: b.height} })()"
    )


@needs_a_browser
def test_every_figure_is_drawn_as_wide_as_its_place(opened):
    n_plots = opened.ask("document.querySelectorAll('.plot').length")
    assert n_plots >= 18
    assert opened.ask(DRAWN) == str(n_plots)
    widths = opened.ask("[...document.querySelectorAll('.plot')].map(p => [p.clientWidth, p._fullLayout.width])")
    assert [round(of) for of, _ in widths] == [round(is_) for _, is_ in widths]


@needs_a_browser
def test_pointing_at_a_cell_shows_it_in_every_matrix_and_in_words(opened, two):
    box = _scroll_to(opened, "#confusion_0 .nsewdrag")
    labels = two.arms[0].confusion.labels
    order = figures.by_class(two)
    row, column = order.index("S"), order.index("Z")
    size = len(order)
    opened.point(box["x"] + (column + 0.5) / size * box["width"], box["y"] + (row + 0.5) / size * box["height"])
    opened.wait("document.getElementById('readout').textContent.startsWith('S taken for Z')")
    said = opened.ask("document.getElementById('readout').textContent")
    for arm in two.arms:
        counts = np.array(arm.confusion.counts)
        frames = counts[labels.index("S"), labels.index("Z")]
        rate = frames / counts[labels.index("S")].sum()
        assert f"{arm.arm} {100 * rate:.2f} % ({frames:,} frames)" in said
    for matrix in ("confusion_0", "confusion_1", "confusion_difference_0"):
        opened.wait(f"document.querySelector('#{matrix} .hoverlayer').textContent.includes('true S')")


@needs_a_browser
def test_the_page_is_used_by_keyboard_alone(opened, two):
    opened.press("Tab")
    assert opened.ask("document.activeElement.textContent") == "Skip to the report"
    assert opened.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert opened.ask("document.activeElement.getBoundingClientRect().x") > 0
    opened.press("Tab")
    assert opened.ask("document.activeElement.hash") == "#checks"
    opened.ask("document.getElementById('confusion_0').focus()")
    opened.press("ArrowRight")
    opened.press("ArrowDown")
    order = figures.by_class(two)
    opened.wait(f"document.getElementById('readout').textContent.startsWith('{order[1]} right: ')")
    opened.ask("document.querySelector('details:has(#phoneme-table) summary').focus()")
    opened.press("Enter")
    opened.wait("document.querySelector('details:has(#phoneme-table)').open")


@needs_a_browser
def test_sorting_and_filtering_the_phonemes_orders_table_and_figures(opened, two):
    rows = two.phoneme_differences[0].phonemes
    by_difference = [row.phoneme for row in sorted(rows, key=lambda row: -round(row.difference, 4))]
    shown = "[...document.querySelectorAll('#phoneme-table tbody tr')].filter(row => !row.hidden)"
    names = f"{shown}.map(row => row.cells[0].textContent)"
    ticks = "document.getElementById('phoneme_difference_0')._fullLayout.yaxis.categoryarray"
    assert opened.ask(names) == opened.ask(ticks) == figures.by_class(two)
    column = 3 + 3 * len(two.arms)
    opened.ask("document.querySelector('details:has(#phoneme-table)').open = true")
    heading = f"#phoneme-table thead th:nth-child({column + 1})"
    box = _scroll_to(opened, f"{heading} button")
    opened.point(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, click=True)
    opened.wait(f"document.querySelector('{heading}').getAttribute('aria-sort') === 'descending'")
    assert opened.ask(names)[:5] == by_difference[:5]
    assert opened.ask(ticks) == opened.ask(names)
    _scroll_to(opened, "#find")
    opened.ask("document.getElementById('find').focus()")
    opened.type("nasal s")
    opened.wait(f"{names}.length === 4")
    assert sorted(opened.ask(names)) == ["M", "N", "NG", "S"]
    assert opened.ask(ticks) == opened.ask(names)
    opened.ask("(s => { s.value = 'class'; s.dispatchEvent(new Event('change')) })(document.getElementById('order'))")
    assert opened.ask(names) == ["M", "N", "NG", "S"]
    assert opened.ask("document.querySelector('#phoneme-table [aria-sort]')") is None


@needs_a_browser
def test_the_page_is_light_or_dark_as_the_system_or_the_reader_wants(opened):
    background = "getComputedStyle(document.body).backgroundColor"
    light = opened.ask(background)
    opened.media(prefers_color_scheme="dark")
    dark = opened.ask(background)
    assert light != dark
    text = "document.querySelector('#distances .xtick text').style.fill"
    opened.wait(f"{text} === getComputedStyle(document.body).color")
    opened.ask("document.getElementById('theme').click()")
    assert opened.ask(background) == light
    opened.wait(f"{text} === getComputedStyle(document.body).color")
    opened.media(prefers_color_scheme="light")
    opened.ask("document.getElementById('theme').click()")
    assert opened.ask(background) == dark
    opened.ask("document.getElementById('theme').click()")
    assert opened.ask(background) == light


@needs_a_browser
def test_on_a_phone_nothing_is_wider_than_the_screen(opened):
    opened.size(390, 844, phone=True)
    opened.wait("document.querySelector('#distances')._fullLayout.width <= 390")
    assert opened.ask("document.documentElement.scrollWidth") == 390
    first = opened.ask("document.querySelector('#arms tbody tr').cells[2].getBoundingClientRect().right")
    assert first <= 390  # the numbers of both arms can be seen without scrolling


@needs_a_browser
def test_on_paper_all_is_open_light_and_within_the_page(opened, tmp_path):
    opened.media(prefers_color_scheme="dark")
    opened.ask(
        "addEventListener('beforeprint', () => { window.printed = {"
        "closed: document.querySelectorAll('details:not([open])').length,"
        "background: getComputedStyle(document.body).backgroundColor,"
        "width: Math.max(...[...document.querySelectorAll('.plot .main-svg')].map(s => s.clientWidth))} })"
    )
    opened.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    printed = opened.ask("window.printed")
    assert printed["closed"] == 0
    assert printed["background"] == "rgb(255, 255, 255)"
    assert 500 < printed["width"] <= 700  # A4 has 717 within the browser's margins
    assert opened.ask("document.documentElement.classList.contains('printing')") is False


@needs_a_browser
@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=pytest.mark.slow) for name in ("four arms", "no search")] + ["one speaker"]
)
def test_unusual_pages_open_without_complaint(case, browser, comparison, tmp_path):
    record = make_record(n_trials=0) if case == "no search" else make_record(n_speakers=1)
    found = comparison if case == "four arms" else compare(record)
    file = tmp_path / "index.html"
    file.write_text(render_page(found), encoding="utf-8")
    _open(browser, file)
    assert browser.complaints == []
    assert browser.ask(DRAWN) == str(browser.ask("document.querySelectorAll('.plot').length"))
