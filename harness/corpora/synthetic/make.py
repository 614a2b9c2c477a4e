"""The making of the synthetic corpus' files, on all cores; one that was stopped goes on where it was."""

import csv
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from harness.corpora import features
from harness.corpora.synthetic import espeak, sentences
from harness.corpora.synthetic.sentences import SPLITS, Speaker
from harness.files import Count, put_in_place, replacing
from harness.phones import PHONEMES


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call."""

    frames: dict[str, int]
    """Frames of each split."""
    spoken: int
    """Frames of this call; the others were there."""


def make(
    root: Path,
    *,
    minutes: float,
    seed: int,
    n_speakers: int | None = None,
    processes: int | None = None,
    progress: Count | None = None,
) -> Outcome:
    """Write a corpus in the HW1P2 layout to `root`; it appears there when it is whole.

    What an earlier call with the same arguments left unfinished beside it is used.

    Args:
        minutes, seed, n_speakers: as `synthetic.speakers`.
        processes: that speak at once; as many as there are cores unless given. They do not change a byte.
        progress: called with (takes done, all takes).

    Raises:
        UserError: the synthesiser is not installed.
        RunFailed: it died.
    """
    espeak.find()
    everyone = sentences.speakers(minutes, seed, n_speakers)
    unfinished = root.with_name(root.name + ".unfinished")
    recipe = _recipe(minutes, seed, n_speakers)
    recipe_file = unfinished / "recipe.json"
    if not recipe_file.exists() or recipe_file.read_text(encoding="utf-8") != recipe:
        shutil.rmtree(unfinished, ignore_errors=True)
    for split in SPLITS:
        for kind in ("mfcc", "transcript"):
            (unfinished / split / kind).mkdir(parents=True, exist_ok=True)
    recipe_file.write_text(recipe, encoding="utf-8")
    _describe(unfinished, everyone)
    _remove_strangers(unfinished, everyone)
    outcome = _speak_all(everyone, unfinished, processes or os.cpu_count() or 1, progress)
    put_in_place(unfinished, root)
    return outcome


def _speak_all(everyone: list[Speaker], root: Path, at_once: int, progress: Count | None) -> Outcome:
    # Threads suffice: the engine speaks in processes of its own, and numpy lets go of the interpreter. Its matrix
    # products are small; with threads of their own under ours they cost half as much again.
    pool = ThreadPoolExecutor(at_once)
    frames, n_spoken = dict.fromkeys(SPLITS, 0), 0
    with threadpool_limits(1, user_api="blas"):
        try:
            takes = [(speaker, take) for speaker in everyone for take in range(len(speaker.takes()))]
            jobs = {pool.submit(_write_take, *take, root): take[0].split for take in takes}
            for done, job in enumerate(as_completed(jobs), start=1):
                n_frames, was_there = job.result()
                frames[jobs[job]] += n_frames
                n_spoken += 0 if was_there else n_frames
                if progress:
                    progress(done, len(takes))
        finally:
            pool.shutdown(cancel_futures=True)  # after a failure or Ctrl-C: those who speak finish, within a second
    return Outcome(frames, n_spoken)


def _write_take(speaker: Speaker, take: int, root: Path) -> tuple[int, bool]:
    """Speak, unless the files are there; their frames, and whether they were there."""
    names = speaker.takes()[take]
    folder = root / speaker.split
    files = [(folder / "mfcc" / f"{name}.npy", folder / "transcript" / f"{name}.npy") for name in names]
    if all(file.exists() for pair in files for file in pair):
        return sum(len(np.load(frames, mmap_mode="r")) for frames, _ in files), True
    n_frames = 0
    for (features_file, transcript_file), (frames, labels) in zip(files, sentences.say(speaker, take), strict=True):
        transcript = np.array(["[SOS]", *(PHONEMES[label] for label in labels), "[EOS]"], dtype="<U5")
        _save(features_file, frames)
        _save(transcript_file, transcript)
        n_frames += len(frames)
    return n_frames, False


def _save(file: Path, array: np.ndarray) -> None:
    """Write an array, whole or not at all, also after a kill."""
    with replacing(file, sync=False) as temporary, temporary.open("wb") as stream:  # the folder is not yet in its place
        np.save(stream, array)


def _remove_strangers(root: Path, everyone: list[Speaker]) -> None:
    for split in SPLITS:
        names = {f"{name}.npy" for speaker in everyone if speaker.split == split for name in speaker.utterances()}
        for file in (root / split).glob("*/*"):
            if file.name not in names:
                file.unlink()


def _recipe(minutes: float, seed: int, n_speakers: int | None) -> str:
    facts = {"corpus": "synthetic", "version": sentences.VERSION, "minutes": minutes, "seed": seed}
    if n_speakers is not None:
        facts["speakers"] = n_speakers
    return json.dumps(facts | {"phonemes": PHONEMES}, indent=1) + "\n"


def _describe(folder: Path, everyone: list[Speaker]) -> None:
    with (folder / "speakers.csv").open("w", encoding="utf-8", newline="") as table:
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["utterance", "speaker"])
        rows.writerows([utterance, speaker.name] for speaker in everyone for utterance in speaker.utterances())
    features.write(folder, sentences.FEATURES)
    (folder / "README.txt").write_text(" ".join(_README.split()) + "\n", encoding="utf-8")


_README = """
Synthetic speech with exact phoneme labels, in the HW1P2 layout: SPLIT/mfcc/NAME.npy (T, 28) float32, a frame every
10 ms; SPLIT/transcript/NAME.npy (T + 2,) strings, [SOS] first and [EOS] last. Made by harness.corpora.synthetic with
the settings in recipe.json: random sequences of common English words, spoken by espeak-ng in randomly drawn voices,
with a room, a channel and noise added. No voice is in two splits. It can be deleted: it is made again, the same, when
it is needed.
"""
