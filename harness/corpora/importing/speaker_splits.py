"""Splits by speaker: who trains, who validates, who tests, each speaker with all their utterances."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.corpora import text
from harness.errors import UserError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Fractions:
    """Fractions of the speakers, and the seed of the draw."""

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0


def draw(speakers: Iterable[str], fractions: Fractions) -> dict[str, str]:
    """Speaker -> split, at random by the seed: at least one speaker to each split whose fraction is above 0.

    Raises:
        UserError: there are too few speakers.
    """
    names = sorted(set(speakers))
    share_of = {"validation": fractions.validation, "test": fractions.test}
    counts = {split: max(1, round(share * len(names))) if share else 0 for split, share in share_of.items()}
    if sum(counts.values()) >= len(names):
        least = 1 + len([share for share in share_of.values() if share])
        shares = f"{fractions.validation:g} for validation and {fractions.test:g} for test"
        raise UserError(
            f"{len(names)} speakers ({', '.join(names[:5])}), {shares}: none is left to train. At least {least} "
            "speakers and fractions of less than 1 in all are allowed; one speaker's utterances are never split, for a "
            "score on them would not tell of new speakers"
        )
    order = np.random.default_rng(fractions.seed).permutation(names).tolist()
    names_left = iter(order)
    split_of = {next(names_left): split for split, n in counts.items() for _ in range(n)}
    return {name: split_of.get(name, "train") for name in names}


def read(path: Path, speakers: Iterable[str]) -> dict[str, str]:
    """Speaker -> split from a CSV file `speaker,split`, in which each of `speakers` has a line.

    Raises:
        UserError: lines that are something else, and speakers without a line.
    """
    try:
        rows = text.rows(path)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    if not rows or rows[0] != ["speaker", "split"]:
        raise UserError(f"{path}:1: the first line has to be 'speaker,split'")
    wrong = [f"{path}:{n}: {','.join(row)!r} is not 'speaker,split'" for n, row in enumerate(rows[1:], 2)
             if len(row) != 2 or not all(row)]  # fmt: skip
    wrong += [f"{path}:{n}: split {row[1]!r}; a split is a folder's name: letters, digits, '-', '_' and '.', none first"
              for n, row in enumerate(rows[1:], 2) if len(row) == 2 and all(row) and not is_split(row[1])]  # fmt: skip
    split_of = {row[0]: row[1] for row in rows[1:] if len(row) == 2}
    wrong += [f"{path}: no line for speaker {name}" for name in sorted(set(speakers) - split_of.keys())]
    if wrong:
        raise UserError("\n".join(wrong))
    return split_of


def is_split(name: str) -> bool:
    """Whether a name can be a split's: that of one folder, and of none that is hidden or above."""
    return re.fullmatch(r"[\w-][\w.-]{0,99}", name) is not None


def assign(speakers: Iterable[str], fractions: Fractions, file: Path | None) -> tuple[Mapping[str, str], str]:
    """Speaker -> split from the file if there is one, else at random; and how, in words.

    Raises:
        UserError: as `read` and `draw`.
    """
    names = sorted(set(speakers))
    if file:
        return read(file, names), f"split by speaker as {file.name} says"
    shares = f"{fractions.validation:g} validation, {fractions.test:g} test, seed {fractions.seed}"
    return draw(names, fractions), f"split by speaker at random: {shares}"
