"""How the finals learnt, and how soon they were how good."""

from typing import Literal

from harness.comparison.arm_model import LearningSpeed, LearningTarget
from harness.comparison.model import Comparison
from harness.display.document import Block, Figure, Group, Heading, Line, Section, Table, numbers
from harness.display.wording import ABSENT, percent, rounded, seconds
from harness.report.figures import colour, figure, percents, scatter, symbol, whole_numbers
from harness.results import Epoch

Quantity = Literal["accuracy", "loss"]


def section(comparison: Comparison) -> Section:
    """The curves of every final, and until which accuracy what was needed; the latter in the terminal, with --all."""
    about = (
        "A line per seed: validation solid, training dotted; the large sign is the epoch that was kept. Training is "
        "measured with dropout and label smoothing on, validation without."
    )
    figures = [curves(comparison, "accuracy", "Accuracy."), curves(comparison, "loss", "Loss.")]
    return Section(
        "learning",
        "Learning",
        page=[Line(about), Group(figures, "columns"), _table(comparison)],
        long=_printed(comparison),
    )


def _printed(comparison: Comparison) -> list[Block]:
    arms = comparison.arms
    rows = [
        (
            f"{percent(target.accuracy)} {_after(target)}",
            *(_reached(arm.learning_speed[i], len(arm.seeds)) for arm in arms),
        )
        for i, target in enumerate(comparison.learning_targets)
    ]
    names = [arm.arm for arm in arms]
    owner = comparison.baseline if comparison.baseline in names else names[0]
    return [
        Heading("Training until a validation accuracy: frames, seconds; median of the seeds"),
        Table([f"%, {owner} after", *numbers(*names)], rows),
        Line("In whole epochs. In brackets, seeds that reached it; -: at most half of them."),
    ]


def _after(target: LearningTarget) -> str:
    epochs = target.epochs
    return "kept epoch" if epochs is None else f"{epochs} epoch{'s' if epochs > 1 else ''}"


def _reached(speed: LearningSpeed, n_seeds: int) -> str:
    of_seeds = "" if speed.reached == n_seeds else f" ({speed.reached}/{n_seeds})"
    if speed.frames.median is None or speed.seconds.median is None:
        return f"{ABSENT}{of_seeds}"
    return f"{rounded(speed.frames.median)}, {seconds(speed.seconds.median)}{of_seeds}"


def _table(comparison: Comparison) -> Table:
    """A row per target: frames and seconds of each arm."""
    arms = comparison.arms
    rows = []
    for i, target in enumerate(comparison.learning_targets):
        row = [percent(target.accuracy)]
        for arm in arms:
            speed, n_seeds = arm.learning_speed[i], len(arm.seeds)
            of_seeds = f" ({speed.reached} of {n_seeds})" if speed.reached < n_seeds else ""
            if speed.frames.median is None or speed.seconds.median is None:
                row += [f"not reached{of_seeds}", ""]
            else:
                row += [f"{rounded(speed.frames.median)}{of_seeds}", seconds(speed.seconds.median)]
        rows.append(row)
    titles = [f"{arm.arm}, {what}" for arm in arms for what in ("frames", "seconds")]
    caption = (
        f"Training until an accuracy was reached, median over seeds, in whole epochs. They are what "
        f"{comparison.baseline or arms[0].arm} has after 1, 2, 4 ... epochs and at its best."
    )
    return Table(["validation accuracy, %", *numbers(*titles)], rows, caption)


def curves(comparison: Comparison, quantity: Quantity, title: str) -> Figure:
    """Learning curves of the finals: validation solid, training dotted, the kept epoch large."""
    unit = " %" if quantity == "accuracy" else ""
    traces, longest = [], 1
    for arm in comparison.arms:
        line = colour(comparison, arm.arm)
        for i, history in enumerate(arm.history):
            epochs = history.epochs
            longest = max(longest, len(epochs))
            sizes = [11 if epoch.epoch == history.best_epoch else 5 for epoch in epochs]
            for part, dash in (("train", "dot"), ("validation", "solid")):
                values = [_value(epoch, part == "train", quantity) for epoch in epochs]
                curve = scatter(
                    x=[epoch.epoch for epoch in epochs],
                    y=percents(values) if quantity == "accuracy" else values,
                    mode="lines+markers" if part == "validation" else "lines",
                    name=arm.arm,
                    legendgroup=arm.arm,
                    showlegend=i == 0 and part == "validation",
                    line={"color": line, "dash": dash, "width": 1.75 if part == "validation" else 1.25},
                    marker={"symbol": symbol(comparison, arm.arm), "size": sizes},
                    opacity=0.85,
                    hovertemplate=(
                        f"{arm.arm}, seed {history.seed}, epoch %{{x}}<br>{part} {quantity} %{{y:.4~g}}{unit}"
                        "<extra></extra>"
                    ),
                )
                traces.append(curve)
    return figure(
        f"curves_{quantity}",
        title,
        "",
        traces,
        height=380,
        xaxis=whole_numbers(longest, "epoch"),
        yaxis={"title": "accuracy, %" if quantity == "accuracy" else "cross-entropy, nats"},
    )


def _value(epoch: Epoch, is_train: bool, quantity: Quantity) -> float:
    if quantity == "accuracy":
        return epoch.train_accuracy if is_train else epoch.validation_accuracy
    return epoch.train_loss if is_train else epoch.validation_loss
