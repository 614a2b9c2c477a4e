"""Does a probability of 70 % come true in 70 of 100?"""

from harness.display.wording import count, percent
from harness.report.figures import QUIET, Comparison, Figure, bar, colour, finish, percents, symbol
from harness.report.markup import Page, columns


def write(page: Page, comparison: Comparison) -> None:
    arms = comparison["arms"]
    if not all(arm.get("calibration") for arm in arms):
        return
    errors = ", ".join(f"{arm['arm']} {percent(arm['test']['calibration_error']['mean'])} %" for arm in arms)
    page.section(
        "calibration",
        "Calibration",
        columns(
            page.figure(
                "reliability",
                reliability(comparison),
                "How sure, how right.",
                f"On the dotted line a model is as right as it is sure, below too sure. Calibration error: {errors}.",
            ),
            page.figure(
                "confidence",
                confidence(comparison),
                "How sure it is how often.",
                "Share of the test frames, by the probability of the predicted phoneme.",
            ),
        ),
    )


def reliability(comparison: Comparison) -> Figure:
    """Accuracy over the mean probability of the predicted phoneme, bin by bin."""
    figure = Figure()
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": QUIET, "dash": "dot"}, showlegend=False, hoverinfo="skip"
    )
    for arm in comparison["arms"]:
        bins = arm["calibration"]
        figure.add_scatter(
            x=percents([row["confidence"] for row in bins]),
            y=percents([row["accuracy"] for row in bins]),
            customdata=[count(row["frames"]) for row in bins],
            mode="lines+markers",
            name=arm["arm"],
            line={"color": colour(comparison, arm["arm"]), "width": 2},
            marker={"symbol": symbol(comparison, arm["arm"]), "size": 8},
            hovertemplate=(
                f"{arm['arm']}: sure %{{x:.1f}} %, right %{{y:.1f}} %<br>%{{customdata}} frames<extra></extra>"
            ),
        )
    ends = {"range": [0, 100], "dtick": 20}
    return finish(
        figure,
        height=420,
        xaxis={"title": "probability of the predicted phoneme, %", **ends},
        yaxis={"title": "right, %", **ends},
    )


def confidence(comparison: Comparison) -> Figure:
    """Share of the frames in each bin."""
    figure = Figure()
    for arm in comparison["arms"]:
        bins = arm["calibration"]
        total = sum(row["frames"] for row in bins)
        figure.add_bar(
            x=percents([(row["low"] + row["high"]) / 2 for row in bins]),
            y=[100 * row["frames"] / total for row in bins],
            customdata=[[percent(row["low"]), percent(row["high"])] for row in bins],
            name=arm["arm"],
            marker=bar(comparison, arm["arm"]),
            hovertemplate=(
                f"{arm['arm']}: %{{y:.1f}} % of the frames<br>with %{{customdata[0]}} to %{{customdata[1]}} %"
                "<extra></extra>"
            ),
        )
    return finish(
        figure,
        height=420,
        barmode="group",
        bargap=0.15,
        xaxis={"title": "probability of the predicted phoneme, %", "range": [0, 100], "dtick": 20},
        yaxis={"title": "share of the frames, %"},
    )
