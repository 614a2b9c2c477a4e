"""From a study's record to the numbers of its comparison, computed once: the contract of `comparison.json`.

Fractions lie in [0, 1], differences are a - b, sizes are frames, seconds or bytes. Keys may be added, not renamed.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from harness import stats
from harness.corpora.phones import BROAD
from harness.errors import UserError
from harness.metrics import Metric, accuracy, f1, headline, marginals, per_phoneme, top_confusions
from harness.report.wording import sentence, several
from harness.results import ArmRecord, RunResult, StudyRecord

Comparison = dict[str, Any]


def compare(record: StudyRecord) -> Comparison:
    """All that the terminal, the files and the page show of a study.

    Raises:
        UserError: no arm has a finished final run, or arms were tested on different utterances.
    """
    arms = [arm for arm in record.arms if arm.finals]
    if not arms:
        raise UserError(f"study {record.study!r} has no finished final run yet: nothing to compare")
    _check_same_test(arms)
    test = _test(arms[0].finals[0])
    units = test.speakers if record.unit == "speaker" else test.utterances
    phonemes = list(arms[0].finals[0].phonemes)
    metrics = headline(phonemes)
    pairs, phoneme_differences = _pairs(record, arms, units, phonemes, metrics)
    return _plain(
        {
            "study": record.study,
            "question": record.question,
            "corpus": record.corpus,
            "baseline": record.baseline,
            "unit": record.unit,
            "units": len(set(units)),
            "level": record.level,
            "method": stats.METHOD,
            "resamples": record.resamples,
            "verdicts": [pair["sentence"] for pair in pairs if pair["metric"] == "accuracy"],
            "notes": [*record.notes, *_notes(record, arms, len(set(units)))],
            "phonemes": phonemes,
            "broad": {name: BROAD[name] for name in phonemes if name in BROAD},
            "arms": [_arm(arm, phonemes, metrics) for arm in arms],
            "pairs": pairs,
            "phoneme_differences": phoneme_differences,
            "experiment": record.experiment,
            "provenance": record.provenance,
        }
    )


def _test(final: RunResult) -> Any:
    if final.test is None:
        raise UserError(f"arm {final.arm!r}, seed {final.seed}: the final run has no test scores")
    return final.test


def _check_same_test(arms: Sequence[ArmRecord]) -> None:
    """A paired comparison needs the same utterances in the same order."""
    first = arms[0].finals[0]
    for arm in arms:
        for final in arm.finals:
            if _test(final).utterances != _test(first).utterances or final.phonemes != first.phonemes:
                raise UserError(
                    f"arm {arm.arm!r}, seed {final.seed}, was tested on other utterances or phonemes than "
                    f"arm {arms[0].arm!r}, seed {first.seed}: they cannot be compared pair by pair"
                )


def _notes(record: StudyRecord, arms: Sequence[ArmRecord], n_units: int) -> list[str]:
    missing = [arm.arm for arm in record.arms if not arm.finals]
    single = [arm.arm for arm in arms if len(arm.finals) == 1]
    notes = []
    if missing:
        notes.append(f"Without a finished final run, and so left out: {', '.join(missing)}.")
    if single:
        notes.append(
            f"One seed only: {', '.join(single)}. What another seed would change is not in the spread or the interval."
        )
    if 1 < n_units < 10:
        notes.append(f"{several(n_units, record.unit)} only: the intervals are as wide as so few make them.")
    return notes


def _arm(arm: ArmRecord, phonemes: list[str], metrics: dict[str, Metric]) -> dict[str, Any]:
    first = arm.finals[0]
    confusions = [_test(final).confusion for final in arm.finals]
    pooled = np.sum(confusions, axis=0)
    of_test = {name: _spread([float(metric(*marginals(c))) for c in confusions]) for name, metric in metrics.items()}
    of_test["log_loss"] = _spread([float(_test(f).log_loss.sum() / _test(f).counts.sum()) for f in arm.finals])
    return {
        "arm": arm.arm,
        "architecture": arm.architecture,
        "settings": first.settings,
        "chosen": arm.chosen,
        "parameters": first.parameters,
        "flops_per_frame": first.flops_per_frame,
        "trials": len(arm.trials),
        "search_frames": sum(trial.frames for trial in arm.trials),
        "search_seconds": sum(trial.seconds for trial in arm.trials),
        "seeds": [final.seed for final in arm.finals],
        "test": of_test,
        "validation": {
            "accuracy": _spread([float(accuracy(*marginals(final.validation.confusion))) for final in arm.finals])
        },
        "seconds_training": float(np.mean([final.seconds for final in arm.finals])),  # of one final
        "frames_per_second": float(np.mean([final.frames_per_second for final in arm.finals])),
        "peak_bytes": max(final.peak_bytes for final in arm.finals),
        "phonemes": per_phoneme(pooled, phonemes),
        "confusion": {"labels": phonemes, "counts": pooled.tolist()},
        "top_confusions": top_confusions(pooled, phonemes),
        "history": [
            {"seed": final.seed, "best_epoch": final.best_epoch, "epochs": [asdict(epoch) for epoch in final.history]}
            for final in arm.finals
        ],
        "search": [asdict(trial) for trial in arm.trials],
        "importances": arm.importances,
    }


def _pairs(
    record: StudyRecord,
    arms: Sequence[ArmRecord],
    units: Sequence[str],
    phonemes: list[str],
    metrics: dict[str, Metric],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every arm against the baseline: in each metric, and in F1 phoneme by phoneme."""
    names = [arm.arm for arm in arms]
    if record.baseline not in names or len(arms) < 2:
        return [], []
    tallies = [stats.Tally.of([_test(final).counts for final in arm.finals], units) for arm in arms]
    resampled = stats.resample(tallies, record.resamples)
    kinds = [[_kinds(final) for final in arm.finals] for arm in arms]
    b = names.index(record.baseline)
    pairs, phoneme_differences = [], []
    for a in range(len(arms)):
        if a == b:
            continue
        for name, metric in metrics.items():
            difference = stats.paired_difference(resampled[a], resampled[b], metric, level=record.level)
            pair = {
                "a": names[a],
                "b": names[b],
                "metric": name,
                "difference": difference.difference,
                "low": difference.low,
                "high": difference.high,
                "level": record.level,
                "unit": record.unit,
                "units": len(set(units)),
                "seeds": [len(arms[a].finals), len(arms[b].finals)],
                "naive_se": stats.naive_se_of_difference(kinds[a], kinds[b], len(phonemes), metric),
                "clustered_se": difference.clustered_se,
                "se": difference.se,
                "freedom": difference.freedom,
                "p": difference.p,
                "verdict": stats.verdict(names[a], names[b], difference, record.unit),
            }
            pair = _plain(pair)
            pairs.append(pair | {"sentence": sentence(pair)})
        by_phoneme = stats.paired_difference(resampled[a], resampled[b], f1, level=record.level, pooled=True)
        rows = _phoneme_rows(by_phoneme, resampled[a].tally, resampled[b].tally, phonemes, record.level)
        phoneme_differences.append({"a": names[a], "b": names[b], "metric": "f1", "phonemes": rows})
    return pairs, phoneme_differences


def _kinds(final: RunResult) -> np.ndarray:
    """(F,) true * C + predicted of each test frame; without predictions, in the order of the counts."""
    test = _test(final)
    if test.predicted is None or test.truth is None:
        return np.repeat(np.arange(test.confusion.size), test.confusion.ravel())
    return test.truth.astype(np.int64) * len(final.phonemes) + test.predicted


def _phoneme_rows(
    found: stats.Difference, a: stats.Tally, b: stats.Tally, phonemes: list[str], level: float
) -> list[dict[str, Any]]:
    """The phonemes that occur, those first whose difference survives the correction for their number, then by size."""
    occurs = np.flatnonzero(a.total.true[0])
    f1_a, f1_b = (tally.total.value(f1, pooled=True)[0] for tally in (a, b))
    p_corrected = None if found.p is None else dict(zip(occurs, stats.corrected(found.p[occurs]), strict=True))
    rows = [
        {
            "phoneme": phonemes[i],
            "f1_a": f1_a[i],
            "f1_b": f1_b[i],
            "difference": found.difference[i],
            "low": None if found.low is None else found.low[i],
            "high": None if found.high is None else found.high[i],
            "p": None if found.p is None else found.p[i],
            "p_corrected": None if p_corrected is None else p_corrected[i],
            "survives": p_corrected is not None and bool(p_corrected[i] <= 1 - level),
        }
        for i in occurs
    ]
    return sorted(rows, key=lambda row: (not row["survives"], -abs(row["difference"])))


def _spread(per_seed: list[float]) -> dict[str, Any]:
    """Mean and standard deviation (n - 1) over seeds; one seed has none."""
    std = float(np.std(per_seed, ddof=1)) if len(per_seed) > 1 else None
    return {"mean": float(np.mean(per_seed)), "std": std, "per_seed": per_seed}


def _plain(value: Any) -> Any:
    """As JSON has it: no tuples, no numpy, and null for what is not a finite number."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
