"""Does a probability of 70 % come true in 70 of 100?"""

from collections.abc import Mapping, Sequence

from harness.comparison.model import Comparison
from harness.display.document import Figure, Group, Section
from harness.display.wording import count, percent
from harness.report.figures import QUIET, bars, colour, figure, fill, percents, scatter, symbol
from harness.statistics.frame_measures import ReliabilityBin

Bins = Mapping[str, Sequence[ReliabilityBin]]
"""Arm -> its bins."""
_AXIS = "probability of the predicted phoneme, %"


def section(comparison: Comparison) -> Section:
    """How sure and how right the arms are; nothing where their frames were not kept."""
    bins = {arm.arm: arm.calibration for arm in comparison.arms if arm.calibration}
    if len(bins) < len(comparison.arms):
        return Section("calibration")
    figures = [reliability(comparison, bins), confidence(comparison, bins)]
    return Section("calibration", "Calibration", page=[Group(figures, "columns")])


def reliability(comparison: Comparison, bins: Bins) -> Figure:
    """Accuracy over the mean probability of the predicted phoneme, bin by bin."""
    diagonal = scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": QUIET, "dash": "dot"}, showlegend=False, hoverinfo="skip"
    )
    traces = [diagonal]
    for arm, rows in bins.items():
        curve = scatter(
            x=percents(row.confidence for row in rows),
            y=percents(row.accuracy for row in rows),
            customdata=[count(row.frames) for row in rows],
            mode="lines+markers",
            name=arm,
            line={"color": colour(comparison, arm), "width": 2},
            marker={"symbol": symbol(comparison, arm), "size": 8},
            hovertemplate=f"{arm}: sure %{{x:.1f}} %, right %{{y:.1f}} %<br>%{{customdata}} frames<extra></extra>",
        )
        traces.append(curve)
    errors = ", ".join(f"{arm.arm} {percent(arm.test['calibration_error'].mean)} %" for arm in comparison.arms)
    ends = {"range": [0, 100], "dtick": 20}
    return figure(
        "reliability",
        "Accuracy by predicted probability.",
        f"Below the dotted line a model is overconfident. Calibration error: {errors}.",
        traces,
        height=420,
        xaxis={"title": _AXIS, **ends},
        yaxis={"title": "right, %", **ends},
    )


def confidence(comparison: Comparison, bins: Bins) -> Figure:
    """Share of the frames in each bin."""
    traces = []
    for arm, rows in bins.items():
        total = sum(row.frames for row in rows)
        shares = bars(
            x=percents((row.low + row.high) / 2 for row in rows),
            y=[100 * row.frames / total for row in rows],
            customdata=[[percent(row.low), percent(row.high)] for row in rows],
            name=arm,
            marker=fill(comparison, arm),
            hovertemplate=(
                f"{arm}: %{{y:.1f}} % of the frames<br>with %{{customdata[0]}} to %{{customdata[1]}} %<extra></extra>"
            ),
        )
        traces.append(shares)
    return figure(
        "confidence",
        "Distribution of predicted probabilities.",
        "Share of the test frames, by the probability of the predicted phoneme.",
        traces,
        height=420,
        barmode="group",
        bargap=0.15,
        xaxis={"title": _AXIS, "range": [0, 100], "dtick": 20},
        yaxis={"title": "share of the frames, %"},
    )
