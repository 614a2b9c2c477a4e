"""Variances that the studies reported here have measured, for what a planned study can show."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from harness.statistics.planning import TypicalSpread


def measured_spread(reports: Path, digest: str) -> tuple[TypicalSpread, list[str]]:
    """The spread of the studies in `reports` on the corpus of that digest, and their names; typical where none knows.

    Each is the median over their pairs of arms. Reports that cannot be read, of sweeps, of folds or without speakers
    are passed over.
    """
    found: dict[str, list[float]] = {}
    names = []
    for path in sorted(reports.glob("*/comparison.json")):
        try:
            comparison = json.loads(path.read_text(encoding="utf-8"))
            pairs = _pairs(comparison, digest)
            measured = [_variances(pair) for pair in pairs]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        for variances in measured:
            for name, variance in variances.items():
                found.setdefault(name, []).append(variance)
        if measured:
            names.append(str(comparison["study"]))
    return replace(TypicalSpread(), **{name: median(values) ** 0.5 for name, values in found.items()}), names


def _pairs(comparison: Mapping[str, Any], digest: str) -> list[Mapping[str, Any]]:
    of_this = comparison["corpus"]["digest"] == digest and comparison["unit"] == "speaker"
    if not of_this or comparison.get("sweep") or comparison.get("folds"):
        return []
    return [pair for pair in comparison["pairs"] if pair["metric"] == "accuracy"]


def _variances(pair: Mapping[str, Any]) -> dict[str, float]:
    """Of one speaker, and of one search or seed, from the standard errors of a difference."""
    found = {"of_speaker": float(pair["clustered_se"]) ** 2 * float(pair.get("effective_units") or pair["units"])}
    draws, searches = pair.get("draws_se"), pair.get("searches") or [1, 1]
    n_searches, n_seeds = min(searches), min(pair["seeds"])
    if draws is None:
        return found
    if n_searches > 1 and pair.get("are_paired"):
        found["of_paired_search"] = float(draws) ** 2 * n_searches
    elif n_searches > 1:
        found["of_search"] = float(draws) ** 2 * n_searches / 2
    elif n_seeds > 1:
        found["of_seed"] = float(draws) ** 2 * n_seeds / 2
    return found
