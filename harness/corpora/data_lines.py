"""The `[data]` lines of an experiment file for a corpus: which of its splits suit train, validation and test."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

_TRAIN, _VALIDATION, _TEST = ("train",), ("validation", "valid", "val", "dev"), ("test",)


def data_lines(corpus: Path, labelled: Sequence[str], unlabelled: Sequence[str] = ()) -> list[str]:
    """Lines to copy; splits are told apart by how their names begin, `-clean` before `-other`.

    Args:
        labelled: the splits with labels; only these can be compared on.
        unlabelled: the other ones.
    """
    train, validation, test = (_choose(names, labelled) for names in (_TRAIN, _VALIDATION, _TEST))
    spelled = None if validation is None else json.dumps(validation)
    notes = {}
    if test is None and validation is not None:
        test, spelled = validation, "{ speakers = 0.1 }"
        notes["test"] = f"{', '.join(unlabelled)} without labels" if unlabelled else "no other split"
    if spelled is None or spelled.startswith("{"):
        spelled = "{ speakers = 0.1 }"
        notes["validation"] = "a tenth of the speakers of train"
    values = {
        "corpus": json.dumps(str(corpus), ensure_ascii=False),
        "train": json.dumps(train or "NAME"),
        "validation": spelled,
        "test": json.dumps(test or "NAME"),
    }
    missing = [key for key, name in (("train", train), ("test", test)) if name is None]
    notes |= {key: f"one of: {', '.join(labelled) or 'no split has labels'}" for key in missing}
    width = max(map(len, values.values()))
    lines = [
        f"{key:<10} = {value:<{width}}   # {notes[key]}" if key in notes else f"{key:<10} = {value}"
        for key, value in values.items()
    ]
    return ["[data]", *lines]


def _choose(beginnings: Sequence[str], splits: Iterable[str]) -> str | None:
    """The split whose name is, or begins with, one of these; a clean one first, then the first by name."""
    found = [name for name in splits if name.lower().startswith(tuple(beginnings))]
    return min(found, key=lambda name: (name not in beginnings, "clean" not in name, name), default=None)
