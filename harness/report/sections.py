"""The sections of the page, in their order. Each adds itself to what is written."""

from html import escape
from typing import Any

from harness.metrics import LOWER_IS_BETTER
from harness.report import figures_confusion, figures_learning, figures_scores
from harness.report.figures import Comparison, by_class, colour
from harness.report.markup import Cell, Page, definitions, scale, table
from harness.report.wording import (
    ABSENT,
    METRICS,
    count,
    duration,
    interval,
    percent,
    points,
    rounded,
    seconds,
    setting,
    share,
    spread,
    times,
    value,
)


def arms(written: Page, comparison: Comparison) -> None:
    arms = comparison["arms"]
    measures = {name: heading for name, heading in METRICS.items() if name in arms[0]["test"]}
    best = {
        name: percent((min if name in LOWER_IS_BETTER else max)(arm["test"][name]["mean"] for arm in arms))
        for name in measures
    }
    rows: list[list[str | Cell]] = [
        [
            _arm_cell(comparison, arm["arm"]),
            *(
                Cell(spread(arm["test"][name]), best=len(arms) > 1 and percent(arm["test"][name]["mean"]) == best[name])
                for name in measures
            ),
            percent(arm["test"].get("calibration_error", {}).get("mean")),
            _nats(arm["test"]["log_loss"]),
            spread(arm["validation"]["accuracy"]),
            count(arm["parameters"]),
            rounded(arm["flops_per_frame"]),
            seconds(arm["seconds_training"]),
            rounded(arm["frames_per_second"]),
        ]
        for arm in arms
    ]
    headings = [
        "arm",
        *(f">{name}" for name in measures.values()),
        ">calibration error",
        ">log-loss",
        ">validation accuracy",
        ">parameters",
        ">FLOPs per frame",
        ">seconds per training",
        ">frames per second",
    ]
    caption = (
        "Test split, in percent (log-loss in nats): mean ± standard deviation over seeds. Best in bold. "
        "Silence is easy and plentiful: the third column leaves its frames out."
    )
    written.section(
        "arms",
        "Arms",
        table(caption, headings, rows),
        _chosen(comparison),
        written.figure(
            "seeds",
            figures_scores.seeds(comparison),
            "Each seed.",
            "A dot is one training; the stroke is the arm's mean.",
        ),
    )


def _chosen(comparison: Comparison) -> str:
    """Which settings the search gave each arm, a column per setting."""
    names = list(dict.fromkeys(name for arm in comparison["arms"] for name in arm["chosen"]))
    rows: list[list[str | Cell]] = [
        [_arm_cell(comparison, arm["arm"]), *(value(arm["chosen"].get(name, ABSENT)) for name in names)]
        for arm in comparison["arms"]
    ]
    return table("Chosen on validation", ["arm", *(f">{setting(name)}" for name in names)], rows) if names else ""


def differences(written: Page, comparison: Comparison) -> None:
    if not comparison["pairs"]:
        return
    unit = comparison["unit"]
    against = [pair for pair in comparison["pairs"] if pair["b"] == comparison["baseline"]]
    rows = [
        [
            _arm_cell(comparison, pair["a"]),
            _arm_cell(comparison, pair["b"]),
            METRICS[pair["metric"]],
            points(pair["difference"]),
            interval(pair["low"], pair["high"]),
            share(pair["probability_a_better"]),
            points(pair["naive_se"]).lstrip("+"),
            points(pair["clustered_se"]).lstrip("+"),
            ABSENT if pair["se_ratio"] is None else f"{pair['se_ratio']:.1f}",
            *(times(*pair["cost"][name]) for name in _PRICES),
            pair["verdict"],
        ]
        for pair in comparison["pairs"]
    ]
    headings = [
        "first",
        "second",
        "measure",
        ">difference",
        f">{100 * comparison['level']:g} % interval",
        f">better for a new {unit}",
        ">naive SE",
        ">clustered SE",
        ">ratio",
        *(f">{name}" for name in _PRICES.values()),
        "verdict",
    ]
    written.section(
        "difference",
        "Differences",
        written.figure(
            "differences",
            figures_scores.differences(comparison),
            f"Points above {comparison['baseline']}.",
            f"The line is the interval over {unit}s and seeds. A hollow dot: no difference shown.",
        )
        if against
        else "",
        table(
            f"In percentage points. Better for a new {unit}: probability that the first arm is, trained with a new "
            f"seed. SE: standard error over {unit}s alone (clustered), and what it would be if every frame were "
            "independent (naive), which it is not. Costs: how many times the second arm's.",
            headings,
            rows,
        ),
    )


_PRICES = {
    "parameters": "parameters",
    "flops_per_frame": "FLOPs",
    "seconds_training": "seconds",
    "search_frames": "tuning frames",
}


def phonemes(written: Page, comparison: Comparison) -> None:
    bars = written.figure("phoneme_f1", figures_scores.phoneme_bars(comparison), "F1.", "Pooled over seeds.")
    forests = [
        written.figure(
            f"phoneme_difference_{i}",
            figures_scores.phoneme_differences(comparison, found),
            f"{found['a']} above {found['b']}.",
            "Filled where the difference is shown after correction for their number (Benjamini-Hochberg): "
            f"{sum(row['survives'] for row in found['phonemes'])} of {len(found['phonemes'])}.",
        )
        for i, found in enumerate(comparison["phoneme_differences"])
    ]
    written.section(
        "phonemes",
        "Phonemes",
        f'<div class="columns">{bars}{"".join(forests)}</div>',
        "<details><summary>All phonemes as a table</summary>"
        '<p class="filter"><label for="find">Show only</label>'
        '<input id="find" type="search" placeholder="vowel, or S Z SH" aria-controls="phoneme-table">'
        '<span class="soft">phonemes or classes; headings sort.</span></p>',
        _phoneme_table(comparison),
        "</details>",
    )


def _phoneme_table(comparison: Comparison) -> str:
    arms = [{row["phoneme"]: row for row in arm["phonemes"]} for arm in comparison["arms"]]
    pairs = [{row["phoneme"]: row for row in found["phonemes"]} for found in comparison["phoneme_differences"]]
    headings = ["phoneme", "class", ">frames"]
    headings += [f">{arm['arm']} {part}" for arm in comparison["arms"] for part in ("F1", "precision", "recall")]
    for found in comparison["phoneme_differences"]:
        headings += [f">{found['a']} above {found['b']}", ">interval", "shown"]
    rows: list[list[str | Cell]] = []
    for name in by_class(comparison):
        support = arms[0][name]["support"] // len(comparison["arms"][0]["seeds"])
        row: list[str | Cell] = [name, comparison["broad"].get(name, ""), Cell(count(support), sort=support)]
        row += [percent(arm[name][part]) for arm in arms for part in ("f1", "precision", "recall")]
        for pair in pairs:
            if name in pair:
                low, high = pair[name]["low"], pair[name]["high"]
                row += [
                    points(pair[name]["difference"]),
                    Cell(interval(low, high), sort=0 if low is None else low),
                    "yes" if pair[name]["survives"] else "no",
                ]
            else:
                row += [Cell(ABSENT, sort=0), Cell(ABSENT, sort=0), "no"]
        rows.append(row)
    return table("In percent, pooled over seeds; frames of one seed.", headings, rows, key="phoneme-table")


def confusions(written: Page, comparison: Comparison) -> None:
    arms = {arm["arm"]: arm for arm in comparison["arms"]}
    matrices = [
        written.figure(f"confusion_{i}", figures_confusion.confusion(comparison, arm), f"{arm['arm']}.", kind="matrix")
        for i, arm in enumerate(comparison["arms"])
    ]
    differences = [
        written.figure(
            f"confusion_difference_{i}",
            figures_confusion.confusion_difference(comparison, arms[found["a"]], arms[found["b"]], found["surviving"]),
            f"{found['a']} less {found['b']}.",
            kind="matrix",
        )
        for i, found in enumerate(comparison["confusion_differences"])
    ]
    limit = f"{100 * figures_confusion.difference_limit(comparison):.0f}"
    tones = (("less-2", f"-{limit}"), ("less-1", ""), ("same", "0"), ("more-1", ""), ("more-2", f"+{limit}"))
    top = _top_confusions(comparison)
    written.section(
        "confusions",
        "Confusions",
        "<p>A row is a true phoneme: what share of its frames was taken for each phoneme, pooled over seeds. The same "
        "colours for all arms; pointing at a cell shows it in every matrix, with its counts.</p>",
        scale(
            "share of the row, %", [(f"rate-{i}", f"{100 * rate:g}") for i, rate in enumerate(figures_confusion.RATES)]
        ),
        f'<div class="columns">{"".join(matrices)}</div>',
        "<h3>Their difference</h3><p>Blue where the first arm does it more often: good on the diagonal, bad elsewhere. "
        "Only cells whose difference survives the correction for their number (Benjamini-Hochberg) are coloured: "
        f"{_surviving(comparison)}.</p>"
        if differences
        else "",
        scale("points", tones, "and beyond") if differences else "",
        f'<div class="columns">{"".join(differences)}{top}</div>' if differences else top,
    )


def _surviving(comparison: Comparison) -> str:
    return ", ".join(
        f"{found['a']} - {found['b']} {len(found['surviving'])} of {count(found['tested'])}"
        for found in comparison["confusion_differences"]
    )


def _top_confusions(comparison: Comparison) -> str:
    ranks = max(len(arm["top_confusions"]) for arm in comparison["arms"])
    rows = []
    for rank in range(ranks):
        row: list[str | Cell] = [str(rank + 1)]
        for arm in comparison["arms"]:
            top = arm["top_confusions"][rank : rank + 1]
            row += [f"{t['true']} as {t['predicted']}, {percent(t['rate'])} ({count(t['count'])})" for t in top] or [
                ABSENT
            ]
        rows.append(row)
    headings = ["rank", *(arm["arm"] for arm in comparison["arms"])]
    found = table("Most frequent confusions: percent of the true phoneme's frames (frames, all seeds)", headings, rows)
    return f"<div>{found}</div>"


def learning(written: Page, comparison: Comparison) -> None:
    written.section(
        "learning",
        "Learning",
        "<p>One line per seed: validation solid, training dotted; the mark is the epoch that was kept. Training is "
        "measured with dropout and label smoothing on, validation without.</p>",
        '<div class="columns">',
        written.figure("curves_accuracy", figures_learning.curves(comparison, "accuracy"), "Accuracy."),
        written.figure("curves_loss", figures_learning.curves(comparison, "loss"), "Loss."),
        "</div>",
    )


def search(written: Page, comparison: Comparison) -> None:
    arms = [arm for arm in comparison["arms"] if arm["search"]]
    if not arms:
        return
    rows: list[list[str | Cell]] = [
        [
            _arm_cell(comparison, arm["arm"]),
            *(count(sum(t["state"] == state for t in arm["search"])) for state in ("complete", "pruned", "failed")),
            count(arm["search_frames"]),
            seconds(arm["search_seconds"]),
            percent(max((t["value"] for t in arm["search"] if t["state"] == "complete"), default=None)),
        ]
        for arm in arms
    ]
    headings = ["arm", ">complete", ">pruned", ">failed", ">frames spent", ">seconds", ">best, %"]
    has_importances = any(arm["importances"] for arm in arms)
    written.section(
        "search",
        "Search",
        table("What the search spent on each arm, and what it found on validation", headings, rows),
        '<div class="columns">',
        written.figure(
            "search_history",
            figures_learning.search(comparison),
            "Trials.",
            "The line is the best so far; a cross was pruned.",
        ),
        written.figure("importances", figures_learning.importances(comparison), "What mattered.")
        if has_importances
        else "",
        "</div>",
    )


def making(written: Page, comparison: Comparison) -> None:
    corpus = comparison["corpus"]
    splits = [[name, *(count(size[k]) for k in _SIZES)] for name, size in corpus.get("splits", {}).items()]
    entries = [("corpus", f"{corpus.get('name')}, digest {corpus.get('digest')}")]
    entries += [(setting(name), _said(name, given)) for name, given in comparison["provenance"].items()]
    entries += [
        ("seeds", "; ".join(f"{arm['arm']} {', '.join(map(str, arm['seeds']))}" for arm in comparison["arms"])),
        ("intervals", f"{comparison['method']}; {count(comparison['resamples'])} resamples, unit {comparison['unit']}"),
    ]
    resolved = [
        [name, *(value(arm["settings"].get(name, ABSENT)) for arm in comparison["arms"])]
        for name in dict.fromkeys(name for arm in comparison["arms"] for name in arm["settings"])
    ]
    headings = ["setting", *(arm["arm"] for arm in comparison["arms"])]
    in_full = table("Resolved settings of the finals", headings, resolved)
    file = f'<pre tabindex="0">{escape(comparison["experiment"])}</pre>'
    written.section(
        "making",
        "How it was made",
        definitions(entries),
        table("Corpus", ["split", *(f">{k}" for k in _SIZES)], splits) if splits else "",
        f"<details><summary>All settings</summary>{in_full}</details>",
        f"<details><summary>The experiment file</summary>{file}</details>",
    )


_SIZES = ("utterances", "speakers", "frames")


def _said(name: str, given: Any) -> str:
    if name == "seconds" and given is not None:
        return duration(given)
    if isinstance(given, dict):
        return ", ".join(f"{k} {v}" for k, v in given.items())
    return value(given)


def _arm_cell(comparison: Comparison, arm: str) -> Cell:
    return Cell(arm, colour=colour(comparison, arm))


def _nats(values: dict[str, Any]) -> str:
    return f"{values['mean']:.4f}" + (f" ± {values['std']:.4f}" if values["std"] is not None else "")
