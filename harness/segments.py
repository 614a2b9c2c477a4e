"""Phone error rate: frames collapsed to segments, and what it takes to turn the predicted ones into the true ones.

Frames are taken as they were classified, without smoothing or a language model, so that each frame that flickers is an
insertion. Two equal phonemes in a row are one segment: labels per frame cannot tell them apart. Silence is a segment
like any other.

Legend: F frames, U utterances. The only importer of rapidfuzz.
"""

from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from rapidfuzz.distance import Levenshtein


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
    for true, found in zip(_segments(truth, lengths), _segments(predicted, lengths), strict=True):
        kinds = list(map(itemgetter(0), Levenshtein.editops(true, found).as_list()))
        rows.append((kinds.count("replace"), kinds.count("delete"), kinds.count("insert"), len(true)))
    return Edits(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def _segments(labels: np.ndarray, lengths: np.ndarray) -> list[str]:
    """The segments of each utterance, a letter each."""
    ends = np.cumsum(lengths)
    begins = np.ones(len(labels), bool)
    begins[1:] = labels[1:] != labels[:-1]
    begins[(ends - lengths)[lengths > 0]] = True
    where = np.concatenate([[0], np.cumsum(begins)])
    letters = labels[begins].astype(np.uint8).tobytes().decode("latin-1")
    return [letters[where[end - length] : where[end]] for end, length in zip(ends, lengths, strict=True)]
