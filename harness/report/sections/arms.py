"""What each arm reached, cost and chose."""

from collections.abc import Mapping

from harness.comparison.arm_model import ComparedArm
from harness.comparison.json_form import Json
from harness.comparison.model import Comparison
from harness.display.document import (
    Block,
    Cell,
    Column,
    Columns,
    Figure,
    Group,
    Heading,
    Line,
    Row,
    Section,
    Table,
    numbers,
)
from harness.display.wording import (
    ABSENT,
    count,
    counted,
    percent,
    plural,
    rounded,
    seconds,
    setting,
    settings,
    spread,
    value,
)
from harness.report.figures import colour, downwards, figure, percents, scatter, symbol
from harness.statistics.metrics import Metric, Spread
from harness.statistics.registry import LOG_LOSS, display_order, headline


def section(comparison: Comparison) -> Section:
    """Tables of test results and settings, and every seed as a point; of a sweep in the terminal only with --all."""
    parts = [Group([_every_measure(comparison)]), Group([_chosen_table(comparison), seeds(comparison)])]
    results = _results(comparison)
    printed = [*results, *_selection(comparison), *_other_measures(comparison)]
    return Section(
        "arms",
        "Arms",
        page=[Group(parts, "beside" if len(comparison.arms) <= 2 else "")],  # more arms take the whole width
        short=() if comparison.sweep else printed,
        long=printed,
        pasted=results,
    )


def arm_cell(comparison: Comparison, arm: str) -> Cell:
    """An arm's name with its colour."""
    return Cell(arm, colour=colour(comparison, arm))


def arm_columns(comparison: Comparison) -> list[Column]:
    """A column of numbers for each arm, with its colour."""
    return [Column(arm.arm, number=True, colour=colour(comparison, arm.arm)) for arm in comparison.arms]


def _results(comparison: Comparison) -> list[Block]:
    """What each arm reached on test and cost, the best in each column strong."""
    arms, metrics = comparison.arms, headline()
    best = {metric.name: percent(max(arm.test[metric.name].mean for arm in arms)) for metric in metrics}
    rows: list[Row] = [
        (
            arm.arm,
            *(
                Cell(spread(own), strong=len(arms) > 1 and percent(own.mean) == best[name])
                for name, own in ((metric.name, arm.test[metric.name]) for metric in metrics)
            ),
            rounded(arm.mean_parameters),
            seconds(arm.seconds_training),
        )
        for arm in arms
    ]
    over = "searches" if comparison.n_searches > 1 else "seeds"
    over_seeds = f" (mean ± standard deviation over {over})" if any(len(arm.seeds) > 1 for arm in arms) else ""
    columns = numbers(*(metric.short for metric in metrics), "parameters", "seconds")
    return [Heading(f"Test, in percent{over_seeds}; seconds per training"), Table(["arm", *columns], rows)]


def _selection(comparison: Comparison) -> list[Block]:
    lines = [Line(f"{name}: {settings(values)}") for arm in comparison.arms for name, values in choices(arm) if values]
    if not lines:
        return []
    trials = sorted({arm.trials for arm in comparison.arms})
    budget = f"{trials[0]} to {trials[-1]} trials" if len(trials) > 1 else counted(trials[0], "trial")
    of = f"{counted(comparison.n_searches, 'search')} with together " if comparison.n_searches > 1 else ""
    return [Heading(f"Chosen settings, of {of}{budget} each"), *lines]


def choices(arm: ComparedArm) -> list[tuple[str, Mapping[str, Json]]]:
    """What was chosen: with the arm's name, or of several searches each with its number."""
    if len(arm.searches) < 2:
        return [(arm.arm, arm.chosen)]
    return [(f"{arm.arm}, search {number}", search.chosen) for number, search in enumerate(arm.searches, 1)]


def _other_measures(comparison: Comparison) -> list[Block]:
    """The measures beside the main ones, means alone."""
    titles = {
        "balanced_accuracy": "\nbalanced",
        "accuracy_at_boundaries": "at bound-\naries",
        "accuracy_away": "\naway",
        "calibration_error": "calibra-\ntion error",
    }
    titles = {name: title for name, title in titles.items() if name in comparison.arms[0].test}
    rows = [
        (
            arm.arm,
            *(percent(arm.test[name].mean) for name in titles),
            f"{arm.test[LOG_LOSS.name].mean:.3f}",
            f"{percent(arm.worst_speaker.accuracy.mean)} {arm.worst_speaker.speaker}",
        )
        for arm in comparison.arms
    ]
    columns: Columns = ["arm", *numbers(*titles.values(), "\nlog-loss"), "worst\nspeaker"]
    return [Heading("Other measures, in percent; log-loss in nats"), Table(columns, rows)]


def _every_measure(comparison: Comparison) -> Table:
    """A row per measure, a column per arm; the best in bold."""
    arms = comparison.arms
    rows = [_measure(comparison, metric) for metric in display_order() if metric.name in arms[0].test]
    if all(arm.calibration_floor is not None for arm in arms):
        floor = "its value for a perfectly calibrated model, %"
        rows.insert(
            1 + [str(row[0]).startswith("calibration error") for row in rows].index(True),
            [floor, *(percent(arm.calibration_floor) for arm in arms)],
        )
    rows += [
        ["accuracy on validation, %", *(spread(arm.validation["accuracy"]) for arm in arms)],
        ["parameters", *(count(round(arm.mean_parameters)) for arm in arms)],
        ["FLOPs per frame", *(rounded(arm.mean_flops_per_frame) for arm in arms)],
        ["seconds of a training", *(seconds(arm.seconds_training) for arm in arms)],
        ["frames per second in training", *(rounded(arm.frames_per_second) for arm in arms)],
    ]
    over = plural(comparison.draw)
    caption = f"On the test split where nothing else is said: mean ± standard deviation over {over}. Best in bold."
    return Table(["", *arm_columns(comparison)], rows, caption)


def _measure(comparison: Comparison, metric: Metric) -> list[str | Cell]:
    own = [arm.test[metric.name] for arm in comparison.arms]
    say = _nats if metric is LOG_LOSS else spread
    best = say((min if metric.lower_is_better else max)(own, key=lambda values: values.mean))
    unit = ("nats" if metric is LOG_LOSS else "%") + (" (less is better)" if metric.lower_is_better else "")
    texts = [say(values) for values in own]
    is_best = [len(own) > 1 and text.split()[0] == best.split()[0] for text in texts]  # as shown
    cells = [Cell(text, strong=yes) for text, yes in zip(texts, is_best, strict=True)]
    return [f"{metric.title}, {unit}", *cells]


def _nats(values: Spread) -> str:
    return f"{values.mean:.3f}" + (f" ± {values.std:.3f}" if values.std is not None else "")


def _chosen_table(comparison: Comparison) -> Table:
    """Which settings the search gave each arm, a row per setting."""
    names = dict.fromkeys(name for arm in comparison.arms for name in arm.chosen)
    if comparison.n_searches > 1:
        searched: list[Row] = [
            [arm_cell(comparison, arm.arm), str(number), *(value(own.chosen.get(name, ABSENT)) for name in names)]
            for arm in comparison.arms
            for number, own in enumerate(arm.searches, 1)
        ]
        caption = "Settings that each search chose, by validation accuracy."
        return Table(["arm", *numbers("search", *map(setting, names))], searched, caption)
    rows = [[setting(name), *(value(arm.chosen.get(name, ABSENT)) for arm in comparison.arms)] for name in names]
    caption = "Settings that the search chose for each arm, by validation accuracy."
    return Table(["", *arm_columns(comparison)], rows, caption)


def seeds(comparison: Comparison) -> Figure:
    """Test accuracy of every seed, and each arm's mean as a bar across."""
    traces = []
    for arm in comparison.arms:
        scores = arm.test["accuracy"]
        line = colour(comparison, arm.arm)
        traces += [
            scatter(
                x=percents(scores.per_seed),
                y=[arm.arm] * len(arm.seeds),
                customdata=list(arm.seeds),
                mode="markers",
                marker={"color": line, "symbol": symbol(comparison, arm.arm), "size": 10, "opacity": 0.8},
                hovertemplate="%{y}, seed %{customdata}: %{x:.2f} %<extra></extra>",
            ),
            scatter(
                x=[100 * scores.mean],
                y=[arm.arm],
                mode="markers",
                marker={"symbol": "line-ns-open", "size": 26, "line": {"width": 3}, "color": line},
                hovertemplate="%{y}, mean: %{x:.2f} %<extra></extra>",
            ),
        ]
    return figure(
        "each_seed",
        "Each seed.",
        "A point is one training with its own seed, the stroke the arm's mean.",
        traces,
        height=75 + 40 * len(comparison.arms),
        showlegend=False,
        xaxis={"title": "test accuracy, %"},
        yaxis=downwards(arm.arm for arm in comparison.arms),
    )
