"""The usual ways, to be measured against.

To train a frame classifier: single windows from a Dataset, fp32, `.item()` in every step. To read a corpus: an npy file
at a time; beside it stand the seconds of the first reading here, and of the second, from the store.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.corpora import layout
from harness.frames.windows import ResidentFrames
from harness.phones import PHONEMES

_FRAMES = 600  # of an utterance, on average


class Windows(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """One long concatenation on the host, a window cut out for every item."""

    def __init__(self, frames: np.ndarray, labels: np.ndarray, left: int, window: int) -> None:
        self.frames = torch.from_numpy(np.pad(frames, ((left, window - 1 - left), (0, 0))))
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.window = window

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.frames[index : index + self.window], self.labels[index]


def usual_frames_per_second(model: nn.Module, data: ResidentFrames, batch_size: int, seconds: float) -> float:
    """Training frames per second, over as many steps as fit into `seconds`, after one for warm-up; at least one."""
    device = data.frames.device
    assert data.part.labels is not None
    windows = Windows(data.part.frames, data.part.labels, data.left, data.window)
    loader = torch.utils.data.DataLoader(windows, batch_size=batch_size, shuffle=True, drop_last=True)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    model.float().train()
    began, n_steps, total = time.perf_counter(), -1, 0.0
    while True:
        for batch, labels in loader:
            optimiser.zero_grad()
            loss = criterion(model(batch.to(device)), labels.to(device))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            total += loss.item()
            n_steps += 1
            if n_steps == 0:
                began = time.perf_counter()
            elif n_steps >= 1 and time.perf_counter() - began > seconds:
                return n_steps * batch_size / (time.perf_counter() - began)


def reading(n_utterances: int) -> dict[str, Any]:
    """Seconds to read a made corpus of `n_utterances` in each way; peak memory in bytes above what was held before."""
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as name:
        root = Path(name)
        n_frames = _write(root, n_utterances)
        usual = _seconds(lambda: _usual(root))
        first = _seconds(lambda: layout.load(root, "train", root / "stores"))
        store = _seconds(lambda: layout.load(root, "train", root / "stores"))
    return {
        "utterances": n_utterances,
        "frames": n_frames,
        "usual_seconds": usual,
        "first_seconds": first,
        "store_seconds": store,
        "ratio_to_usual": usual / first,
    }


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
