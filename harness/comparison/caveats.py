"""What else differs between arms of several studies, or between several runs: a difference of scores may come from it.

Reads records only; whoever compares them has made sure that all were scored on the same test data.
"""

import contextlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.comparison.json_form import Json
from harness.display.wording import ABSENT, count, value
from harness.results import ArmRecord, StudyRecord

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
