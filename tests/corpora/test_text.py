"""Files from other programs and other hands: encodings, times, pipes, links, and names that would leave a folder."""

import os

import numpy as np
import pytest

from harness.corpora import layout, text
from harness.corpora.alignments import index
from harness.corpora.importing import speaker_splits
from harness.errors import UserError
from tests.small_corpus import write_corpus

SPEAKERS = "utterance,speaker\nä-1,Jörg\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_are_read_as_excel_and_praat_write_them(tmp_path, encoding):
    (tmp_path / "speakers.csv").write_bytes(SPEAKERS.encode(encoding))
    assert layout.speakers_of(tmp_path) == {"ä-1": "Jörg"}


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [
        (
            "latin-1",
            r"speakers\.csv: neither UTF-8 .*byte 18 in line 2 is 0xe4, as in Latin-1 or Windows-1252; save it as",
        ),
        ("utf-16-le", r"speakers\.csv: .*UTF-8"),
    ],
)
def test_other_encodings_are_refused_and_named(tmp_path, encoding, sentence):
    (tmp_path / "speakers.csv").write_bytes(SPEAKERS.encode(encoding))
    with pytest.raises(UserError, match=sentence):
        layout.speakers_of(tmp_path)


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "4_000", "1e999", "0x10", "", "1 ", "٣"])
def test_a_time_is_a_plain_finite_number(word):
    with pytest.raises(ValueError, match="is not a time"):
        text.time(word)


@pytest.mark.parametrize("duration", ["nan", "1e999", "4_0"])
def test_a_ctm_with_such_a_duration_is_refused(tmp_path, duration):
    (tmp_path / "a.ctm").write_text(f"u1 1 0.0 {duration} AA\n")
    (files,) = index.find(tmp_path / "a.ctm").by_name.values()
    with pytest.raises(ValueError, match="is not 'UTTERANCE CHANNEL START DURATION SYMBOL'"):
        index.read(files[0], rate=16000)


def test_one_alignment_file_can_be_given_by_its_name(tmp_path):
    (tmp_path / "a.phn").write_text("0 100 aa\n")
    assert list(index.find(tmp_path / "a.phn").by_name) == ["a"]


@pytest.mark.parametrize("split", ["..", ".", "../test", ".hidden", "a/b", "a\\b", "a b"])
def test_a_split_is_the_name_of_one_folder(tmp_path, split):
    (tmp_path / "splits.csv").write_text(f"speaker,split\na,{split}\n")
    with pytest.raises(UserError, match=r"splits\.csv:2: split .* is a folder's name"):
        speaker_splits.read(tmp_path / "splits.csv", ["a"])


def _load(root, tmp_path):
    return layout.load(root, "train", tmp_path / "stores")


def test_pipes_in_a_corpus_are_refused_and_not_waited_for(tmp_path):
    root = write_corpus(tmp_path / "corpus", n_train=1, n_held=1)
    (root / "train/mfcc/train0-0.npy").unlink()
    os.mkfifo(root / "train/mfcc/train0-0.npy")
    os.mkfifo(root / "speakers.csv")
    with pytest.raises(UserError, match=r"speakers\.csv: cannot be read \(it is no file\)"):
        _load(root, tmp_path)
    (root / "speakers.csv").unlink()
    with pytest.raises(UserError, match=r"train0-0: mfcc/train0-0\.npy .*a folder, pipe or device"):
        _load(root, tmp_path)


def test_links_out_of_a_corpus_are_refused_and_links_within_or_of_folders_are_not(tmp_path):
    root = write_corpus(tmp_path / "corpus", n_train=1, n_held=1)
    frames = root / "train/mfcc/train0-0.npy"
    frames.rename(root / "frames.npy")
    frames.symlink_to(root / "frames.npy")
    (tmp_path / "link").symlink_to(root)
    assert len(_load(tmp_path / "link", tmp_path).utterances) == 3
    frames.unlink()
    (root / "frames.npy").rename(tmp_path / "elsewhere.npy")
    frames.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(
        UserError, match=r"train0-0: mfcc/train0-0\.npy is a link out of the corpus, to .*elsewhere\.npy"
    ):
        _load(root, tmp_path / "again")


def test_a_header_that_claims_more_than_there_is_takes_no_memory_and_hides_no_other_refusal(tmp_path):
    root = write_corpus(tmp_path / "corpus", n_train=1, n_held=1)
    frames = root / "train/mfcc/train0-0.npy"
    np.save(frames, np.load(frames).astype(np.float64))
    whole = frames.read_bytes()
    place = whole.index(b"'shape': (")
    claim = b"'shape': (999999999999, 6), }"
    frames.write_bytes(whole[:place] + claim + whole[place + len(claim) : 127] + b"\n" + whole[128:])
    (root / "train/mfcc/train0-1.npy").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"2 of 3 utterances(.|\n)*its header claims 47,999,999,999,952 bytes of values"
    ):
        _load(root, tmp_path)
