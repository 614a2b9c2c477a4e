"""Phone error rate: frames collapsed to segments, and what it takes to turn the predicted ones into the true ones.

A predicted segment lasts at least three frames, as a phone does in a left-to-right hidden Markov model of three
states (Rabiner 1989, Proc. IEEE 77): shorter ones are dropped, and equal neighbours become one. There is no language
model. Two equal phonemes in a row are one segment: labels per frame cannot tell them apart. Silence is a segment like
any other.

Legend: F frames, U utterances. The only importer of rapidfuzz.
"""

import itertools
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from rapidfuzz.distance import Levenshtein

LEAST = 3
"""Frames of a predicted segment."""


@dataclass(frozen=True)
class Edits:
    """Of each utterance, (U,) int64. Their sum is the Levenshtein distance; of several shortest ways it is one."""

    substitutions: np.ndarray
    deletions: np.ndarray
    """True segments that were missed."""
    insertions: np.ndarray
    """Predicted segments that are not there."""
    true: np.ndarray
    """Segments of the truth."""

    @property
    def total(self) -> np.ndarray:
        return self.substitutions + self.deletions + self.insertions


def edits(truth: np.ndarray, predicted: np.ndarray, lengths: np.ndarray) -> Edits:
    """Compare the segments of every utterance.

    Args:
        truth, predicted: (F,) uint8 classes, utterances one after the other.
        lengths: (U,) frames of each utterance.
    """
    rows = []
    for true, found in zip(_segments(truth, lengths), _segments(predicted, lengths, LEAST), strict=True):
        kinds = list(map(itemgetter(0), Levenshtein.editops(true, found).as_list()))
        rows.append((kinds.count("replace"), kinds.count("delete"), kinds.count("insert"), len(true)))
    return Edits(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def _segments(labels: np.ndarray, lengths: np.ndarray, least: int = 1) -> list[str]:
    """The segments of each utterance, a letter each; those shorter than `least` frames left out."""
    utterance = np.repeat(np.arange(len(lengths)), lengths)
    begins = np.flatnonzero(_changes(labels) | _changes(utterance))
    long = begins[np.diff(begins, append=len(labels)) >= least]
    kept = long[_changes(labels[long]) | _changes(utterance[long])]  # equal ones beside a short one are one
    letters = labels[kept].astype(np.uint8).tobytes().decode("latin-1")
    where = np.searchsorted(utterance[kept], np.arange(len(lengths) + 1))
    return [letters[begin:end] for begin, end in itertools.pairwise(where)]


def _changes(values: np.ndarray) -> np.ndarray:
    """Whether a value is the first or differs from the one before."""
    changes = np.ones(len(values), bool)
    changes[1:] = values[1:] != values[:-1]
    return changes
