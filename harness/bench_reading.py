"""Reading a corpus: from npy files the first time, from the store the second time, and the usual way."""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness.corpora import hw1p2
from harness.corpora.phones import PHONEMES

_FRAMES = 600


def reading(n_utterances: int) -> dict[str, Any]:
    """Seconds to read a made corpus of `n_utterances` in each way; peak memory in bytes above what was held before."""
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as name:
        root = Path(name)
        n_frames = _write(root, n_utterances)
        usual = _seconds(lambda: _usual(root))
        first = _seconds(lambda: hw1p2.load(root, "train", root / "stores"))
        store = _seconds(lambda: hw1p2.load(root, "train", root / "stores"))
    return {
        "utterances": n_utterances,
        "frames": n_frames,
        "usual_seconds": usual,
        "first_seconds": first,
        "store_seconds": store,
        "ratio_to_usual": usual / first,
    }


def peak_bytes() -> int:
    """Most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _write(root: Path, n_utterances: int) -> int:
    rng = np.random.default_rng(0)
    for kind in ("mfcc", "transcript"):
        (root / "train" / kind).mkdir(parents=True)
    lengths = rng.integers(_FRAMES // 2, 3 * _FRAMES // 2, n_utterances)
    for i, length in enumerate(lengths):
        labels = np.repeat(rng.choice(PHONEMES, length // 8 + 1), 8)[:length]
        np.save(root / "train/mfcc" / f"s{i}-0.npy", rng.standard_normal((length, 28), dtype=np.float32))
        np.save(root / "train/transcript" / f"s{i}-0.npy", np.array(["[SOS]", *labels, "[EOS]"]))
    return int(lengths.sum())


def _usual(root: Path) -> tuple[np.ndarray, list[int]]:
    """numpy per file, a Python list of labels."""
    frames, labels = [], []
    for path in sorted((root / "train/mfcc").iterdir()):
        frames.append(np.load(path))
        labels += [PHONEMES.index(label) for label in np.load(root / "train/transcript" / path.name)[1:-1]]
    return np.concatenate(frames), labels


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
