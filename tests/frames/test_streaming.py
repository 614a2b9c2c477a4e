"""Frames that pass through the device: the same examples as those that stay, in chunks, within the memory allowed."""

import gc
import threading
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness.corpora.corpus import open_corpus
from harness.errors import Interrupted, UserError
from harness.frames import placement as data_module
from harness.frames import streaming, windows
from harness.frames.placement import DeviceData, placement
from harness.frames.streaming import StreamedFrames
from harness.settings import Data, Settings, Training
from harness.training import evaluate, run
from tests.parts import make_part, numbered, order_of
from tests.small_corpus import write_corpus

CPU = torch.device("cpu")
LENGTHS = [40, 7, 90, 1, 33, 60, 25, 44]  # 300 frames
ROOM = 300 + 2 * 100 * 19  # labels, and two chunks of 100 frames: each 3 float32, padding, row and label


def both(part, context=2, normalisation="utterance", limit=ROOM):
    """The same part, staying and passing through."""
    own = Data(context=context, normalisation=normalisation)
    stays = DeviceData({"train": part}, 3, CPU, torch.float32).get("train", own)
    passes = DeviceData({"train": part}, 3, CPU, torch.float32, limit).get("train", own)
    assert isinstance(passes, StreamedFrames)
    return stays, passes


@pytest.mark.parametrize("normalisation", ["utterance", "frame", "speaker", "global", "none"])
@pytest.mark.parametrize("context", [0, 3, (0, 2)], ids=str)
def test_what_passes_through_is_what_stays(normalisation, context):
    stays, passes = both(make_part(LENGTHS), context, normalisation)
    expected = next(iter(stays.in_order(1000)))
    found = list(passes.in_order(50))
    assert len(found) > 5, "cut at the ends of chunks too"
    for one, other in zip(expected, map(torch.cat, zip(*found, strict=True)), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(stays.labels, passes.labels)


@pytest.mark.parametrize("batch_size", [1, 7, 64, 250, 1000])
def test_an_epoch_that_passes_through_sees_every_frame_once_in_batches_of_the_same_sizes(batch_size):
    stays, passes = both(numbered(LENGTHS), context=0, normalisation="none")
    order, sizes = order_of(passes, batch_size, seed=3, epoch=2)
    assert sorted(order.tolist()) == list(range(300))
    assert sizes == order_of(stays, batch_size, seed=3, epoch=2)[1]


def test_its_order_is_of_seed_and_epoch_alone():
    _, passes = both(numbered(LENGTHS), context=0, normalisation="none")
    order, _ = order_of(passes, 64, seed=3, epoch=2)
    assert torch.equal(order, order_of(passes, 64, seed=3, epoch=2)[0])
    assert not torch.equal(order, order_of(passes, 64, seed=3, epoch=3)[0])
    assert not torch.equal(order, order_of(passes, 64, seed=4, epoch=2)[0])
    assert order.diff().abs().float().mean() > 20, "frames of a chunk are shuffled"


def test_never_more_than_two_chunks_are_there(monkeypatch):
    _, passes = both(make_part(LENGTHS * 10), limit=3000 + 2 * 100 * 19)
    there, most, lock = set(), [0], threading.Lock()
    place = windows.to_device

    def counted(*arguments, **options):
        placed = place(*arguments, **options)
        with lock:
            there.add(key := placed.frames.data_ptr())
            most[0] = max(most[0], len(there))
        import weakref

        weakref.finalize(placed.frames, lambda: there.discard(key))
        return placed

    monkeypatch.setattr("harness.frames.streaming.to_device", counted)
    gc.disable()  # what only the collector would free counts as there
    try:
        for _ in passes.batches(64, seed=0, epoch=1):
            pass
        list(passes.in_order(64))
    finally:
        gc.enable()
    assert most[0] == 2


def test_the_thread_ends_with_an_epoch_that_is_left_early():
    _, passes = both(make_part(LENGTHS))
    epoch = passes.batches(16, seed=0, epoch=1)
    next(epoch)
    epoch.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("frames")]


@pytest.mark.parametrize(
    ("megabytes", "streamed"),
    [(1000, ()), (80, ("train",)), (40, ("train", "search")), (9, ("train", "search", "validation"))],
)
def test_the_largest_parts_pass_through_and_no_more_than_must(megabytes, streamed):
    parts = {
        name: make_part([1000] * n, d_features=28)
        for name, n in {"train": 400, "search": 200, "validation": 100, "test": 20}.items()
    }
    found = placement(parts, 7, torch.float32, megabytes * 10**6)
    assert found.streamed == streamed
    assert 80e6 < found.needed < 86e6, "720,000 frames of 28 float32, their rows and labels, and the padding"
    staying = placement({k: v for k, v in parts.items() if k not in streamed}, 7, torch.float32, 10**12).needed
    labels = sum(parts[name].n_frames for name in streamed)
    assert staying + labels + 2 * found.chunk_frames * (28 * 4 + 5) <= megabytes * 10**6
    assert found.chunk_frames <= data_module._CHUNK


def test_too_little_memory_is_refused_with_what_is_needed():
    with pytest.raises(UserError, match=r"data.memory: 1e-06 GB are too little .* take .* GB; give more, or 0"):
        DeviceData({"train": make_part(LENGTHS)}, 3, CPU, torch.float32, 1000)


def test_windows_across_utterances_are_refused_where_frames_pass_through():
    placed = DeviceData({"train": make_part(LENGTHS)}, 3, CPU, torch.float32, ROOM)
    with pytest.raises(UserError, match=r'data.boundary = "stream".*take boundary = "utterance", or allow more'):
        placed.get("train", Data(context=1, boundary="stream"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    return open_corpus(Data(corpus=str(write_corpus(root / "c"))), root)


def placed_in(corpus, share):
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    limit = round(share * placement(parts, 4, torch.float32, 10**12).needed)
    return DeviceData(parts, 4, CPU, torch.float32, limit)


OWN = Settings("ffdnn", {"depth": 2, "width": 32, "dropout": 0.2}, Data(context=2), Training(epochs=3, batch_size=128))


def test_a_corpus_three_times_the_memory_trains_as_well_as_one_that_stays(corpus):
    own = replace(OWN, training=Training(epochs=8, batch_size=128, learning_rate=5e-3))
    small, large = placed_in(corpus, 1 / 3), placed_in(corpus, 1)
    assert small.placement.streamed
    assert not large.placement.streamed
    accuracies = [run.run("x", own, placed, seed=0, precision="fp32").test.accuracy for placed in (small, large)]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.03)
    assert accuracies[0] > 0.5


@pytest.mark.parametrize("stop_after", [1, 9, 20])
def test_an_interrupted_run_goes_on_bit_for_bit(corpus, tmp_path, stop_after):
    placed = placed_in(corpus, 1 / 3)
    whole = run.run("x", OWN, placed, seed=1, precision="fp32", folder=tmp_path / "whole")
    asked = iter(range(1, 1000))
    with pytest.raises(Interrupted):
        run.run(
            "x",
            OWN,
            placed,
            seed=1,
            precision="fp32",
            folder=tmp_path / "cut",
            should_stop=lambda: next(asked) == stop_after,
        )
    resumed = run.run("x", OWN, placed, seed=1, precision="fp32", folder=tmp_path / "cut")
    assert [e.train_loss for e in whole.history] == [e.train_loss for e in resumed.history]
    np.testing.assert_array_equal(whole.test.counts, resumed.test.counts)


def test_scores_are_those_of_frames_that_stay(corpus):
    stays, passes = placed_in(corpus, 1).get("train", OWN.data), placed_in(corpus, 1 / 3).get("train", OWN.data)
    assert isinstance(passes, StreamedFrames)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(5 * 6, 40))
    a, b = (evaluate.scores(evaluate.predict(model, p, "fp32"), p, 40, keep_frames=True) for p in (stays, passes))
    np.testing.assert_array_equal(a.counts, b.counts)
    np.testing.assert_allclose(a.log_loss, b.log_loss, rtol=1e-5)
    assert a.utterances == b.utterances


def test_on_a_gpu_every_chunk_is_copied_on_the_same_stream_and_awaited(monkeypatch):
    """What a GPU does is not shown; that the calls are those of torch.cuda is."""
    awaited, used = [], []

    class Stream:
        def __init__(self, device):
            self.device = device

        def synchronize(self):
            awaited.append(self)

    @contextmanager
    def stream(of):  # torch's gives nothing to bind
        assert isinstance(of, Stream)
        yield

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "default_stream", lambda device: "default")
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda self, stream: used.append(stream))
    to_device = streaming.to_device
    monkeypatch.setattr(streaming, "to_device", lambda *args, **options: to_device(*args, **options | {"device": CPU}))
    frames, expected = both(make_part(LENGTHS, 3))[::-1]
    frames = replace(frames, labels=SimpleNamespace(device=torch.device("cuda", 7)))
    seen = torch.cat([own for own, _ in frames.in_order(32)])
    assert torch.equal(seen, torch.cat([own for own, _ in expected.in_order(32)]))
    assert len(awaited) == len(used) // 3 > 2
    assert len(set(awaited)) == 1
    assert set(used) == {"default"}
