"""Time and frequency masking of training windows, on the device.

D. S. Park et al.: SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition. Interspeech 2019,
section 2: one block of neighbouring frames and one of neighbouring coefficients are hidden, here in each window by
itself. What is hidden becomes 0, the mean of normalised frames.

Legend: B batch, W window, D features.
"""

import torch
from torch import Tensor


def mask(windows: Tensor, time: int, frequency: int, generator: torch.Generator | None = None) -> Tensor:
    """(B, W, D) windows -> the same with a block of frames and a block of coefficients of each at 0.

    A block's width is uniform on 0 to `time` frames (`frequency` coefficients), and then its place on all where it lies
    within the window. The centre frame is hidden as often as its neighbours. Nothing waits for the device.

    Args:
        time: at most W; 0 hides no frames.
        frequency: at most D; 0 hides no coefficients.
        generator: on the windows' device; torch's global one unless given.

    Raises:
        ValueError: a block may be wider than the window.
    """
    n_windows, window, d_features = windows.shape
    if time > window or frequency > d_features:
        raise ValueError(
            f"a mask of {time} frames and {frequency} coefficients in windows of {window} and {d_features}"
        )
    if time:
        windows = windows.masked_fill(_blocks(n_windows, window, time, windows.device, generator)[:, :, None], 0)
    if frequency:
        windows = windows.masked_fill(_blocks(n_windows, d_features, frequency, windows.device, generator)[:, None], 0)
    return windows


def _blocks(n: int, length: int, widest: int, device: torch.device, generator: torch.Generator | None) -> Tensor:
    """(n, length) bool: true on one block of a row."""
    drawn = torch.rand(2, n, 1, device=device, generator=generator)
    width = (drawn[0] * (widest + 1)).floor()
    start = (drawn[1] * (length - width + 1)).floor()
    position = torch.arange(length, device=device)
    return (start <= position) & (position < start + width)
