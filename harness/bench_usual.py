"""The usual way to train a frame classifier, to be measured against: single windows from a Dataset, fp32, `.item()`."""

import time

import numpy as np
import torch
from torch import Tensor, nn

from harness.windows import Resident


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


def usual_frames_per_second(model: nn.Module, data: Resident, batch_size: int, seconds: float) -> float:
    """Training frames per second, over as many steps as fit into `seconds`, after one for warm-up; at least one."""
    device = data.frames.device
    assert data.part.labels is not None
    windows = Windows(data.part.frames, data.part.labels, data.left, data.window)
    loader = torch.utils.data.DataLoader(windows, batch_size=batch_size, shuffle=True, drop_last=True)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    model.float().train()
    began, done, total = time.perf_counter(), -1, 0.0
    while True:
        for batch, labels in loader:
            optimiser.zero_grad()
            loss = criterion(model(batch.to(device)), labels.to(device))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            total += loss.item()
            done += 1
            if done == 0:
                began = time.perf_counter()
            elif done >= 1 and time.perf_counter() - began > seconds:
                return done * batch_size / (time.perf_counter() - began)
