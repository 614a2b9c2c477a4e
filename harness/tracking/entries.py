"""Params, metrics, tags, notes and files of runs, arms and studies in MLflow. Data in, data out; knows no client.

Metrics are named `quantity/of`, because MLflow makes one section of charts per quantity and sorts the sections by name:
accuracy, cost, epochs (the curves), log_loss, macro_f1, and only then the many bars of phoneme_f1 and its kin. Shares
(accuracy, F1, precision, recall) are in percent: MLflow shows two or three decimals, and half a point is a finding.

Files that MLflow's compare page shall set side by side lie at the root, under one name in every arm.

Legend: C classes. Counts have rows true and columns predicted.
"""

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from harness import checksums
from harness.comparison import json_form
from harness.comparison.model import Check, Comparison, Pair
from harness.results import ArmRecord, Epoch, RunResult, Scores, StudyRecord
from harness.statistics import metrics, registry
from harness.statistics.metrics import PhonemeScores
from harness.tracking import entries, pictures

LONGEST_PARAM = 6000
"""Characters; MLflow cuts a longer value without a word."""
LONGEST_NOTE = 7900
"""Characters; MLflow cuts the tags of a run at 8,000."""
COLOURS = ("#3a86d9", "#d9730d", "#1f9d6c", "#a45ee5", "#d94f87", "#8a7a2e", "#0f97a8", "#7c8796")
"""One per arm in the order of the file; the report's page has the same."""


def params(settings: Mapping[str, object]) -> dict[str, str]:
    """Settings in the words of the experiment file: true, 7, [3, 10], ladnn."""
    texts = {k: v if isinstance(v, str) else json.dumps(v, default=str) for k, v in settings.items()}
    cut = " ... (cut; whole in result/result.json)"
    return {k: v if len(v) <= LONGEST_PARAM else v[: LONGEST_PARAM - len(cut)] + cut for k, v in texts.items()}


def metric_names(phonemes: Iterable[str]) -> dict[str, str]:
    """Phoneme -> the name that MLflow accepts for it, unique: [SIL] -> SIL, h# -> h, <sil> -> sil."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for phoneme in phonemes:
        stem = re.sub(r"[^A-Za-z0-9_.-]+", " ", phoneme).strip() or "other"
        name, n = stem, 1
        while name.casefold() in taken:  # some databases compare without case
            n += 1
            name = f"{stem}_{n}"
        taken.add(name.casefold())
        names[phoneme] = name
    return names


def curve(epoch: Epoch) -> dict[str, float]:
    """One epoch of the learning curves."""
    return {
        "epochs/train_loss": epoch.train_loss,
        "epochs/train_accuracy": 100 * epoch.train_accuracy,
        "epochs/validation_loss": epoch.validation_loss,
        "epochs/validation_accuracy": 100 * epoch.validation_accuracy,
        "epochs/learning_rate": epoch.learning_rate,
        "epochs/frames": epoch.frames,
        "epochs/seconds": epoch.seconds,
    }


def mean_curves(histories: Sequence[Sequence[Epoch]]) -> list[tuple[int, dict[str, float]]]:
    """The curves of an arm: (epoch, means over the runs that reached it)."""
    steps = sorted({e.epoch for history in histories for e in history})
    lines = []
    for step in steps:
        reached = [curve(e) for history in histories for e in history if e.epoch == step]
        lines.append((step, {name: float(np.mean([c[name] for c in reached])) for name in reached[0]}))
    return lines


def reported_scores(result: RunResult) -> Scores:
    """The split that the phonemes of this run are reported on: test for a final, validation for a trial."""
    return result.test or result.validation


def run_metrics(result: RunResult) -> dict[str, float]:
    """Everything of a run that is one number, of the epoch that was kept; the most important first."""
    values: dict[str, float] = {}
    for part, scores in (("test", result.test), ("validation", result.validation)):
        if scores is not None:
            values |= _scores(part, scores, result.phonemes)
    values |= {
        "cost/parameters": result.parameters,
        "cost/flops_per_frame": result.flops_per_frame,
        "cost/seconds": result.seconds,
        "cost/frames_per_second": result.frames_per_second,
        "cost/peak_bytes": result.peak_bytes,
        "epochs/kept": result.best_epoch,
    }
    return values | _phonemes(reported_scores(result).confusion, result.phonemes)


def arm_metrics(record: ArmRecord) -> dict[str, float]:
    """Means over the seeds, spread (standard deviation, n - 1) as `*_std`, phonemes pooled over the seeds."""
    each = [run_metrics(final) for final in record.finals]
    values: dict[str, float] = {}
    for name in each[0]:
        if name.startswith("phoneme_"):
            continue
        of_seeds = [run[name] for run in each]
        values[name] = float(np.mean(of_seeds))
        if len(of_seeds) > 1 and not name.startswith(("cost/", "epochs/")):
            values[f"{name}_std"] = float(np.std(of_seeds, ddof=1))
    values["cost/trials"] = _n_tried(record)
    values["cost/search_seconds"] = sum(trial.seconds for trial in record.all_trials)
    return values | _phonemes(pooled_confusion(record), record.finals[0].phonemes)


def _n_tried(record: ArmRecord) -> int:
    """Configurations of all searches; one that was trained again on a later rung counts once."""
    return sum(trial.rung == 1 for trial in record.all_trials)


def pooled_confusion(record: ArmRecord) -> np.ndarray:
    """(C, C) int64: the confusion of all seeds together."""
    counts: np.ndarray = np.stack([reported_scores(final).confusion for final in record.finals]).sum(axis=0)
    return counts


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """Without NaN and infinity: MLflow stores infinity as 1.8e308, and neither can be drawn."""
    return {k: float(v) for k, v in values.items() if math.isfinite(v)}


def run_tags(result: RunResult) -> dict[str, str]:
    """Where the numbers come from, and how the run ended."""
    odd = [name for name, value in run_metrics(result).items() if not math.isfinite(value)]
    tags = {"judged_on": reported_scores(result).split, "state": result.state, "architecture": result.architecture}
    return tags | ({"not_finite": ", ".join(odd)[:LONGEST_NOTE]} if odd else {}) | provenance_tags(result.provenance)


def arm_tags(record: ArmRecord) -> dict[str, str]:
    """Where an arm's numbers come from."""
    first = record.finals[0]
    return {"judged_on": reported_scores(first).split, **provenance_tags(first.provenance)}


def provenance_tags(provenance: Mapping[str, object]) -> dict[str, str]:
    """One tag per entry; the commit also where MLflow's own Version column looks for it."""
    tags = {
        key.replace(" ", "_"): value if isinstance(value, str) else json.dumps(value, default=str)
        for key, value in provenance.items()
    }
    if tags.get("commit", "none") != "none":
        tags["mlflow.source.git.commit"] = tags["commit"]
    return {key: value[:LONGEST_NOTE] for key, value in tags.items()}


def arm_markdown(record: ArmRecord) -> str:
    """The description that stands on an arm's page."""
    values, first = arm_metrics(record), record.finals[0]
    part = "test" if first.test else "validation"
    std = f" ± {values[f'accuracy/{part}_std']:.2f}" if len(record.finals) > 1 else ""
    chosen = ", ".join(f"`{key}` = {json.dumps(value)}" for key, value in record.chosen.items())
    lines = [
        f"{part} accuracy **{values[f'accuracy/{part}']:.2f}{std} %** over {len(record.finals)} seeds, "
        f"macro-F1 {values[f'macro_f1/{part}']:.2f} %, {first.parameters:,} parameters.",
        f"Chosen by {_n_tried(record)} trials on validation: {chosen}." if chosen else "Nothing was searched.",
    ]
    return "\n\n".join(lines)[:LONGEST_NOTE]


def difference_metrics(arm: str, baseline: str | None, pairs: Iterable[Pair]) -> dict[str, float]:
    """An arm minus the baseline, in points, with the interval's ends."""
    values: dict[str, float] = {}
    for pair in pairs:
        if (pair.a, pair.b) == (arm, baseline):
            ends = {"": pair.difference, "_low": pair.low, "_high": pair.high}
            values |= {f"{pair.metric}/vs_baseline{end}": 100 * x for end, x in ends.items() if x is not None}
    return values


def study_markdown(
    record: StudyRecord, verdicts: Sequence[str], links: Mapping[str, str], checks: Sequence[Check] = ()
) -> str:
    """The description that stands over a study's runs; folded, MLflow shows the first line.

    Args:
        links: what is shown -> address.
    """
    corpus = record.corpus
    parts = [
        " ".join([f"**{record.question}**", *verdicts]),
        " · ".join(f"[{name}]({address})" for name, address in links.items()),
        "\n".join(f"- {note}" for note in record.notes),
        "\n".join(f"- {check.code}, {check.severity}: {check.sentence} {check.advice}" for check in checks),
        f"Corpus `{corpus.get('name')}`, digest `{corpus.get('digest')}`. Accuracy, F1, precision and recall are in "
        f"percent. The whole comparison: `harness report --study {record.study}`",
    ]
    return "\n\n".join(part for part in parts if part)[:LONGEST_NOTE]


def _scores(part: str, scores: Scores, phonemes: Sequence[str]) -> dict[str, float]:
    marginals = metrics.marginals(scores.confusion)
    shares = {
        f"{name}/{part}": 100 * float(measure(*marginals)) for name, measure in registry.of_counts(phonemes).items()
    }
    return shares | {f"log_loss/{part}": float(scores.log_loss.sum() / scores.confusion.sum())}


def _phonemes(confusion: np.ndarray, phonemes: Sequence[str]) -> dict[str, float]:
    names = metric_names(phonemes)
    values: dict[str, float] = {}
    for row in metrics.per_phoneme(confusion, phonemes):
        shares = {"f1": row.f1, "precision": row.precision, "recall": row.recall}
        values |= {f"phoneme_{measure}/{names[row.phoneme]}": share * 100 for measure, share in shares.items()}
        values[f"phoneme_support/{names[row.phoneme]}"] = row.support
    return values


def write_run(result: RunResult, folder: Path) -> None:
    """The artifacts of a run, except the model and the arrays."""
    scores = entries.reported_scores(result)
    title = f"{result.arm}, seed {result.seed}" if result.trial is None else f"{result.arm}, trial {result.trial}"
    _write_confusion(scores.confusion, result.phonemes, f"{title}: {scores.split}", folder)
    _write_json(folder / "settings.json", result.settings)
    _write_json(folder / "provenance.json", result.provenance)


def write_arm(record: ArmRecord, comparison: Comparison, folder: Path) -> None:
    """The artifacts of an arm with finals."""
    first = record.finals[0]
    title = f"{record.arm}, {len(record.finals)} seeds pooled: {entries.reported_scores(first).split}"
    _write_confusion(entries.pooled_confusion(record), first.phonemes, title, folder)
    for name, picture in pictures.arm_pictures(record.arm, comparison, entries.COLOURS).items():
        (folder / name).write_bytes(picture)
    _write_json(folder / "comparison.json", json_form.plain(comparison.arm(record.arm)))
    write_search(record, folder)


def write_search(record: ArmRecord, folder: Path) -> None:
    """The artifacts of an arm that do without its finals; `reader` reads `search.json` back."""
    search = {
        "arm": record.arm,
        "architecture": record.architecture,
        "parameters": record.finals[0].parameters if record.finals else None,
        "seeds": [final.seed for final in record.finals],
        "chosen": record.chosen,
        "failure": record.failure,
        "importances": record.importances,
        "trials": [vars(trial) for trial in record.trials],
        "searches": [vars(own) | {"trials": [vars(trial) for trial in own.trials]} for own in record.searches],
        "ranges": record.ranges,
    }
    _write_json(folder / "search.json", search)
    (folder / "search.md").write_text(search_markdown(record))


def write_study(record: StudyRecord, folder: Path) -> None:
    """A study without its arms, which each of them has; `reader` reads `study.json` back."""
    fields = {key: value for key, value in vars(record).items() if key not in ("arms", "studies", "other_readers")}
    fields["looks"] = asdict(record.looks)
    study = fields | {"arms": [arm.arm for arm in record.arms]}
    (folder / "study.json").write_text(checksums.seal(json.loads(json.dumps(study, default=str))))
    (folder / "experiment.toml").write_text(record.experiment)


def search_markdown(record: ArmRecord) -> str:
    """The trials, best first, as a table that the compare page renders."""
    keys = sorted({key for trial in record.trials for key in trial.settings})
    if not keys:
        return "Nothing was searched.\n"
    rungs = ["rung"] if any(trial.rung > 1 for trial in record.trials) else []
    headings = ["trial", *rungs, "validation accuracy", *keys]
    lines = ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    for trial in sorted(record.trials, key=lambda t: (-t.rung, -(t.value or 0))):
        value = trial.state if trial.value is None else f"{100 * trial.value:.2f} %"
        note = " (pruned)" if trial.state == "pruned" and trial.value is not None else ""
        cells = [json.dumps(trial.settings.get(key)) for key in keys]
        rung = f" {trial.rung} |" if rungs else ""
        lines.append(f"| {trial.number} |{rung} {value}{note} | " + " | ".join(cells) + " |")
    if record.importances:
        shares = ", ".join(f"{key} {100 * share:.0f} %" for key, share in record.importances.items())
        lines += ["", f"Importance of the settings for the validation accuracy (PED-ANOVA): {shares}."]
    return "\n".join(lines) + "\n"


def per_phoneme_markdown(rows: Sequence[PhonemeScores]) -> str:
    """A line per phoneme: precision, recall and F1 in percent, support in frames."""
    lines = ["| phoneme | precision | recall | F1 | support |", "| --- | ---: | ---: | ---: | ---: |"]
    for row in rows:
        rates = " | ".join(f"{100 * rate:.1f}" for rate in (row.precision, row.recall, row.f1))
        lines.append(f"| {row.phoneme} | {rates} | {row.support:,} |")
    return "\n".join(lines) + "\n"


def _write_confusion(confusion: np.ndarray, phonemes: Sequence[str], title: str, folder: Path) -> None:
    """(C, C) counts, rows true and columns predicted, as picture and table, and what follows for each phoneme."""
    rows = metrics.per_phoneme(confusion, phonemes)
    (folder / "confusion.png").write_bytes(pictures.confusion_png(confusion, phonemes, title))
    with (folder / "confusion.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["true \\ predicted", *phonemes])
        writer.writerows([phoneme, *map(int, line)] for phoneme, line in zip(phonemes, confusion, strict=True))
    (folder / "classification_report.txt").write_text(metrics.report_text(confusion, phonemes))
    (folder / "per_phoneme.md").write_text(per_phoneme_markdown(rows))
    # the layout of pandas' orient="split", which the evaluation view reads; it compares the second column
    table = {
        "columns": ["phoneme", "f1", "precision", "recall", "support"],
        "data": [[r.phoneme, round(r.f1, 4), round(r.precision, 4), round(r.recall, 4), r.support] for r in rows],
    }
    (folder / "per_phoneme.json").write_text(json.dumps(table))
    _write_json(folder / "metric_names.json", entries.metric_names(phonemes))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, default=str))
