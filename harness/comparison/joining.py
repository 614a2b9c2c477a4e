"""Several studies as one record, so that arms of all of them are compared like arms of one: only if all were scored
on the same test data, frame for frame.

Two accuracies on different test data, side by side, are no comparison: what differs may be the data, and no interval
says by how much. They are refused, with what differs. Whatever else differs between the studies, such as the budget of
their searches, is a caveat: a difference of scores may come from it.
"""

import contextlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.comparison.json_form import Json
from harness.display.wording import ABSENT, count, value
from harness.errors import UserError
from harness.results import ArmRecord, Scores, StudyRecord

_PARTS = ("training data", "validation data", "test frames (labels alike)")
_NOT_COMPARED = ("architecture", "params.", "data.memory", "training.precision")
"""What arms are compared for, and what changes no result or is said more exactly by what the machine reports."""
_RANGES = ("int", "float", "log", "choice")


@dataclass(frozen=True)
class Caveat:
    """Something that is not the same for all studies."""

    what: str
    """A setting, or in words."""
    values: Mapping[str, str]
    """Study -> what it has, in words."""


def caveats(records: Sequence[StudyRecord]) -> list[Caveat]:
    """What differs between records, the data first."""
    rows = [*_data(records), *_settings(records), *_effort(records), *_circumstances(records)]
    return [row for row in rows if len(set(row.values.values())) > 1]


def sentence(caveat: Caveat) -> str:
    """training.epochs differs: 5 in ladnn, 8 in rivals."""
    each = [f"{text} in {study}" for study, text in caveat.values.items()]
    return f"{caveat.what} differs: {', '.join(each)}."


def _row(what: str, records: Sequence[StudyRecord], tell: Callable[[StudyRecord], str]) -> Caveat:
    return Caveat(what, {record.study: tell(record) for record in records})


def _data(records: Sequence[StudyRecord]) -> list[Caveat]:
    digests = [str(record.corpus.get("digest", ABSENT)).split("-") for record in records]
    if any(len(parts) != len(_PARTS) for parts in digests):
        return [_row("corpus", records, lambda record: str(record.corpus.get("digest", ABSENT)))]
    of_study = dict(zip([record.study for record in records], digests, strict=True))
    return [
        _row(part, records, lambda record, i=i: f"digest {of_study[record.study][i]}")  # type: ignore[misc]
        for i, part in enumerate(_PARTS)
    ]


def _settings(records: Sequence[StudyRecord]) -> list[Caveat]:
    ranges = {record.study: _ranges(record.experiment) for record in records}
    names = dict.fromkeys(name for record in records for arm in record.arms for name in _settings_of(arm))
    same_data = len({record.corpus.get("digest") for record in records}) == 1
    left_out = (*_NOT_COMPARED, *(("data.corpus", "data.synthetic") if same_data else ()))

    def tell(record: StudyRecord, name: str) -> str:
        if any(name in arm.chosen for arm in record.arms):
            return f"searched {ranges[record.study].get(name, '')}".rstrip()
        return " or ".join(dict.fromkeys(value(_settings_of(arm).get(name, "not recorded")) for arm in record.arms))

    return [
        _row(name, records, lambda record, name=name: tell(record, name))  # type: ignore[misc]
        for name in names
        if not name.startswith(left_out)
    ]


def _effort(records: Sequence[StudyRecord]) -> list[Caveat]:
    def several(tell: Callable[[ArmRecord], str]) -> Callable[[StudyRecord], str]:
        return lambda record: " or ".join(dict.fromkeys(tell(arm) for arm in record.arms))

    return [
        _row("tuning, trials of an arm", records, several(lambda arm: count(len(arm.trials)))),
        _row("tuning, most frames of a trial", records, several(_longest_trial)),
        _row("seeds of an arm", records, several(lambda arm: count(len(arm.finals)))),
    ]


def _longest_trial(arm: ArmRecord) -> str:
    return count(max((trial.frames for trial in arm.trials), default=0))


def _circumstances(records: Sequence[StudyRecord]) -> list[Caveat]:
    def provenance(key: str) -> Callable[[StudyRecord], str]:
        def tell(record: StudyRecord) -> str:
            each = dict.fromkeys(str(final.provenance.get(key)) for arm in record.arms for final in arm.finals)
            return " or ".join(each).replace("None", "not recorded")

        return tell

    return [
        _row("device", records, provenance("device")),
        _row("arithmetic", records, provenance("precision")),
        _row("torch", records, provenance("torch")),
        _row("commit", records, provenance("commit")),
    ]


def _settings_of(arm: ArmRecord) -> Mapping[str, Json]:
    return arm.finals[0].settings if arm.finals else {}


def _ranges(text: str) -> dict[str, str]:
    """Setting -> its range as an experiment file with its `--set` lines has it: {"data.context": "int [3, 15]"}."""
    ranges: dict[str, str] = {}
    with contextlib.suppress(tomllib.TOMLDecodeError):
        ranges = _flat(tomllib.loads(text))
    for line in text.splitlines():
        name, is_set, setting = line.removeprefix("# --set ").partition("=")
        if line.startswith("# --set ") and is_set:
            ranges.pop(name.strip(), None)
            with contextlib.suppress(tomllib.TOMLDecodeError):
                ranges |= _flat({name.strip(): tomllib.loads(f"setting = {setting}")["setting"]})
    return ranges


def _flat(tree: Mapping[str, Json], prefix: str = "") -> dict[str, str]:
    rows: dict[str, str] = {}
    for key, setting in tree.items():
        if not isinstance(setting, dict):
            continue
        if len(setting) == 1 and next(iter(setting)) in _RANGES:
            kind, ends = next(iter(setting.items()))
            rows[prefix + key] = f"{kind} {value(ends)}"
        else:
            rows |= _flat(setting, f"{prefix}{key}.")
    return rows


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
        why = "not scored on the same test data, so that a difference could come from the data:"
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
        looks=replace(max((r.looks for r in records), key=lambda looks: looks.number), pairs=0),
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
    head = "A difference may come from the arms, or from one of the following, which also differ:"
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
