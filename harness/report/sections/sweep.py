"""A sweep on the page: accuracy over the swept value, and the difference to the baseline at each."""

from typing import Any

from harness.display.wording import ABSENT, interval, points, rounded, seconds, setting, spread, value
from harness.report.figures import Comparison, Figure, colour, finish, percents, symbol
from harness.report.markup import Cell, Page, table
from harness.report.outline_sweep import compared

_WIDE = 4
"""Resources that grow by this factor and more get a logarithmic axis."""


def write(written: Page, comparison: Comparison) -> None:
    """The curves and their table."""
    name, baseline = setting(comparison["sweep"]["key"]), comparison["baseline"]
    written.section(
        "sweep",
        f"By {name}",
        '<div class="columns">',
        written.figure(
            "sweep_accuracy",
            accuracies(comparison),
            "Test accuracy.",
            "A dot is one training, the line the mean over seeds; a cross is a cell that failed.",
        ),
        written.figure(
            "sweep_difference",
            differences(comparison),
            f"Points above {baseline}.",
            f"The line is the {100 * comparison['level']:g} % interval over {comparison['unit']}s and seeds. "
            "A hollow dot: no difference shown.",
        )
        if compared(comparison)
        else "",
        "</div>",
        _table(comparison),
    )


def accuracies(comparison: Comparison) -> Figure:
    """Mean test accuracy of each arm over the values, every seed as a dot."""
    figure = Figure()
    for curve in comparison["sweep"]["curves"]:
        done = [point for point in curve["points"] if point["state"] == "complete"]
        failed = [point for point in curve["points"] if point["state"] == "failed"]
        line, name = colour(comparison, curve["points"][0]["arm"]), curve["arm"]
        figure.add_scatter(
            x=[point["value"] for point in done],
            y=percents([point["test"]["accuracy"]["mean"] for point in done]),
            mode="lines+markers",
            name=name,
            legendgroup=name,
            line={"color": line, "width": 2},
            marker={"symbol": symbol(comparison, curve["points"][0]["arm"]), "size": 9},
            hovertemplate=f"{name}, %{{x}}: mean %{{y:.2f}} %<extra></extra>",
        )
        seeds = [(point["value"], score) for point in done for score in point["test"]["accuracy"]["per_seed"]]
        figure.add_scatter(
            x=[where for where, _ in seeds],
            y=percents([score for _, score in seeds]),
            mode="markers",
            legendgroup=name,
            showlegend=False,
            marker={"color": line, "size": 6, "opacity": 0.6},
            hovertemplate=f"{name}, %{{x}}: %{{y:.2f}} %<extra></extra>",
        )
        if failed:
            figure.add_scatter(
                x=[point["value"] for point in failed],
                y=[0] * len(failed),
                customdata=[point["failure"] for point in failed],
                mode="markers",
                legendgroup=name,
                showlegend=False,
                marker={"color": line, "size": 11, "symbol": "x"},
                hovertemplate=f"{name}, %{{x}}: failed, %{{customdata}}<extra></extra>",
            )
    return finish(figure, height=380, xaxis=_axis(comparison), yaxis={"title": "test accuracy, %"})


def differences(comparison: Comparison) -> Figure:
    """Each arm's difference to the baseline over the values, with its interval; hollow where none is shown."""
    figure = Figure()
    for curve in comparison["sweep"]["curves"]:
        found = [point for point in curve["points"] if point.get("difference") is not None]
        if not found:
            continue
        line, has_interval = colour(comparison, found[0]["arm"]), all(point["low"] is not None for point in found)
        figure.add_scatter(
            x=[point["value"] for point in found],
            y=percents([point["difference"] for point in found]),
            customdata=[interval(point["low"], point["high"]) for point in found],
            mode="lines+markers",
            name=curve["arm"],
            line={"color": line, "width": 1, "dash": "dot"},
            error_y={
                "array": percents([point["high"] - point["difference"] for point in found]),
                "arrayminus": percents([point["difference"] - point["low"] for point in found]),
                "thickness": 1.5,
                "width": 4,
                "color": line,
            }
            if has_interval
            else None,
            marker={
                "size": 9,
                "symbol": ["circle" if _is_shown(point) else "circle-open" for point in found],
                "line": {"width": 2, "color": line},
            },
            hovertemplate=f"{curve['arm']}, %{{x}}: %{{y:+.2f}} points (%{{customdata}})<extra></extra>",
        )
    title = {"title": f"points above {comparison['baseline']}", "zeroline": True, "zerolinewidth": 2}
    return finish(figure, height=380, showlegend=True, xaxis=_axis(comparison), yaxis=title)


def _is_shown(point: dict[str, Any]) -> bool:
    return point["low"] is not None and not point["low"] <= 0 <= point["high"]


def _axis(comparison: Comparison) -> dict[str, Any]:
    """Logarithmic where the values are numbers that grow by much; the swept values are its ticks."""
    values = comparison["sweep"]["values"]
    title = {"title": setting(comparison["sweep"]["key"])}
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return title | {"type": "category"}
    ticks = {"tickvals": values, "ticktext": [rounded(v) if v >= 1 else value(v) for v in values]}
    return title | ticks | ({"type": "log"} if min(values) > 0 and max(values) >= _WIDE * min(values) else {})


def _table(comparison: Comparison) -> str:
    sweep = comparison["sweep"]
    rows: list[list[str | Cell]] = []
    for curve in sweep["curves"]:
        for point in curve["points"]:
            row: list[str | Cell] = [
                value(point["value"]),
                Cell(curve["arm"], colour=colour(comparison, point["arm"])),
            ]
            if point["state"] == "failed":
                rows.append([*row, f"failed: {point['failure']}", *[ABSENT] * 5])
                continue
            row += [spread(point["test"][name]) for name in ("accuracy", "macro_f1")]
            row += [rounded(point["parameters"]), seconds(point["seconds_training"])]
            has_pair = point.get("difference") is not None
            row += [points(point["difference"]), interval(point["low"], point["high"])] if has_pair else [ABSENT] * 2
            rows.append(row)
    headings = [setting(sweep["key"]), "arm", ">accuracy", ">macro-F1", ">parameters", ">seconds per training"]
    headings += [f">above {comparison['baseline']}", ">interval"]
    caption = "Test split, in percent, mean ± standard deviation over seeds; differences in points."
    return table(caption, headings, rows)
