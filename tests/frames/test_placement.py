"""Windows against a slow obvious version, normalisation against numpy, the order of batches."""

import numpy as np
import pytest
import torch

from harness.frames.normalisation import Normaliser, statistics
from harness.frames.placement import DeviceData
from harness.settings import Data
from tests.parts import make_part, numbered, order_of

CONTEXTS = [0, 1, 3, (2, 0), (0, 4), (1, 5), 9, 20]


def slow_windows(part, left, right, boundary):
    """Window by window and row by row, as one would explain it."""
    utterances = [part.frames[s : s + n] for s, n in zip(part.starts, part.lengths, strict=True)]
    if boundary == "stream":
        utterances = [np.concatenate(utterances)]
    rows = []
    for utterance in utterances:
        for t in range(len(utterance)):
            window = [
                utterance[i] if 0 <= i < len(utterance) else np.zeros(utterance.shape[1])
                for i in range(t - left, t + right + 1)
            ]
            rows.append(window)
    return np.array(rows, dtype=np.float32)


def residents(part, padding):
    return DeviceData({"train": part}, padding, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("boundary", ["utterance", "stream"])
@pytest.mark.parametrize("context", CONTEXTS, ids=str)
@pytest.mark.parametrize("padding", [0, 5])
def test_windows_are_those_of_the_slow_obvious_version(context, boundary, padding):
    part = make_part()
    data = Data(context=context, boundary=boundary, normalisation="none")
    resident = residents(part, max(data.left, data.right) + padding).get("train", data)
    windows = resident.windows(torch.arange(len(resident)))
    assert windows.shape == (part.n_frames, data.window, 3)
    np.testing.assert_array_equal(windows.numpy(), slow_windows(part, data.left, data.right, boundary))


def test_windows_never_see_a_neighbouring_utterance():
    part = make_part([4, 6, 4])
    part.frames[4:10] = 1e6
    resident = residents(part, 30).get("train", Data(context=30, normalisation="none"))
    outside = torch.cat([torch.arange(4), torch.arange(10, 14)])
    assert resident.windows(outside).abs().max() < 1e5


def test_a_selection_gives_the_windows_of_its_utterances_alone():
    part = make_part()
    chosen = part.select(np.array([0, 2, 4]))
    resident = residents(chosen, 2).get("train", Data(context=2, normalisation="none"))
    np.testing.assert_array_equal(resident.windows(slice(None)).numpy(), slow_windows(chosen, 2, 2, "utterance"))
    np.testing.assert_array_equal(resident.labels.numpy(), part.labels[chosen.rows()])


def test_one_placing_serves_every_narrower_context():
    prepared = residents(make_part(), 9)
    wide = prepared.get("train", Data(context=9))
    narrow = prepared.get("train", Data(context=(1, 2)))
    assert wide.frames.data_ptr() == narrow.frames.data_ptr()
    assert narrow.windows(slice(None)).shape == (22, 4, 3)


@pytest.mark.parametrize("normalisation", ["utterance", "frame", "speaker", "global"])
def test_normalisation_gives_mean_0_and_variance_1_over_its_group(normalisation):
    part = make_part([50, 40, 30, 20], d_features=6)
    frames = Normaliser(part, normalisation, statistics(part)).frames(slice(None))
    if normalisation == "frame":
        groups = list(frames)
        axis = 0
    else:
        of = {"utterance": part.utterances, "speaker": part.speakers, "global": np.zeros(4)}[normalisation]
        each = np.repeat(of, part.lengths)
        groups = [frames[each == g] for g in np.unique(each)]
        axis = 0
    for group in groups:
        np.testing.assert_allclose(group.mean(axis=axis), 0, atol=1e-5)
        np.testing.assert_allclose(group.std(axis=axis), 1, rtol=1e-4)


def test_a_constant_coefficient_becomes_0_not_nan():
    part = make_part([4, 1])
    part.frames[:, 1] = 7
    for normalisation in ("utterance", "speaker", "global"):
        frames = Normaliser(part, normalisation, statistics(part)).frames(slice(None))
        assert np.isfinite(frames).all()
        np.testing.assert_array_equal(frames[:, 1], 0)


def test_global_statistics_are_those_of_train():
    train, other = make_part(seed=1), make_part(seed=2)
    parts = DeviceData({"train": train, "validation": other}, 1, torch.device("cpu"), torch.float32)
    frames = parts.get("validation", Data(context=0, normalisation="global")).windows(slice(None))[:, 0]
    expected = (other.frames - train.frames.mean(axis=0)) / train.frames.std(axis=0)
    np.testing.assert_allclose(frames.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_an_epoch_sees_every_frame_once_in_an_order_of_seed_and_epoch_alone():
    placed = residents(numbered([300, 700]), 0).get("train", Data(context=0, normalisation="none"))
    order, sizes = order_of(placed, 64, seed=3, epoch=2)
    assert sorted(order.tolist()) == list(range(1000))
    assert sizes == [64] * 15 + [40]
    assert torch.equal(order, order_of(placed, 300, seed=3, epoch=2)[0])
    assert not torch.equal(order, order_of(placed, 64, seed=3, epoch=3)[0])
    assert not torch.equal(order, order_of(placed, 64, seed=4, epoch=2)[0])
