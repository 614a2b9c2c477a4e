"""The default corpus: made-up sentences in made-up voices, real waveforms, exact phoneme times.

Common English words in random order are spoken by espeak-ng, a voice of its own for each speaker, recorded in a room
with noise (`augment`), and labelled by the times that the synthesiser gives (`espeak_phones`).

The same bytes on one machine whatever the number of processes, and a bigger corpus begins with the smaller one: a
speaker is drawn from (seed, split, number) alone and speaks in a process of their own; more minutes are more speakers.
"""

import csv
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from harness.corpora import augment, espeak, espeak_phones, features, mfcc, voices
from harness.corpora.espeak import SAMPLE_RATE, Phrase, Spoken
from harness.corpora.features import Features
from harness.corpora.phones import PHONEMES

VERSION = 1
"""Raised with every change of the recipe that changes a byte."""

FEATURES = Features(rate=augment.RATE)
SPLITS = ("train", "validation", "test")
UTTERANCES_PER_SPEAKER = 3
SECONDS_PER_SPEAKER = 18.5
"""On average, pauses included."""
LEAST_HELD_OUT = 8
"""Speakers in validation and in test: fewer than that make no interval."""


def key(minutes: float, seed: int) -> str:
    """The name of a corpus: all that decides its content."""
    return f"synthetic-{minutes:g}min-seed{seed}-v{VERSION}"


@dataclass(frozen=True)
class Speaker:
    """Who speaks: everything about them follows from this."""

    split: str
    number: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.split}{self.number:05d}"

    def utterances(self) -> list[str]:
        return [f"{self.name}-{i:04d}" for i in range(UTTERANCES_PER_SPEAKER)]


def speakers(minutes: float, seed: int) -> list[Speaker]:
    """All speakers of a corpus, split by split."""
    n_train = max(2, round(minutes * 60 / SECONDS_PER_SPEAKER))
    n_held_out = max(LEAST_HELD_OUT, round(n_train / 4))
    counts = {"train": n_train, "validation": n_held_out, "test": n_held_out}
    return [Speaker(split, number, seed) for split in SPLITS for number in range(counts[split])]


def make(
    root: Path,
    *,
    minutes: float,
    seed: int,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a corpus in the HW1P2 layout to `root`; it appears there when it is whole.

    Args:
        minutes: of speech in the training split; validation and test add a quarter each, of other speakers.
        processes: that speak at once; as many as there are cores unless given. They do not change a byte.
        progress: called with (speakers done, all speakers).

    Raises:
        UserError: the synthesiser is not installed.
        RunFailed: it died.
    """
    espeak.find()
    everyone = speakers(minutes, seed)
    unfinished = root.with_name(root.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for split in SPLITS:
        (unfinished / split / "mfcc").mkdir(parents=True)
        (unfinished / split / "transcript").mkdir()
    _speak_all(everyone, unfinished, processes or os.cpu_count() or 1, progress)
    _describe(unfinished, minutes, seed, everyone)
    unfinished.rename(root)


def _speak_all(everyone: list[Speaker], root: Path, at_once: int, progress: Callable[[int, int], None] | None) -> None:
    # Threads suffice: the engine speaks in processes of its own, and numpy lets go of the interpreter. Its matrix
    # products are small; with threads of their own under ours they cost half as much again.
    pool = ThreadPoolExecutor(at_once)
    with threadpool_limits(1, user_api="blas"):
        try:
            jobs = [pool.submit(_write_speaker, speaker, root / speaker.split) for speaker in everyone]
            for done, job in enumerate(as_completed(jobs), start=1):
                job.result()
                if progress:
                    progress(done, len(everyone))
        finally:
            pool.shutdown(cancel_futures=True)  # after a failure or Ctrl-C: those who speak finish, within a second


def _write_speaker(speaker: Speaker, folder: Path) -> None:
    for name, (frames, labels) in zip(speaker.utterances(), say(speaker), strict=True):
        transcript = np.array(["[SOS]", *(PHONEMES[label] for label in labels), "[EOS]"], dtype="<U5")
        np.save(folder / "mfcc" / f"{name}.npy", frames)
        np.save(folder / "transcript" / f"{name}.npy", transcript)


def say(speaker: Speaker) -> list[tuple[np.ndarray, np.ndarray]]:
    """A speaker's utterances: [(features (T, 28) float32, labels (T,) uint8)]."""
    rng = np.random.default_rng([speaker.seed, SPLITS.index(speaker.split), speaker.number])
    voice = voices.draw(rng)
    texts = [_phrases(voice, rng) for _ in range(UTTERANCES_PER_SPEAKER)]
    spoken = iter(espeak.speak(voice.text, [phrase for text in texts for phrase in text]))
    result = []
    for text in texts:
        samples, labels = join([next(spoken) for _ in text], rng)
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
        chosen = rng.choice(len(words), size=rng.integers(3, 10), p=probabilities)
        text = " ".join(words[i] for i in chosen)
        phrases.append(Phrase(text, round(rate), int(pitch), int(pitch_range), int(rng.integers(1, 2**31))))
    return phrases


def join(spoken: list[Spoken], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Phrases -> (N,) int16 samples and (N,) uint8 labels of an utterance, with silence around and between them."""
    silences = [rng.uniform(0.1, 0.35), *rng.uniform(0.12, 0.5, len(spoken) - 1), rng.uniform(0.1, 0.35)]  # seconds
    gaps = [np.zeros(int(seconds * SAMPLE_RATE), np.int16) for seconds in silences]
    samples, labels = [gaps[0]], [gaps[0].astype(np.uint8)]
    for phrase, gap in zip(spoken, gaps[1:], strict=True):
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


def _describe(folder: Path, minutes: float, seed: int, everyone: list[Speaker]) -> None:
    with (folder / "speakers.csv").open("w", encoding="utf-8", newline="") as table:
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["utterance", "speaker"])
        rows.writerows([utterance, speaker.name] for speaker in everyone for utterance in speaker.utterances())
    features.write(folder, FEATURES)
    recipe = {"corpus": "synthetic", "version": VERSION, "minutes": minutes, "seed": seed, "phonemes": PHONEMES}
    (folder / "recipe.json").write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")
    (folder / "README.txt").write_text(" ".join(_README.split()) + "\n", encoding="utf-8")


_README = """
Synthetic speech with exact phoneme labels, in the HW1P2 layout: SPLIT/mfcc/NAME.npy (T, 28) float32, a frame every
10 ms; SPLIT/transcript/NAME.npy (T + 2,) strings, [SOS] first and [EOS] last. Made by harness.corpora.synthetic with
the settings in recipe.json: random sequences of common English words, spoken by espeak-ng in randomly drawn voices,
with a room, a channel and noise added. No voice is in two splits. It can be deleted: it is made again, the same, when
it is needed.
"""
