"""Folds for cross-validation: whole speakers, each tested once by models that never heard them."""

from itertools import combinations

import numpy as np
import pytest

from harness.corpora.corpus import open_corpus
from harness.corpora.folds import deal
from harness.errors import UserError
from harness.settings import Data, SpeakerFraction
from tests.small_corpus import write_corpus


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("folds") / "corpus", n_train=12, n_held=6)


def test_every_utterance_is_tested_once_and_no_speaker_is_in_two_parts_of_a_fold(root):
    corpus = open_corpus(Data(corpus=str(root), folds=3), root.parent)
    tested = np.concatenate([fold.test.utterances for fold in corpus.folds])
    assert sorted(tested) == sorted(corpus.test.utterances)
    assert len(set(tested)) == len(tested)
    for fold in corpus.folds:
        for a, b in combinations((fold.train, fold.validation, fold.test), 2):
            assert not set(a.speakers) & set(b.speakers)
        assert {len(p.utterances) > 0 for p in (fold.train, fold.validation, fold.test)} == {True}


def test_pooled_frames_and_labels_are_those_of_the_splits(root):
    plain = open_corpus(Data(corpus=str(root)), root.parent)
    whole = open_corpus(Data(corpus=str(root), folds=3), root.parent).test
    for part in (plain.train, plain.validation, plain.test):
        for i, name in enumerate(part.utterances):
            (own,) = np.flatnonzero(whole.utterances == name)
            np.testing.assert_array_equal(
                whole.select(np.array([own])).read(), part.select(np.array([i])).read(), err_msg=name
            )
            rows, theirs = whole.select(np.array([own])).rows(), part.select(np.array([i])).rows()
            np.testing.assert_array_equal(whole.labels[rows], part.labels[theirs], err_msg=name)


def test_validation_is_the_next_fold_or_a_fraction_of_the_other_speakers(root):
    folds = open_corpus(Data(corpus=str(root), folds=3), root.parent).folds
    assert folds[0].validation.utterances.tolist() == folds[1].test.utterances.tolist()
    assert folds[2].validation.utterances.tolist() == folds[0].test.utterances.tolist()
    data = Data(corpus=str(root), validation=SpeakerFraction(0.25), folds=3)
    corpus = open_corpus(data, root.parent)
    for fold in corpus.folds:
        others = set(corpus.test.speakers) - set(fold.test.speakers)
        assert len(set(fold.validation.speakers)) == max(1, round(0.25 * len(others)))
    assert "validation" not in "".join(corpus.test.utterances), "of the splits, only those that are named are pooled"


def test_folds_are_the_same_always_and_each_is_another_corpus(root):
    first, again = (open_corpus(Data(corpus=str(root), folds=3), root.parent) for _ in range(2))
    assert [f.digest for f in first.folds] == [f.digest for f in again.folds]
    digests = {f.digest for f in first.folds} | {open_corpus(Data(corpus=str(root), folds=4), root.parent).digest}
    assert len(digests | {first.digest, open_corpus(Data(corpus=str(root)), root.parent).digest}) == 6


@pytest.mark.parametrize("n_folds", [3, 5, 7])
def test_folds_have_nearly_equal_speakers_and_frames(n_folds):
    rng = np.random.default_rng(n_folds)
    speakers = np.array([f"s{i}" for i in rng.integers(0, 40, 400)])
    lengths = rng.integers(50, 800, 400)
    folds = deal(speakers, lengths, n_folds)
    n_speakers = [len(np.unique(speakers[folds == fold])) for fold in range(n_folds)]
    frames = [lengths[folds == fold].sum() for fold in range(n_folds)]
    assert max(n_speakers) - min(n_speakers) <= 1
    assert max(frames) < 1.15 * min(frames)
    order = rng.permutation(400)
    assert deal(speakers[order], lengths[order], n_folds).tolist() == folds[order].tolist()


def test_fewer_speakers_than_folds_are_refused(root):
    with pytest.raises(
        UserError, match=r"data.folds: 90 folds of whole speakers need as many speakers, .* are possible"
    ):
        open_corpus(Data(corpus=str(root), folds=90), root.parent)


def test_utterances_of_one_name_in_two_splits_are_refused(tmp_path):
    root = write_corpus(tmp_path / "corpus", n_train=12, n_held=6)
    for kind in ("mfcc", "transcript"):
        one = next((root / "test" / kind).glob("*.npy"))
        (root / "train" / kind / one.name).write_bytes(one.read_bytes())
    with pytest.raises(UserError, match=r"utterances of the same name \(.*\), and are pooled; rename these files"):
        open_corpus(Data(corpus=str(root), folds=3), tmp_path)
