"""The default corpus: made-up sentences in made-up voices, real waveforms, exact phoneme times.

Common English words in random order are spoken by espeak-ng, a voice of its own for each speaker, recorded in a room
with noise (`augment`), and labelled by the times that the synthesiser gives (`espeak_phones`).

The same bytes on one machine whatever the number of processes, and a bigger corpus begins with the smaller one: a
speaker is drawn from (seed, split, number) alone, and each take (up to three utterances) is spoken in a process of its
own; more minutes are more speakers, or more takes where the number of speakers is given.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.corpora import mfcc
from harness.corpora.features import Features
from harness.corpora.synthetic import augment, espeak, espeak_phones, voices
from harness.corpora.synthetic.espeak import SAMPLE_RATE, Phrase, Speech

VERSION = 1
"""Raised with every change of the recipe that changes a byte."""

FEATURES = Features(rate=augment.RATE)
SPLITS = ("train", "validation", "test")
UTTERANCES_PER_SPEAKER = 3
"""The number, unless that of speakers is given; a take of a speaker has no more."""
SECONDS_PER_SPEAKER = 18.5
"""Seconds on average, pauses included, of that many utterances."""
LEAST_HELD_OUT = 8
"""Speakers in validation and in test: fewer than that make no interval."""


def key(minutes: float, seed: int) -> str:
    """The name of a corpus: all that decides its content."""
    return f"synthetic-{minutes:g}min-seed{seed}-v{VERSION}"


@dataclass(frozen=True)
class Speaker:
    """A speaker: everything about them follows from this."""

    split: str
    number: int
    seed: int
    n_utterances: int = UTTERANCES_PER_SPEAKER

    @property
    def name(self) -> str:
        return f"{self.split}{self.number:05d}"

    def utterances(self) -> list[str]:
        return [f"{self.name}-{i:04d}" for i in range(self.n_utterances)]

    def takes(self) -> list[list[str]]:
        """The utterances, as many together as one process speaks."""
        names = self.utterances()
        return [names[i : i + UTTERANCES_PER_SPEAKER] for i in range(0, len(names), UTTERANCES_PER_SPEAKER)]


def speakers(minutes: float, seed: int, n_speakers: int | None = None) -> list[Speaker]:
    """The speakers of a corpus, split by split.

    Args:
        minutes: of speech in the training split; validation and test add a quarter each, of other speakers.
        n_speakers: in each split (held out at least 8), who share its minutes and say at least an utterance each; as
            many as the minutes need unless given.
    """
    if n_speakers is None:
        n_train = max(2, round(minutes * 60 / SECONDS_PER_SPEAKER))
        n_held_out = max(LEAST_HELD_OUT, round(n_train / 4))
        counts = {"train": n_train, "validation": n_held_out, "test": n_held_out}
        return [Speaker(split, number, seed) for split in SPLITS for number in range(counts[split])]
    everyone = []
    for split in SPLITS:
        n = n_speakers if split == "train" else max(LEAST_HELD_OUT, n_speakers)
        seconds = minutes * 60 / (1 if split == "train" else 4)
        n_utterances = max(n, round(seconds / SECONDS_PER_SPEAKER * UTTERANCES_PER_SPEAKER))
        each, rest = divmod(n_utterances, n)
        everyone += [Speaker(split, number, seed, each + (number < rest)) for number in range(n)]
    return everyone


def n_bytes(everyone: list[Speaker]) -> int:
    """Bytes on disk, about: 1.1 MB a minute."""
    n_utterances = sum(speaker.n_utterances for speaker in everyone)
    return round(n_utterances / UTTERANCES_PER_SPEAKER * SECONDS_PER_SPEAKER / 60 * 1.1e6)


def say(speaker: Speaker, take: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """The utterances of a take: [(features (T, 28) float32, labels (T,) uint8)]."""
    origin = [speaker.seed, SPLITS.index(speaker.split), speaker.number]
    rng = np.random.default_rng(origin)
    voice = voices.draw(rng)
    if take:
        rng = np.random.default_rng([*origin, take])
    texts = [_phrases(voice, rng) for _ in range(UTTERANCES_PER_SPEAKER)]
    texts = texts[: len(speaker.takes()[take])]  # after all are drawn: a longer take begins with the shorter one
    speech = iter(espeak.speak(voice.text, [phrase for text in texts for phrase in text]))
    result = []
    for text in texts:
        samples, labels = join([next(speech) for _ in text], rng)
        frames = FEATURES.compute(augment.record(samples, SAMPLE_RATE, labels != 0, rng))
        at = mfcc.centres(len(frames), augment.RATE) * SAMPLE_RATE // augment.RATE
        result.append((frames, labels[at]))
    return result


def _phrases(voice: voices.Voice, rng: np.random.Generator) -> list[Phrase]:
    """One utterance: 2 to 4 phrases of 3 to 9 words."""
    rate = voice.rate * rng.uniform(0.93, 1.07)
    pitch, pitch_range = rng.integers(42, 59), rng.integers(35, 66)
    words, probabilities = lexicon()
    phrases = []
    for _ in range(rng.integers(2, 5)):
        draws = rng.choice(len(words), size=rng.integers(3, 10), p=probabilities)
        text = " ".join(words[i] for i in draws)
        phrases.append(Phrase(text, round(rate), int(pitch), int(pitch_range), int(rng.integers(1, 2**31))))
    return phrases


def join(phrases: list[Speech], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Phrases -> (N,) int16 samples and (N,) uint8 labels of an utterance, with silence around and between them."""
    silences = [rng.uniform(0.1, 0.35), *rng.uniform(0.12, 0.5, len(phrases) - 1), rng.uniform(0.1, 0.35)]  # seconds
    gaps = [np.zeros(int(seconds * SAMPLE_RATE), np.int16) for seconds in silences]
    samples, labels = [gaps[0]], [gaps[0].astype(np.uint8)]
    for phrase, gap in zip(phrases, gaps[1:], strict=True):
        samples += [phrase.samples, gap]
        labels += [espeak_phones.label(phrase.samples, phrase.events), gap.astype(np.uint8)]
    return np.concatenate(samples), np.concatenate(labels)


@lru_cache
def lexicon() -> tuple[tuple[str, ...], np.ndarray]:
    """The commonest English words as espeak mnemonics, and how often each is drawn: (W,) probabilities.

    Frequencies are raised to 0.7: a few function words would be nearly all that is said.
    """
    with Path(__file__).with_name("lexicon.tsv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    weights = np.array([float(row["frequency"]) for row in rows]) ** 0.7
    return tuple(espeak_phones.mnemonics(row["pronunciation"].split()) for row in rows), weights / weights.sum()
