"""Figures for a paper: what the page draws by plotly, by matplotlib."""

import dataclasses
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from harness.comparison.compare import compare
from harness.display.document import Figure
from harness.report import drawing, outline, paste
from harness.report.figures import bars, figure, heatmap, scatter
from tests.records import make_record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def comparison():
    return compare(make_record(n_arms=2, n_seeds=2, n_speakers=5))


@pytest.fixture(scope="module")
def written(comparison, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    return folder, drawing.write(comparison, outline.figures(comparison), folder)


def test_every_figure_of_the_page_is_a_pdf_and_an_svg_with_its_caption_and_label(comparison, written):
    folder, files = written
    keys = [own.key.replace("_", "-") for _, own in outline.figures(comparison)]
    assert len(keys) > 10
    assert sorted(path.name for path in files) == sorted(
        [f"{k}.{f}" for k in keys for f in ("pdf", "svg")] + ["figures.tex"]
    )
    text = (folder / "figures.tex").read_text()
    assert re.findall(r"includegraphics\[width=\\linewidth\]\{(.*?)\.pdf\}", text) == keys
    assert text.count(r"\label{fig:ladnn-") == text.count(r"\caption{") == len(keys)
    assert text.count("5 test speakers with") == len(keys)
    assert (folder / f"{keys[0]}.pdf").read_bytes().startswith(b"%PDF")
    assert ElementTree.parse(folder / f"{keys[0]}.svg").getroot().tag.endswith("svg")


def test_the_same_figure_gives_the_same_bytes(comparison):
    own = outline.figures(comparison)[0][1]
    assert drawing.drawn(own) == drawing.drawn(own)


def test_the_traces_of_every_figure_are_where_their_numbers_say(comparison):
    for _, own in outline.figures(comparison):
        axes = drawing.draw(own).axes[0]
        lines = [
            line for line in axes.get_lines() if len(line.get_xdata()) and not line.get_label().startswith("_child")
        ]
        points = {(float(x), float(y)) for line in axes.get_lines() for x, y in zip(*line.get_data(), strict=True)}
        names = {axis: order(own, axis) for axis in ("x", "y")}
        for trace in own.traces:
            if trace["type"] != "scatter" or trace.get("fill"):
                continue
            for x, y in zip(trace["x"], trace["y"], strict=True):
                if x is not None and y is not None:
                    assert (place(names["x"], x), place(names["y"], y)) in points, (own.key, x, y)
        n_bars = sum(len(trace["x"]) for trace in own.traces if trace["type"] == "bar")
        assert len(axes.patches) == n_bars, own.key
        assert len(lines) >= len({t.get("name") for t in own.traces if t["type"] == "scatter" and t.get("name")})


def order(own, axis):
    layout = own.layout.get(f"{axis}axis", {})
    values = [v for trace in own.traces for v in trace[axis] if v is not None]
    if layout.get("type") != "category" and not any(isinstance(v, str) for v in values):
        return []
    return list(dict.fromkeys(map(str, [*layout.get("categoryarray", ()), *values])))


def place(names, value):
    return float(names.index(str(value)) if names else value)


def test_what_matplotlib_or_html_would_take_for_their_own_is_shown_as_it_is():
    trace = scatter(x=["$a$", "b<br>c", "<b>d</b>"], y=[1, None, 3], name="$x_1$", mode="markers")
    canvas = drawing.draw(figure("key", "Title.", "", [trace], xaxis={"type": "category"}))
    labels = [label.get_text() for label in canvas.axes[0].get_xticklabels()]
    assert labels == [r"\$a\$", "b\nc", "d"]
    canvas.draw_without_rendering()


def test_axes_are_those_of_the_layout():
    own = figure(
        "key", "Title.", "", [bars(x=["a", "b"], y=[1.0, 2.0], name="one", marker={"color": "#112233"})],
        yaxis={"title": "percent", "range": [0, 5]},
    )  # fmt: skip
    axes = drawing.draw(own).axes[0]
    assert (axes.get_ylim(), axes.get_ylabel()) == ((0, 5), "percent")
    log = figure("key", "Title.", "", [scatter(x=[1, 2], y=[1, 100])], yaxis={"type": "log", "range": [0, 2]})
    assert drawing.draw(log).axes[0].get_ylim() == (1, 100)
    matrix = heatmap(z=[[0.0, 1.0], [None, 0.5]], x=["a", "b"], y=["a", "b"], coloraxis="coloraxis")
    own = Figure(
        "key", "", "", [matrix], {"yaxis": {"autorange": "reversed"}, "coloraxis": {"cmin": -1, "cmax": 1}}, "matrix"
    )
    axes = drawing.draw(own).axes[0]
    assert axes.get_ylim() == (1.5, -0.5)
    assert np.ma.getmaskarray(axes.collections[0].get_array()).sum() == 1
    assert axes.collections[0].get_clim() == (-1, 1)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
@pytest.mark.parametrize("style", ["article", "twocolumn"])
def test_latex_sets_the_report_and_its_figures_without_an_overfull_box(comparison, written, style):
    folder, _ = written
    options = "[twocolumn]" if style == "twocolumn" else ""
    packages = r"\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}\extrafloats{60}"
    text = paste.paper(dataclasses.replace(comparison, study="ladnn"))
    document = (
        rf"\documentclass{options}{{article}}{packages}\begin{{document}}{text}\input{{figures.tex}}\end{{document}}"
    )
    (folder / f"{style}.tex").write_text(document.replace(r"\begin{document}", "\n\\begin{document}\n"))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{style}.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
