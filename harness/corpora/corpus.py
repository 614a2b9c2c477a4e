"""Labelled utterances with speakers and splits, from whatever form they have to one: the frame store.

`open_corpus` takes the `[data]` settings and gives the three parts that a study needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from harness.corpora import check, features, layout
from harness.corpora.folds import deal, parts_of_fold, pooled
from harness.corpora.store import Part
from harness.errors import UserError
from harness.files import Report, count_of
from harness.settings import Data, SpeakerFraction, Synthetic

KNOWN = {"synthetic": "speech by espeak-ng with exact phone times, generated on first use"}


@dataclass(frozen=True)
class Corpus:
    """The parts of a corpus that a study sees."""

    name: str
    train: Part
    validation: Part
    test: Part
    digest: str
    """The digest of the content of all three; of a fold also of which speakers it has."""
    folds: tuple["Corpus", ...] = ()
    """With `data.folds`: each fold as a corpus of its own. All three parts are then all utterances."""

    def summary(self) -> dict[str, Any]:
        """Facts for `comparison.json`: name, digest, and per split the utterances, speakers and frames."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        if self.folds:
            folds = {f"fold {n}": fold.test.summary() for n, fold in enumerate(self.folds, 1)}
            return {
                "name": self.name,
                "digest": self.digest,
                "splits": {"test": self.test.summary()},
                "folds": folds,
            }
        return {"name": self.name, "digest": self.digest, "splits": {k: p.summary() for k, p in parts.items()}}


def open_corpus(data: Data, cache: Path, progress: Report | None = None) -> Corpus:
    """The corpus that `[data]` names, read, and on first use made.

    Args:
        cache: folder for made corpora and stores.

    Raises:
        UserError: the corpus is not there, is refused, or its splits share a speaker.
    """
    root = folder_of(data, cache, progress)

    names = [data.train, data.test] + ([data.validation] if isinstance(data.validation, str) else [])
    parts = load_splits(root, names, cache, progress, labelled=True)
    if data.folds:
        return _in_folds(data, list(parts.values()), cache)
    train, test = parts[data.train], parts[data.test]
    if isinstance(data.validation, SpeakerFraction):
        train, validation = split_speakers(train, data.validation.speakers)
    else:
        validation = parts[data.validation]
    _check(train, validation, test, same=data.validation == data.test)
    digest = "-".join(p.digest[:8] for p in (train, validation, test))
    return Corpus(data.corpus, train, validation, test, digest)


def _in_folds(data: Data, parts: Sequence[Part], cache: Path) -> Corpus:
    """The corpus of all speakers of these splits, with each fold of them.

    Raises:
        UserError: the splits differ in features or classes, share an utterance, or have too few speakers.
    """
    assert data.folds is not None
    _check_alike({part.split: part for part in parts})
    whole = pooled(parts, cache / "stores")
    of_utterances = deal(whole.speakers, whole.lengths, data.folds)
    fraction = data.validation.speakers if isinstance(data.validation, SpeakerFraction) else None
    digest = f"{whole.digest[:8]}-{data.folds}-folds" + (f"-{fraction:g}" if fraction else "")
    folds = [
        Corpus(data.corpus, *parts_of_fold(whole, of_utterances, fold, fraction), f"{digest}-{fold + 1}")
        for fold in range(data.folds)
    ]
    return Corpus(data.corpus, whole, whole, replace(whole, split="test"), digest, tuple(folds))


def folder_of(data: Data, cache: Path, progress: Report | None = None) -> Path:
    """The folder of a corpus; the synthetic one is made there first if need be."""
    if data.corpus == "synthetic":
        return _synthetic(data.synthetic or Synthetic(), cache, progress)
    return Path(data.corpus).expanduser()


def load_splits(
    root: Path, names: Sequence[str], cache: Path, progress: Report | None = None, labelled: bool = False
) -> dict[str, Part]:
    """Splits of a corpus by name.

    Args:
        labelled: a split without labels is refused.

    Raises:
        UserError: what is wrong with any of them.
    """

    def part(split: str) -> Part:
        own = layout.load(root, split, cache / "stores", count_of(progress, f"reading {split}"))
        if labelled and own.labels is None:
            raise UserError(f"{root / split}: no transcript/ in it; a comparison needs labelled splits")
        return own

    parts, refusals = {}, []
    for name in dict.fromkeys(names):
        try:
            parts[name] = part(name)
        except UserError as refusal:
            refusals.append(str(refusal))
    if refusals:
        raise UserError("\n".join(dict.fromkeys(refusals)))
    return parts


def split_speakers(train: Part, fraction: float) -> tuple[Part, Part]:
    """Split whole speakers off for validation: `fraction` of them, at least one, the same ones always.

    Raises:
        UserError: there are not two speakers.
    """
    speakers = np.unique(train.speakers)
    if len(speakers) < 2:
        raise UserError(f"{train.split}: {len(speakers)} speaker; taking validation from train needs at least 2")
    n_validation = min(max(1, round(fraction * len(speakers))), len(speakers) - 1)
    own = np.random.default_rng(0).permutation(speakers)[:n_validation]
    is_validation = np.isin(train.speakers, own)
    return train.select(~is_validation), replace(train.select(is_validation), split="validation")


def subset(part: Part, fraction: float, seed: int = 0) -> Part:
    """A fraction of a part by whole utterances: at least one, at random but the same ones for a seed, in their order.

    A larger fraction with the same seed contains a smaller one.
    """
    n = max(1, round(fraction * len(part.utterances)))
    sample = np.random.default_rng(seed).permutation(len(part.utterances))[:n]
    return part.select(np.sort(sample))


def _check(train: Part, validation: Part, test: Part, same: bool) -> None:
    parts = {"train": train, "validation": validation, "test": test}
    _check_alike(parts)
    pairs = [("train", "validation"), ("train", "test")] + ([] if same else [("validation", "test")])
    for a, b in pairs:
        shared = np.intersect1d(parts[a].speakers, parts[b].speakers)
        if len(shared):
            raise UserError(check.shared_speakers(f"{a} ({parts[a].split})", f"{b} ({parts[b].split})", shared))


def _check_alike(parts: Mapping[str, Part]) -> None:
    (first, model), *others = parts.items()
    for name, part in others:
        if part.phonemes != model.phonemes or part.d_features != model.d_features:
            raise UserError(
                f"{name} has {part.d_features} features and {len(part.phonemes)} classes; "
                f"{first} has {model.d_features} and {len(model.phonemes)}"
            )


def _synthetic(size: Synthetic, cache: Path, progress: Report | None) -> Path:
    from harness.corpora.synthetic import make, sentences

    root = cache / "corpora" / sentences.key(size.minutes, size.seed)
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{root}.lock"):  # two makers would be in each other's way
        if not root.exists():
            make.make(root, minutes=size.minutes, seed=size.seed, progress=count_of(progress, "speaking"))
        elif not (root / features.FILE).exists():  # made before there was such a file
            features.write(root, sentences.FEATURES)
    return root
