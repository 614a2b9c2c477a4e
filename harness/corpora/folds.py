"""Folds of a corpus for cross-validation: every speaker is tested once, by models that have heard none of their speech.

All splits that the file names are pooled, and whole speakers are dealt to folds of nearly equal length. Each fold is a
corpus of its own: its speakers are the test part, validation and train are made of the others'. The folds are the same
for every arm, and on every machine.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.corpora import store
from harness.corpora.store import Part, Utterance
from harness.errors import UserError

LEAST = 3
"""Folds: one for test, one for validation, one to train on."""
_NAMED = 5  # utterances of one name that a refusal lists


def pooled(parts: Sequence[Part], stores: Path) -> Part:
    """All utterances of several splits as one part, through a store of their own that is made on first use.

    Args:
        parts: labelled, of the same features and classes.
        stores: the folder of all stores.

    Raises:
        UserError: two splits have an utterance of the same name.
    """
    if len(parts) == 1:
        return parts[0]
    names, n_each = np.unique(np.concatenate([part.utterances for part in parts]), return_counts=True)
    if (n_each > 1).any():
        double = [str(name) for name in names[n_each > 1]]
        more = f" and {len(double) - _NAMED} more" if len(double) > _NAMED else ""
        raise UserError(
            f"data.folds: the splits {' and '.join(part.split for part in parts)} have utterances of the same name "
            f"({', '.join(double[:_NAMED])}{more}), and are pooled; rename these files, or remove one of each pair"
        )
    key = hashlib.blake2b("\n".join(["pooled", *(part.digest for part in parts)]).encode(), digest_size=16).hexdigest()
    if not (stores / key / "store.json").exists():
        split = "+".join(part.split for part in parts)
        store.write(stores / key, split, parts[0].phonemes, (u for part in parts for u in _utterances(part)))
    return replace(store.read(stores / key), features=parts[0].features)


def _utterances(part: Part) -> Iterator[Utterance]:
    assert part.labels is not None
    for name, speaker, start, length in zip(part.utterances, part.speakers, part.starts, part.lengths, strict=True):
        rows = slice(int(start), int(start + length))
        yield Utterance(str(name), str(speaker), np.asarray(part.frames[rows]), np.asarray(part.labels[rows]))


def deal(speakers: np.ndarray, lengths: np.ndarray, n_folds: int) -> np.ndarray:
    """The fold of each utterance, (U,) int from 0: whole speakers, of nearly equal number and frames in all folds.

    In each round every fold gets a speaker, of those that are left the one with most frames to the shortest fold.

    Args:
        speakers: (U,) of the utterances.
        lengths: (U,) their frames.
        n_folds: from 3 to the number of speakers.

    Raises:
        UserError: there are fewer speakers than folds.

    Example:
        >>> deal(np.array(["ann", "ben", "ann", "cleo", "dan"]), np.array([30, 50, 40, 20, 10]), 3).tolist()
        [0, 1, 0, 2, 2]
    """
    names, codes = np.unique(speakers, return_inverse=True)
    if len(names) < n_folds:
        raise UserError(
            f"data.folds: {n_folds} folds of whole speakers need as many speakers, and there are {len(names)}; "
            f"{LEAST} to {len(names)} folds are possible"
            if len(names) >= LEAST
            else f"data.folds: there are {len(names)} speakers, and folds of whole speakers need at least {LEAST}"
        )
    frames = np.bincount(codes, weights=lengths)
    fold_of, total = np.zeros(len(names), int), np.zeros(n_folds)
    by_length = np.argsort(-frames, kind="stable")  # equal ones in the order of their names
    for first in range(0, len(names), n_folds):
        speakers_of_round = by_length[first : first + n_folds]
        shortest = np.argsort(total, kind="stable")[: len(speakers_of_round)]
        fold_of[speakers_of_round] = shortest
        total[shortest] += frames[speakers_of_round]
    own: np.ndarray = fold_of[codes]
    return own


def parts_of_fold(whole: Part, folds: np.ndarray, fold: int, fraction: float | None) -> tuple[Part, Part, Part]:
    """Train, validation and test of a fold.

    Args:
        whole: the pooled utterances.
        folds: (U,) as `deal` gives them.
        fold: from 0.
        fraction: of the speakers outside the fold, for validation; None takes the next fold's.
    """
    n_folds = int(folds.max()) + 1
    if fraction is None:
        is_validation = folds == (fold + 1) % n_folds
    else:
        others = np.unique(whole.speakers[folds != fold])
        n_validation = min(max(1, round(fraction * len(others))), len(others) - 1)
        is_validation = np.isin(whole.speakers, np.random.default_rng(0).permutation(others)[:n_validation])
    test = whole.select(folds == fold)
    train = whole.select((folds != fold) & ~is_validation)
    return (
        replace(train, split="train"),
        replace(whole.select(is_validation), split="validation"),
        replace(test, split="test"),
    )
