"""Several studies as one record, so that arms of all of them are compared like arms of one: only if all were scored
on the same test data, frame for frame.

Two accuracies on different test data, side by side, are no comparison: what differs may be the data, and no interval
says by how much. They are refused, with what differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.comparison.caveats import caveats, sentence
from harness.comparison.json_form import Json
from harness.errors import UserError
from harness.results import ArmRecord, Scores, StudyRecord

_N_NAMED = 3


def joined(records: Sequence[StudyRecord], question: str = "", baseline: str | None = None) -> StudyRecord:
    """The arms of all records in one. An arm keeps its name unless another has it too: then it is STUDY/ARM.

    What a comparison needs beside arms (baseline, unit, level, margin) is taken from the first record.

    Args:
        question: what is asked; those of the studies unless given.
        baseline: the arm that others are compared with; the first record's unless given.

    Raises:
        UserError: an arm has no final, they were not scored on the same test data, or not all swept the same; says
            what differs.
    """
    _check_sweeps(records)
    for record in records:
        if not any(arm.finals for arm in record.arms):
            raise UserError(f"{record.study!r} has no finished final run: nothing to compare")
    mistakes = [line for record in records[1:] for line in _differing_tests(records[0], record)]
    if mistakes:
        why = "not scored on the same test data, from which a difference of their numbers could come as well:"
        raise UserError("\n".join([f"{' and '.join(r.study for r in records)}: {why}", *mistakes]))
    names = [name for record in records for name in _names(record)]
    first, random = records[0], [record.random_trials for record in records]
    numbers = [number for number in random if number is not None]
    return replace(
        first,
        study=" + ".join(record.study for record in records),
        studies=tuple(record.study for record in records),
        question=question or " / ".join(dict.fromkeys(record.question for record in records)),
        baseline=baseline or (first.baseline and _name(first, first.baseline, names)),
        arms=[_renamed(arm, _name(record, arm.arm, names)) for record in records for arm in record.arms],
        claims=[_restated(claim, record, names) for record in records for claim in record.claims],
        # the first trials of a search are random: of fewer of them the same can be said
        random_trials=min(numbers) if len(numbers) == len(records) else None,
        notes=_notes(records, names),
        experiment="\n".join(f"# {record.study}\n{record.experiment}" for record in records),
        provenance=_provenance(records),
        sweep=_sweep(records, names),
    )


def _check_sweeps(records: Sequence[StudyRecord]) -> None:
    """Arms are compared at the same value, so that sweeps go together if their values do."""
    swept = [(record.sweep["key"], list(record.sweep["values"])) if record.sweep else None for record in records]
    if all(one == swept[0] for one in swept):
        return
    each = [
        f"  {record.study}: {one[0]} = {one[1]}" if one else f"  {record.study}: no sweep"
        for record, one in zip(records, swept, strict=True)
    ]
    raise UserError(
        "\n".join(
            [
                f"{' and '.join(r.study for r in records)}: the arms of a sweep are compared at each value, and these "
                "studies do not have the same ones:",
                *each,
                "Compare single cells by their final runs instead: harness report --run ID --run ID",
            ]
        )
    )


def _sweep(records: Sequence[StudyRecord], names: Sequence[str]) -> dict[str, Any] | None:
    """The cells of all, under their new names."""
    if records[0].sweep is None:
        return None
    cells = {}
    for record in records:
        assert record.sweep
        for arm, cell in record.sweep["cells"].items():
            cells[_name(record, arm, names)] = {**cell, "base": _name(record, cell["base"], names)}
    return {**records[0].sweep, "cells": cells}


def _names(record: StudyRecord) -> list[str]:
    """Its arms, and in a sweep what they are the cells of."""
    bases = [cell["base"] for cell in record.sweep["cells"].values()] if record.sweep else []
    return [*(arm.arm for arm in record.arms), *dict.fromkeys(bases)]


def _name(record: StudyRecord, arm: str, names: Sequence[str]) -> str:
    return f"{record.study}/{arm}" if names.count(arm) > 1 else arm


def _renamed(arm: ArmRecord, name: str) -> ArmRecord:
    return replace(arm, arm=name, finals=tuple(replace(final, arm=name) for final in arm.finals))


def _restated(claim: Mapping[str, Json], record: StudyRecord, names: Sequence[str]) -> dict[str, Json]:
    """A claim of a study, about its arms under their new names."""
    renamed: dict[str, Json] = {}
    for key in {"a", "b", "reaches", "stays_below"} & claim.keys():
        arms = claim[key]
        renamed[key] = (
            [_name(record, str(arm), names) for arm in arms]
            if isinstance(arms, list)
            else (_name(record, str(arms), names))
        )
    return {**claim, **renamed}


def _notes(records: Sequence[StudyRecord], names: Sequence[str]) -> tuple[str, ...]:
    everywhere = [note for note in records[0].notes if all(note in record.notes for record in records)]
    own = [f"{r.study}: {note}" for r in records for note in r.notes if note not in everywhere]
    chosen = [
        f"The {name} of the comparison is that of {records[0].study}: {getattr(records[0], name)}."
        for name in ("unit", "level", "margin")
        if len({getattr(record, name) for record in records}) > 1
    ]
    rows = caveats(records)
    whose = "; ".join(
        f"of {record.study} {', '.join(_name(record, arm.arm, names) for arm in record.arms)}" for record in records
    )
    if any(len(record.arms) > 1 for record in records):
        own = [f"Arms {whose}.", *own]
    if not rows:
        return (*chosen, *everywhere, *own)
    head = "A difference may come from the arms or from what follows, which was not the same for all:"
    return (head, *map(sentence, rows), *chosen, *everywhere, *own)


def _provenance(records: Sequence[StudyRecord]) -> dict[str, Json]:
    """What all share once, the rest for each; seconds together."""
    provenance: dict[str, Json] = {}
    for key in dict.fromkeys(key for record in records for key in record.provenance):
        values = [record.provenance.get(key) for record in records]
        if key == "seconds":
            provenance[key] = sum(v for v in values if v is not None)
        elif all(v == values[0] for v in values):
            provenance[key] = values[0]
        else:
            provenance[key] = "; ".join(f"{record.study}: {v}" for record, v in zip(records, values, strict=True))
    return provenance


def _test(record: StudyRecord) -> tuple[Scores, tuple[str, ...]]:
    final = next(final for arm in record.arms for final in arm.finals)
    if final.test is None:
        raise UserError(f"{record.study}: arm {final.arm!r}, seed {final.seed} has no test scores")
    return final.test, final.phonemes


def _differing_tests(a: StudyRecord, b: StudyRecord) -> list[str]:
    """What is not the same of the test data of two records, a line each."""
    (first, phonemes), (second, others) = _test(a), _test(b)
    lines = []
    if phonemes != others:
        lines.append(_sets("phonemes", a.study, b.study, phonemes, others))
    if first.utterances != second.utterances:
        return [*lines, _sets("test utterances", a.study, b.study, first.utterances, second.utterances)]
    if first.speakers != second.speakers:
        lines.append(_sets("speakers of the test utterances", a.study, b.study, first.speakers, second.speakers))
    if phonemes != others:
        return lines
    unequal = (first.counts.sum(axis=2) != second.counts.sum(axis=2)).any(axis=1)
    if unequal.any():
        named = ", ".join(np.array(first.utterances)[unequal][:_N_NAMED])
        lines.append(f"  labels: other ones in {unequal.sum()} of {len(unequal)} test utterances: {named} ...")
    elif first.truth is not None and second.truth is not None and not np.array_equal(first.truth, second.truth):
        lines.append(f"  labels: other ones in {(first.truth != second.truth).sum():,} of {len(first.truth):,} frames")
    return lines


def _sets(what: str, a: str, b: str, first: Sequence[str], second: Sequence[str]) -> str:
    ours, theirs = set(first), set(second)
    if ours == theirs:
        return f"  {what}: the same {len(ours)}, in another order"
    only = [
        f"only in {name}: {', '.join(sorted(some)[:_N_NAMED])}{' ...' if len(some) > _N_NAMED else ''}"
        for name, some in ((a, ours - theirs), (b, theirs - ours))
        if some
    ]
    return f"  {what}: {len(ours)} in {a}, {len(theirs)} in {b}, {len(ours & theirs)} of them in both; " + "; ".join(
        only
    )
