"""Files that a run and an arm leave in MLflow. Data in, files out; knows no client.

What MLflow's compare page shall set side by side lies at the root, under one name in every arm.

Legend: C classes.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.comparison import json_form
from harness.comparison.model import Comparison
from harness.results import ArmRecord, RunResult, StudyRecord
from harness.statistics import metrics
from harness.statistics.metrics import PhonemeScores
from harness.tracking import entries, pictures


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
    }
    _write_json(folder / "search.json", search)
    (folder / "search.md").write_text(search_markdown(record))


def write_study(record: StudyRecord, folder: Path) -> None:
    """A study without its arms, which each of them has; `reader` reads `study.json` back."""
    fields = {key: value for key, value in vars(record).items() if key not in ("arms", "studies")}
    study = fields | {"arms": [arm.arm for arm in record.arms]}
    (folder / "study.json").write_text(json.dumps(study, default=str))
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
        lines += ["", f"Share in the variance of the validation accuracy: {shares}."]
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
