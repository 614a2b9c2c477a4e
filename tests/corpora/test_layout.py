"""The HW1P2 layout: what is read, and every refusal with its message."""

import numpy as np
import pytest

from harness.corpora import layout, store
from harness.corpora.corpus import open_corpus, split_speakers, subset
from harness.errors import UserError
from harness.settings import Data, SpeakerFraction


def write_utterance(root, name, n_frames=5, *, split="train", labels=None, frames=None, ends=True):
    """One utterance in the layout, of class AA unless given."""
    for kind in ("mfcc", "transcript"):
        (root / split / kind).mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(n_frames).normal(size=(n_frames, 4)) if frames is None else frames
    labels = ["AA"] * n_frames if labels is None else labels
    np.save(root / split / "mfcc" / f"{name}.npy", frames)
    np.save(root / split / "transcript" / f"{name}.npy", np.array(["[SOS]", *labels, "[EOS]"] if ends else labels))


def load(root, split="train"):
    return layout.load(root, split, root / "stores")


def test_frames_labels_names_and_speakers_are_read_as_they_lie(tmp_path):
    frames = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_utterance(tmp_path, "84-1-2", frames=frames, labels=["[SIL]", "AA", "ZH"])
    write_utterance(tmp_path, "26-1-1", 2, ends=False)
    part = load(tmp_path)
    assert part.utterances.tolist() == ["26-1-1", "84-1-2"]
    assert part.speakers.tolist() == ["26", "84"]
    np.testing.assert_array_equal(part.frames[part.select(np.array([1])).rows()], frames)
    assert [part.phonemes[k] for k in part.labels] == ["AA", "AA", "[SIL]", "AA", "ZH"]


def test_speakers_csv_wins_over_names(tmp_path):
    write_utterance(tmp_path, "dr1-a-1")
    write_utterance(tmp_path, "dr1-b-1")
    (tmp_path / "speakers.csv").write_text("utterance,speaker\ndr1-a-1,a\ndr1-b-1,b\n")
    assert load(tmp_path).speakers.tolist() == ["a", "b"]


def test_a_corpus_may_bring_its_own_phonemes(tmp_path):
    write_utterance(tmp_path, "a", 2, labels=["x", "y"])
    (tmp_path / "phonemes.txt").write_text("y\nx\n")
    part = load(tmp_path)
    assert part.phonemes == ("y", "x")
    assert part.labels.tolist() == [1, 0]


def test_a_split_without_transcripts_is_unlabelled(tmp_path):
    write_utterance(tmp_path, "a")
    (tmp_path / "train" / "transcript" / "a.npy").unlink()
    (tmp_path / "train" / "transcript").rmdir()
    assert load(tmp_path).labels is None
    with pytest.raises(UserError, match="no transcript/ in it; a comparison needs labelled splits"):
        open_corpus(Data(corpus=str(tmp_path)), tmp_path)


REFUSALS = {
    "unequal lengths": (
        lambda root: write_utterance(root, "a-1", 5, labels=["AA"] * 4),
        "train/a-1: 5 frames in mfcc, 4 labels in transcript (without [SOS] and [EOS])",
    ),
    "unknown phoneme": (
        lambda root: write_utterance(root, "a-1", 3, labels=["AA", "QQ", "AA"]),
        "train/a-1: unknown phoneme 'QQ' at frame 1; known are [SIL] AA",
    ),
    "NaN": (
        lambda root: write_utterance(root, "a-1", frames=np.array([[0, 0], [0, np.nan]]), labels=["AA"] * 2),
        "train/a-1: mfcc has nan in frame 1, coefficient 1",
    ),
    "infinity": (
        lambda root: write_utterance(root, "a-1", frames=np.array([[0, -np.inf]]), labels=["AA"]),
        "train/a-1: mfcc has -inf in frame 0, coefficient 1",
    ),
    "a missing transcript": (
        lambda root: [
            write_utterance(root, "a-1"),
            write_utterance(root, "a-2"),
            (root / "train/transcript/a-1.npy").unlink(),
        ],
        "train/a-1: mfcc/a-1.npy has no transcript/a-1.npy",
    ),
    "missing frames": (
        lambda root: [
            write_utterance(root, "a-1"),
            write_utterance(root, "a-2"),
            (root / "train/mfcc/a-1.npy").unlink(),
        ],
        "train/a-1: transcript/a-1.npy has no mfcc/a-1.npy",
    ),
    "a wrong dimension": (
        lambda root: [
            write_utterance(root, "a-1"),
            write_utterance(root, "a-2", frames=np.zeros((2, 7)), labels=["AA"] * 2),
        ],
        "train/a-2: 7 features a frame; a-1 has 4",
    ),
    "frames that are no matrix": (
        lambda root: write_utterance(root, "a-1", frames=np.zeros(5)),
        "train/a-1: mfcc is float64 of shape (5,); (frames, features) of floats is allowed",
    ),
    "integer frames": (
        lambda root: write_utterance(root, "a-1", frames=np.zeros((5, 2), dtype=int)),
        "train/a-1: mfcc is int64 of shape (5, 2); (frames, features) of floats is allowed",
    ),
    "pickled arrays": (
        lambda root: write_utterance(root, "a-1", frames=np.array([[1.0], None], dtype=object)),
        "train/a-1: mfcc/a-1.npy holds pickled objects",
    ),
    "labels that are no strings": (
        lambda root: [write_utterance(root, "a-1", 2), np.save(root / "train/transcript/a-1.npy", np.zeros(4))],
        "train/a-1: transcript is float64 of shape (4,); (frames + 2,) strings is allowed",
    ),
    "an empty utterance": (
        lambda root: write_utterance(root, "a-1", frames=np.zeros((0, 4)), labels=[]),
        "train/a-1: mfcc is empty, of shape (0, 4)",
    ),
    "a truncated file": (
        lambda root: [
            write_utterance(root, "a-1"),
            (root / "train/mfcc/a-1.npy").write_bytes((root / "train/mfcc/a-1.npy").read_bytes()[:150]),
        ],
        "train/a-1: mfcc/a-1.npy is truncated or no npy file",
    ),
    "no npy file": (
        lambda root: [write_utterance(root, "a-1"), (root / "train/mfcc/a-1.npy").write_bytes(b"")],
        "train/a-1: mfcc/a-1.npy is truncated or no npy file",
    ),
    "half of the ends": (
        lambda root: write_utterance(root, "a-1", 3, labels=["[SOS]", "AA", "AA"], ends=False),
        "train/a-1: transcript has only one of [SOS] and [EOS]; both or neither is allowed",
    ),
    "an utterance without a speaker": (
        lambda root: [write_utterance(root, "a-1"), (root / "speakers.csv").write_text("utterance,speaker\n")],
        "train/a-1: speakers.csv has no line for it",
    ),
}


@pytest.mark.parametrize("mistake", REFUSALS)
def test_refused_with_the_utterance_named(tmp_path, mistake):
    make, message = REFUSALS[mistake]
    make(tmp_path)
    with pytest.raises(UserError) as refused:
        load(tmp_path)
    assert message in str(refused.value)
    assert not list((tmp_path / "stores").glob("*")), "a refused split leaves no store"


def test_all_refusals_are_told_at_once_and_counted(tmp_path):
    for i in range(30):
        write_utterance(tmp_path, f"a-{i:02}", 3, labels=["AA"] * (2 if i < 25 else 3))
    with pytest.raises(UserError) as refused:
        load(tmp_path)
    lines = str(refused.value).splitlines()
    assert "25 of 30 utterances are refused" in lines[0]
    assert len(lines) == 22
    assert lines[-1] == "... and 5 more"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,who\n", "speakers.csv:1: the first line is 'name,who', not 'utterance,speaker'"),
        ("utterance,speaker\na-1\n", "speakers.csv:2: 'a-1' is not 'utterance,speaker'"),
    ],
)
def test_a_malformed_speakers_csv_is_refused(tmp_path, text, message):
    write_utterance(tmp_path, "a-1")
    (tmp_path / "speakers.csv").write_text(text)
    with pytest.raises(UserError, match=message.replace(".", r"\.")):
        load(tmp_path)


def test_a_missing_folder_or_split_names_what_is_there(tmp_path):
    write_utterance(tmp_path, "a-1", split="train-clean-100")
    with pytest.raises(UserError, match="no split 'train'; the splits there are: train-clean-100"):
        load(tmp_path)
    with pytest.raises(UserError, match="no such folder; a corpus is a folder ROOT/<split>/mfcc"):
        load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="it has no folder <split>/mfcc"):
        load(tmp_path / "stores" if (tmp_path / "stores").exists() else tmp_path / "train-clean-100")


def test_the_store_is_made_once_and_again_when_a_file_changes(tmp_path):
    write_utterance(tmp_path, "a-1")
    first = load(tmp_path)
    (stored,) = (tmp_path / "stores").iterdir()
    made = (stored / "store.json").stat().st_mtime_ns
    assert load(tmp_path).digest == first.digest
    assert (stored / "store.json").stat().st_mtime_ns == made
    write_utterance(tmp_path, "a-1", 9)
    assert load(tmp_path).n_frames == 9
    assert load(tmp_path).digest != first.digest


def test_the_digest_is_of_the_content_not_of_the_place(tmp_path):
    for root in (tmp_path / "x", tmp_path / "y"):
        write_utterance(root, "a-1")
    assert load(tmp_path / "x").digest == load(tmp_path / "y").digest


def test_a_kill_while_writing_leaves_no_store(tmp_path):
    def utterances():
        yield store.Utterance("a", "a", np.zeros((3, 2), np.float32), np.zeros(3, np.uint8))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(tmp_path / "key", "train", ["AA", "B"], utterances())
    assert not list(tmp_path.iterdir())


@pytest.fixture
def corpus_folder(tmp_path):
    for speaker in range(6):
        for i in range(3):
            write_utterance(tmp_path, f"s{speaker}-{i}", 4 + i)
    write_utterance(tmp_path, "t1-0", split="test")
    write_utterance(tmp_path, "t2-0", split="dev")
    return tmp_path


def test_validation_is_split_off_by_whole_speakers_the_same_ones_always(corpus_folder):
    data = Data(corpus=str(corpus_folder), validation=SpeakerFraction(0.3))
    corpus = open_corpus(data, corpus_folder)
    assert len(np.unique(corpus.validation.speakers)) == 2
    assert not set(corpus.train.speakers) & set(corpus.validation.speakers)
    assert len(corpus.train.utterances) + len(corpus.validation.utterances) == 18
    again = open_corpus(data, corpus_folder)
    assert corpus.validation.utterances.tolist() == again.validation.utterances.tolist()


def test_one_speaker_cannot_be_split(tmp_path):
    write_utterance(tmp_path, "a-1")
    with pytest.raises(UserError, match="1 speaker; taking validation from train needs at least 2"):
        split_speakers(load(tmp_path), 0.5)


def test_splits_that_share_a_speaker_are_refused(corpus_folder):
    write_utterance(corpus_folder, "s3-9", split="test")
    with pytest.raises(UserError, match=r"train \(train\) and test \(test\) share 1 speakers \(s3\)"):
        open_corpus(Data(corpus=str(corpus_folder), validation="dev"), corpus_folder)


def test_a_subset_is_of_whole_utterances_and_the_same_for_every_arm(corpus_folder):
    part = load(corpus_folder)
    half = subset(part, 0.5)
    assert len(half.utterances) == 9
    assert half.utterances.tolist() == sorted(half.utterances)
    assert half.utterances.tolist() == subset(part, 0.5).utterances.tolist()


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_frames_of_every_float_type_and_order_are_the_same_frames(tmp_path, dtype, order):
    frames = np.arange(12).reshape(3, 4)
    write_utterance(tmp_path, "a-1", frames=np.asarray(frames, dtype=dtype, order=order), labels=["AA"] * 3)
    part = load(tmp_path)
    assert part.frames.dtype == np.float32
    np.testing.assert_array_equal(part.frames, frames)


def test_a_store_is_an_ordinary_npy_file(tmp_path):
    write_utterance(tmp_path, "a-1", 7)
    load(tmp_path)
    (frames,) = (tmp_path / "stores").glob("*/frames.npy")
    assert np.load(frames).shape == (7, 4)
