"""The default corpus: the same bytes always, labels that fit the sound, no voice in two splits."""

import csv
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from harness.corpora import mfcc
from harness.corpora.corpus import open_corpus
from harness.corpora.synthetic import augment, espeak, espeak_phones, make, sentences, voices
from harness.corpora.synthetic.espeak import SAMPLE_RATE, Phrase, Speech
from harness.errors import RunFailed, UserError
from harness.phones import BROAD, PHONEMES
from harness.settings import Data, Synthetic

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

MINUTES = 0.4

speaks = pytest.mark.skipif(find_spec("espeakng_loader") is None, reason="the speech synthesiser is not installed")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest corpus, made by two processes."""
    if find_spec("espeakng_loader") is None:
        pytest.skip("the speech synthesiser is not installed")
    root = tmp_path_factory.mktemp("made") / sentences.key(MINUTES, 0)
    make.make(root, minutes=MINUTES, seed=0, processes=2)
    return root


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def say(*words: str) -> tuple[Speech, np.ndarray, list[str]]:
    """Words in ARPAbet -> the sound, its class per sample, the classes in order."""
    text = " ".join(espeak_phones.mnemonics(word.split()) for word in words)
    voice = voices.draw(np.random.default_rng(5))
    spoken = espeak.speak(voice.text, [Phrase(text, 180, 50, 50, 1)])[0]
    labels = espeak_phones.label(spoken.samples, spoken.events)
    changes = np.flatnonzero(np.diff(labels, prepend=255))
    return spoken, labels, [PHONEMES[i] for i in labels[changes]]


def test_the_bytes_do_not_depend_on_the_number_of_processes(small: Path, tmp_path: Path) -> None:
    make.make(tmp_path / "alone", minutes=MINUTES, seed=0, processes=1)
    assert files(tmp_path / "alone") == files(small)


def test_a_bigger_corpus_begins_with_the_smaller_one(small: Path) -> None:
    bigger = {speaker.name: speaker for speaker in sentences.speakers(60, seed=0)}
    for split in sentences.SPLITS:
        names = [name for name in bigger if name.startswith(split)]
        ours = [speaker.name for speaker in sentences.speakers(MINUTES, seed=0) if speaker.split == split]
        assert names[: len(ours)] == ours == sorted(ours)
    for name in ("train00001", "test00007"):
        for utterance, (features, labels) in zip(bigger[name].utterances(), sentences.say(bigger[name]), strict=True):
            folder = small / bigger[name].split
            np.testing.assert_array_equal(features, np.load(folder / "mfcc" / f"{utterance}.npy"))
            transcript = np.load(folder / "transcript" / f"{utterance}.npy")
            assert [PHONEMES[label] for label in labels] == transcript[1:-1].tolist()


@speaks
def test_another_seed_is_another_corpus() -> None:
    (first, _), *_ = sentences.say(sentences.Speaker("train", 0, seed=0))
    (second, _), *_ = sentences.say(sentences.Speaker("train", 0, seed=1))
    assert first.shape != second.shape or not np.allclose(first, second)
    assert sentences.key(20, 0) != sentences.key(20, 1) != sentences.key(30, 1)


def test_the_layout_is_that_of_hw1p2(small: Path) -> None:
    for split in sentences.SPLITS:
        features = sorted((small / split / "mfcc").iterdir())
        transcripts = sorted((small / split / "transcript").iterdir())
        assert [path.name for path in features] == [path.name for path in transcripts]
        for path, other in zip(features, transcripts, strict=True):
            frames, transcript = np.load(path), np.load(other)
            assert frames.dtype == np.float32
            assert frames.shape == (len(transcript) - 2, 28)
            assert np.isfinite(frames).all()
            assert transcript.dtype == np.dtype("<U5")
            assert (transcript[0], transcript[-1]) == ("[SOS]", "[EOS]")
            assert set(transcript[1:-1]) <= set(PHONEMES)


def test_no_speaker_is_in_two_splits_and_eight_or_more_are_held_out(small: Path) -> None:
    with (small / "speakers.csv").open() as table:
        speaker_of = {row["utterance"]: row["speaker"] for row in csv.DictReader(table)}
    seen: dict[str, set[str]] = {}
    for split in sentences.SPLITS:
        names = [path.stem for path in (small / split / "mfcc").iterdir()]
        assert all(speaker_of[name] == name.partition("-")[0] for name in names)
        seen[split] = {speaker_of[name] for name in names}
    assert len(speaker_of) == sentences.UTTERANCES_PER_SPEAKER * sum(map(len, seen.values()))
    assert len(set.union(*seen.values())) == sum(map(len, seen.values()))
    assert min(len(seen["validation"]), len(seen["test"])) >= 8


def test_it_says_how_its_frames_were_made_also_where_an_earlier_version_made_it(small: Path, tmp_path: Path) -> None:
    old = tmp_path / "corpora" / small.name
    shutil.copytree(small, old)
    (old / "features.json").unlink()
    corpus = open_corpus(Data(synthetic=Synthetic(minutes=MINUTES, seed=0)), tmp_path)
    assert corpus.test.features == sentences.FEATURES
    assert (old / "features.json").read_text() == (small / "features.json").read_text()


def test_about_as_many_minutes_as_asked_for_and_as_much_silence_as_in_read_speech(small: Path) -> None:
    transcripts = [np.load(path)[1:-1] for path in small.glob("*/transcript/*.npy")]
    frames = np.concatenate(transcripts)
    n_speakers = len(transcripts) / sentences.UTTERANCES_PER_SPEAKER
    assert len(frames) / 100 / n_speakers == pytest.approx(sentences.SECONDS_PER_SPEAKER, rel=0.15)
    assert 0.13 < np.mean(frames == "[SIL]") < 0.23


@speaks
def test_silence_is_silent_and_vowels_are_loud() -> None:
    words = ["AH0 N D", "W IY1", "M AE1 N IH0 JH", "F AO1 R", "L AO1 NG"]
    spoken, _, _ = say(*words)
    samples, labels = sentences.join([spoken, spoken], np.random.default_rng(0))
    energy = mfcc.mfcc(samples, SAMPLE_RATE)[:, 0]
    broad = np.array([BROAD[PHONEMES[i]] for i in labels[mfcc.centres(len(energy), SAMPLE_RATE)]])
    vowels = np.isin(broad, ["vowel", "diphthong"])
    assert energy[broad == "silence"].mean() < 0.3 * energy[vowels].mean()
    assert (energy[vowels] > np.median(energy[broad == "silence"])).all()


@speaks
@pytest.mark.parametrize("stop", ["P", "T", "K", "CH"])
def test_the_closure_belongs_to_the_stop(stop: str) -> None:
    spoken, labels, order = say(f"AA0 {stop} AA1")
    assert order == ["AA", stop, "AA", "[SIL]"]
    first = np.flatnonzero(labels == PHONEMES.index(stop))[0]
    closure = spoken.samples[first : first + SAMPLE_RATE // 100]
    assert not closure.any()
    assert spoken.samples[first - 1]


@speaks
@pytest.mark.parametrize(
    ("word", "order"),
    [
        ("K AA1 R", ["K", "AA", "R"]),
        ("F IY1 L", ["F", "IY", "L"]),
        ("B EH1 L T", ["B", "EH", "L", "T"]),
        ("K AE1 R IY0", ["K", "AE", "R", "IY"]),
        ("B IY1 IH0 N G", ["B", "IY", "IH", "NG", "G"]),
        ("S IH1 T IY0", ["S", "IH", "T", "IY"]),
    ],
)
def test_labels_follow_the_sounds_that_the_engine_merges_or_changes(word: str, order: list[str]) -> None:
    assert [phoneme for phoneme in say(word)[2] if phoneme != "[SIL]"] == order


@speaks
def test_labels_of_most_words_are_their_pronunciation() -> None:
    """The engine may flap a T or link an R; it must not lose its place, as it does after an unknown mnemonic."""
    table = (Path(sentences.__file__).with_name("lexicon.tsv")).read_text().splitlines()[1:]
    pronunciations = [line.split("\t")[2].split() for line in table[::15]]
    phrases = [Phrase(espeak_phones.mnemonics(p), 180, 50, 50, 1) for p in pronunciations]
    voice = voices.draw(np.random.default_rng(1))
    wrong, seen = [], set()
    for pronunciation, spoken in zip(pronunciations, espeak.speak(voice.text, phrases), strict=True):
        labels = espeak_phones.label(spoken.samples, spoken.events)
        heard = [PHONEMES[i] for i in labels[np.flatnonzero(np.diff(labels, prepend=255))] if i]
        if heard != [phoneme.rstrip("012") for phoneme in pronunciation]:
            wrong.append((pronunciation, heard))
        seen |= set(heard)
    assert len(wrong) <= 0.03 * len(phrases), wrong
    assert len(seen) >= 38  # ZH and OY are rare


def test_every_phoneme_is_in_the_lexicon_and_comes_back() -> None:
    table = (Path(sentences.__file__).with_name("lexicon.tsv")).read_text().splitlines()[1:]
    rows = [line.split("\t") for line in table]
    assert len(rows) == 3000
    occurring = {phoneme.rstrip("012") for row in rows for phoneme in row[2].split()}
    assert occurring == set(PHONEMES) - {"[SIL]"} == set(BROAD) - {"[SIL]"}
    assert len(PHONEMES) == 40


def test_recording_keeps_the_time_of_a_sound() -> None:
    rate, rng = SAMPLE_RATE, np.random.default_rng(0)
    samples = np.zeros(2 * rate, np.int16)
    samples[rate] = 30000
    spectrum = augment.resampled_spectrum(samples, rate, 3)
    assert np.argmax(np.abs(np.fft.irfft(spectrum, augment.RATE * 3))) == augment.RATE
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate) * 1000
    resampled = np.fft.irfft(augment.resampled_spectrum(tone, rate, 2), augment.RATE * 2)
    np.testing.assert_allclose(resampled, np.sin(2 * np.pi * 440 * np.arange(32000) / 16000) * 1000, atol=1)
    recorded = augment.record(samples, rate, np.ones(len(samples), bool), rng)
    assert recorded.shape == (2 * augment.RATE,)
    assert abs(int(np.argmax(np.abs(recorded))) - augment.RATE) < 0.01 * augment.RATE


@speaks
def test_an_interrupted_corpus_is_not_there_and_the_next_call_goes_on(small: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    root, unfinished = tmp_path / "corpus", tmp_path / "corpus.unfinished"
    with pytest.raises(KeyboardInterrupt):
        make.make(root, minutes=MINUTES, seed=0, progress=interrupt)
    assert not root.exists()
    assert unfinished.exists()
    (unfinished / "train" / "mfcc" / "stranger.npy").touch()
    (unfinished / "train" / "mfcc" / "train00000-0000.unfinished").touch()
    seen = []
    made = make.make(root, minutes=MINUTES, seed=0, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 18) for i in range(1, 19)]
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
    assert files(root) == files(small)
    assert sum(made.frames.values()) == sum(len(np.load(file)) for file in root.glob("*/mfcc/*.npy"))
    assert 0 < made.spoken < sum(made.frames.values()) * 12 / 18


@speaks
def test_what_is_left_of_another_recipe_is_not_used(small: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make.make(tmp_path / "corpus", minutes=MINUTES, seed=1, progress=interrupt)
    made = make.make(tmp_path / "corpus", minutes=MINUTES, seed=0)
    assert files(tmp_path / "corpus") == files(small)
    assert made.spoken == sum(made.frames.values())


@pytest.mark.parametrize(("minutes", "n_speakers"), [(60, 40), (20, 9), (1, 30), (0.1, 2), (3, 8)])
def test_the_number_of_speakers_may_be_chosen_and_they_share_the_minutes(minutes: float, n_speakers: int) -> None:
    everyone = sentences.speakers(minutes, 0, n_speakers)
    per_utterance = sentences.SECONDS_PER_SPEAKER / sentences.UTTERANCES_PER_SPEAKER / 60
    for split in sentences.SPLITS:
        own = [speaker for speaker in everyone if speaker.split == split]
        assert len(own) == (n_speakers if split == "train" else max(8, n_speakers))
        counts = [speaker.n_utterances for speaker in own]
        assert max(counts) - min(counts) <= 1 <= min(counts)
        wanted = minutes if split == "train" else minutes / 4
        assert sum(counts) == len(own) or abs(sum(counts) * per_utterance - wanted) <= per_utterance / 2
        assert [name for speaker in own for take in speaker.takes() for name in take] == [
            name for speaker in own for name in speaker.utterances()
        ]


@speaks
def test_a_speaker_who_says_more_begins_with_the_same(small: Path) -> None:
    short, long = (sentences.Speaker("train", 1, seed=0, n_utterances=n) for n in (5, 7))
    assert [len(take) for take in short.takes()] == [3, 2]
    assert [len(take) for take in long.takes()] == [3, 3, 1]
    first, second = sentences.say(short, 0), sentences.say(short, 1)
    for (frames, _), name in zip(first, short.utterances(), strict=False):
        np.testing.assert_array_equal(frames, np.load(small / "train" / "mfcc" / f"{name}.npy"))
    for (a, a_labels), (b, b_labels) in zip(second, sentences.say(long, 1), strict=False):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a_labels, b_labels)
    assert len({len(frames) for frames, _ in [*first, *second]}) == 5, "no take repeats another"


def test_without_the_synthesiser_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r"pip install 'harness\[synthetic\]'"):
        make.make(tmp_path / "corpus", minutes=MINUTES, seed=0)
    assert not list(tmp_path.iterdir())


@speaks
def test_a_synthesiser_that_dies_says_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    _, data = espeak.find()
    monkeypatch.setattr(espeak, "find", lambda: ("nowhere/libespeak-ng.so", data))
    with pytest.raises(RunFailed, match=r"the speech synthesiser failed .*nowhere/libespeak-ng\.so"):
        say("HH AH0 L OW1")
