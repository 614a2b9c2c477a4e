"""How the finals learnt, and how soon they were how good."""

from harness.display.wording import percent, rounded, seconds
from harness.report.figures import Comparison, Figure, colour, finish, symbol, times, whole_numbers
from harness.report.markup import Cell, Page, columns, table


def write(page: Page, comparison: Comparison) -> None:
    page.section(
        "learning",
        "Learning",
        "<p>A line per seed: validation solid, training dotted; the large sign is the epoch that was kept. Training is "
        "measured with dropout and label smoothing on, validation without.</p>",
        columns(
            page.figure("curves_accuracy", curves(comparison, "accuracy"), "Accuracy."),
            page.figure("curves_loss", curves(comparison, "loss"), "Loss."),
        ),
        _speed(comparison),
    )


def _speed(comparison: Comparison) -> str:
    """Until which accuracy what was needed, a row per target."""
    arms = comparison["arms"]
    rows: list[list[str | Cell]] = []
    for i, target in enumerate(comparison.get("learning_targets", ())):
        row: list[str | Cell] = [percent(target["accuracy"])]
        for arm in arms:
            found = arm["learning_speed"][i]
            of = f" ({found['reached']} of {len(arm['seeds'])})" if found["reached"] < len(arm["seeds"]) else ""
            is_known = found["frames"]["median"] is not None
            row.append(Cell(f"{rounded(found['frames']['median'])}{of}" if is_known else f"not reached{of}"))
            row.append(seconds(found["seconds"]["median"]) if is_known else "")
        rows.append(row)
    headings = ["validation accuracy, %"]
    headings += [f">{arm['arm']}, {what}" for arm in arms for what in ("frames", "seconds")]
    about = comparison["baseline"] or arms[0]["arm"]
    caption = (
        f"Training until an accuracy was reached, median over seeds, in whole epochs. They are what {about} has "
        "after 1, 2, 4 ... epochs and at its best."
    )
    return table(caption, headings, rows)


def curves(comparison: Comparison, measure: str) -> Figure:
    """Learning curves of the finals, "accuracy" or "loss": validation solid, training dotted, the kept epoch large."""
    figure = Figure()
    scale = 100 if measure == "accuracy" else 1
    unit = " %" if measure == "accuracy" else ""
    for arm in comparison["arms"]:
        line = colour(comparison, arm["arm"])
        for i, history in enumerate(arm["history"]):
            epochs = history["epochs"]
            kept = [epoch["epoch"] == history["best_epoch"] for epoch in epochs]
            for part, dash in (("train", "dot"), ("validation", "solid")):
                figure.add_scatter(
                    x=[epoch["epoch"] for epoch in epochs],
                    y=[times(scale, epoch[f"{part}_{measure}"]) for epoch in epochs],
                    mode="lines+markers" if part == "validation" else "lines",
                    name=arm["arm"],
                    legendgroup=arm["arm"],
                    showlegend=i == 0 and part == "validation",
                    line={"color": line, "dash": dash, "width": 1.75 if part == "validation" else 1.25},
                    marker={"symbol": symbol(comparison, arm["arm"]), "size": [11 if yes else 5 for yes in kept]},
                    opacity=0.85,
                    hovertemplate=(
                        f"{arm['arm']}, seed {history['seed']}, epoch %{{x}}<br>{part} {measure} %{{y:.4~g}}{unit}"
                        "<extra></extra>"
                    ),
                )
    title = "accuracy, %" if measure == "accuracy" else "cross-entropy, nats"
    return finish(figure, height=380, xaxis=whole_numbers(_longest(comparison), "epoch"), yaxis={"title": title})


def _longest(comparison: Comparison) -> int:
    return max((len(history["epochs"]) for arm in comparison["arms"] for history in arm["history"]), default=1)
