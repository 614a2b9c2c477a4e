"""Time and frequency masking: what is hidden, how often, and that it is drawn from the generator alone."""

import pytest
import torch

from harness.frames.windows import mask

N, W, D = 40_000, 9, 6


def hidden(time, frequency, seed=0):
    """(N, W, D) bool: what a mask hides of windows without zeros."""
    return mask(torch.ones(N, W, D), time, frequency, torch.Generator().manual_seed(seed)) == 0


def block(row):
    """Begin and width of the one block of trues in a row; (None, 0) without."""
    places = row.nonzero().flatten().tolist()
    assert places == list(range(places[0], places[-1] + 1)) if places else True
    return (places[0], len(places)) if places else (None, 0)


@pytest.mark.parametrize(("time", "widest"), [(4, 4), (9, 9), (1, 1)])
def test_a_block_is_as_wide_as_drawn_and_lies_anywhere_within_the_window(time, widest):
    rows = hidden(time, 0)[:, :, 0]
    blocks = [block(row) for row in rows[:4000]]
    assert {width for _, width in blocks} == set(range(widest + 1))
    assert {(begin, width) for begin, width in blocks if width} == {
        (begin, width) for width in range(1, widest + 1) for begin in range(W - width + 1)
    }
    widths = rows.sum(1).bincount(minlength=widest + 1) / N
    torch.testing.assert_close(widths, torch.full((widest + 1,), 1 / (widest + 1)), atol=0.01, rtol=0)
    of_width_1 = rows[rows.sum(1) == 1].float().mean(0)
    torch.testing.assert_close(of_width_1, torch.full((W,), 1 / W), atol=0.02, rtol=0)


def test_whole_frames_are_hidden_by_time_and_whole_coefficients_by_frequency():
    by_time, by_frequency = hidden(4, 0), hidden(0, 3)
    assert (by_time == by_time[:, :, :1]).all()
    assert (by_frequency == by_frequency[:, :1]).all()
    assert by_frequency[:, 0].sum(1).max() == 3
    both = hidden(4, 3)
    frames, coefficients = both.all(dim=2), both.all(dim=1)
    assert (both == (frames[:, :, None] | coefficients[:, None])).all()
    assert abs(float((frames.any(1) & coefficients.any(1)).float().mean()) - 4 / 5 * 3 / 4) < 0.01


def test_windows_differ_from_each_other_and_are_otherwise_as_they_were():
    windows = torch.randn(50, W, D)
    before = windows.clone()
    masked = mask(windows, 4, 3, torch.Generator().manual_seed(1))
    assert torch.equal(windows, before)
    assert ((masked == windows) | (masked == 0)).all()
    assert len({tuple(row.flatten().tolist()) for row in masked == 0}) > 10


def test_the_generator_alone_decides():
    assert torch.equal(hidden(4, 3, seed=5), hidden(4, 3, seed=5))
    assert not torch.equal(hidden(4, 3, seed=5), hidden(4, 3, seed=6))
    torch.manual_seed(3)
    once = mask(torch.ones(9, W, D), 4, 3)
    torch.manual_seed(3)
    assert torch.equal(mask(torch.ones(9, W, D), 4, 3), once)


def test_no_masks_leave_the_windows_and_the_generator_alone():
    windows, state = torch.randn(3, W, D), torch.get_rng_state()
    assert mask(windows, 0, 0) is windows
    assert torch.equal(torch.get_rng_state(), state)


def test_the_precision_of_the_windows_is_kept():
    assert mask(torch.ones(5, W, D, dtype=torch.bfloat16), 2, 2).dtype == torch.bfloat16


def test_a_block_wider_than_the_window_is_refused():
    with pytest.raises(ValueError, match="10 frames and 0 coefficients in windows of 9 and 6"):
        mask(torch.ones(5, W, D), 10, 0)
