"""How far a frame lies from where one phoneme becomes another: there the truth itself is least sure.

Legend: F frames, U utterances.
"""

import numpy as np

GROUPS = (("0", 0, 0), ("1", 1, 1), ("2", 2, 2), ("3-5", 3, 5), (">5", 6, None))
"""Name, and the distances in it, both ends included; None is without end."""
NEAR = 1
"""Frames at a distance up to this are at a boundary: with frames of 10 ms, those within 20 ms of it."""


def distances(truth: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(F,) how many frames lie between a frame and the nearest change of label in its utterance.

    The two frames that touch a change have 0. The ends of an utterance are no change; where an utterance has none, all
    its frames have F.

    Args:
        truth: (F,) labels, utterances one after the other.
        lengths: (U,) frames of each utterance.
    """
    n = len(truth)
    frame = np.arange(n)
    ends = np.cumsum(lengths)
    starts, ends = np.repeat(ends - lengths, lengths), np.repeat(ends, lengths)
    is_change = np.zeros(n + 1, bool)  # between frame i - 1 and frame i
    is_change[1:n] = truth[1:] != truth[:-1]
    is_change[starts] = False
    last = np.maximum.accumulate(np.where(is_change[:n], frame, -1))
    following = np.minimum.accumulate(np.where(is_change[1:], frame + 1, n + 1)[::-1])[::-1]
    before = np.where(last > starts, frame - last, n)
    after = np.where(following < ends, following - 1 - frame, n)
    return np.minimum(before, after)


def members(distance: np.ndarray) -> dict[str, np.ndarray]:
    """(F,) whether each frame belongs to it, for each of `GROUPS`."""
    return {
        name: (distance >= low) & (distance <= (len(distance) if high is None else high)) for name, low, high in GROUPS
    }
