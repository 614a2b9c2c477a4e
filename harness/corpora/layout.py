"""The HW1P2 layout (CMU 11-785), the project's native one: `ROOT/<split>/{mfcc,transcript}/NAME.npy`.

mfcc is (T, D) float; transcript is (T + 2,) strings with [SOS] first and [EOS] last, or (T,) without them. A split
without `transcript/` is unlabelled. Pairs are matched by name. Speakers come from `ROOT/speakers.csv`
(`utterance,speaker`), else from the name up to its first "-". `ROOT/phonemes.txt`, one a line, replaces the 40 classes.
`ROOT/features.json` says how the frames were made.
Nothing is repaired: whatever is wrong is refused, every utterance by name.
"""

import hashlib
import io
import math
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness import phones
from harness.corpora import features, store, text
from harness.errors import Damaged, UserError
from harness.files import UNREADABLE, Count, temporary_folder

_MOST_LINES = 20  # refusals told one by one; the rest are counted
_FORMAT = 4  # of the store; part of its key
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(<f4|<U\d+)', 'fortran_order': False, 'shape': \(([\d, ]+)\), \} *\n", re.DOTALL
)


def splits(root: Path) -> list[str]:
    """The splits of a corpus: its folders that hold `mfcc/`."""
    return sorted(folder.parent.name for folder in root.glob("*/mfcc") if folder.is_dir())


def check_root(root: Path) -> None:
    """Refuse a folder that is no corpus.

    Raises:
        UserError: no such folder, or no split in it.
    """
    if not root.is_dir():
        raise UserError(
            f"{root}: no such folder; a corpus is a folder ROOT/<split>/mfcc/*.npy, or the name 'synthetic'"
        )
    if not splits(root):
        raise UserError(f"{root}: it has no folder <split>/mfcc; a corpus is a folder ROOT/<split>/mfcc/*.npy")


def load(root: Path, split: str, stores: Path, progress: Count | None = None) -> store.Part:
    """A split, read through its store, which is made on first use and again when a file of the split has changed.

    Raises:
        UserError: no such corpus or split, or utterances that are refused; each is named.
    """
    _check_split(root, split)
    phonemes, own_features = phonemes_of(root), features.read(root)
    folder = stores / _key(root, split, phonemes)
    part = _stored(folder)
    if part is None:
        whole = _all_utterances(root / split, phonemes, speakers_of(root), progress)
        store.write(folder, split, phonemes, whole)
        part = store.read(folder)
    if own_features and own_features.width != part.d_features:
        raise UserError(f"{root / split}: {unlike(own_features, part.d_features)}")
    return replace(part, features=own_features)


def _stored(folder: Path) -> store.Part | None:
    """A store that was made before; None if there is none, or none that can be used: that one is removed, and said."""
    if not folder.exists():
        return None
    try:
        return store.read(folder)
    except FileNotFoundError as error:
        damage = f"{folder}: is damaged ({Path(error.filename).name} is missing)"
    except Damaged as error:
        damage = str(error)
    print(f"{damage}; it is made again from the corpus", file=sys.stderr)
    with temporary_folder(folder.parent, folder.name) as aside:
        folder.rename(aside / folder.name)  # another process may have it open
    return None


def unlike(own_features: features.Features, d_features: int) -> str:
    """The reason why frames cannot have been made as `features.json` says."""
    return (
        f"frames of {d_features} features; by {features.FILE} "
        f"({own_features.n_coefficients} coefficients, deltas {own_features.deltas}) they have {own_features.width}"
    )


def _check_split(root: Path, split: str) -> None:
    check_root(root)
    names = splits(root)
    if split not in names:
        raise UserError(f"{root}: no split {split!r}; the splits there are: {', '.join(names)}")


def phonemes_of(root: Path) -> tuple[str, ...]:
    """The classes of a corpus.

    Raises:
        UserError: `phonemes.txt` is no list of classes.
    """
    own = root / "phonemes.txt"
    if not own.exists():
        return phones.PHONEMES
    try:
        names = tuple(text.read(own).split())
    except ValueError as error:
        raise UserError(f"{own}: {error}") from None
    if len(set(names)) != len(names) or not 2 <= len(names) <= phones.MOST_CLASSES:
        allowed = f"2 to {phones.MOST_CLASSES} distinct ones are allowed"
        raise UserError(f"{own}: {len(names)} phonemes, {len(set(names))} distinct; {allowed}")
    return names


def _key(root: Path, split: str, phonemes: Sequence[str]) -> str:
    """A name for the store that changes with any file of the split (by name, size and time of change)."""
    rows = []
    for kind in ("mfcc", "transcript"):
        if (root / split / kind).is_dir():
            with os.scandir(root / split / kind) as files:
                rows += [f"{kind}/{file.name}\0{_stamp(file.stat())}" for file in files if file.name.endswith(".npy")]
    own = root / "speakers.csv"
    rows = sorted(rows) + ([f"{own.name}\0{_stamp(own.stat())}"] if own.exists() else [])
    return hashlib.blake2b("\n".join([f"{_FORMAT}", f"{phonemes}", *rows]).encode(), digest_size=16).hexdigest()


def _stamp(stat: os.stat_result) -> str:
    """A mark that changes with a file."""
    return f"{stat.st_size}\0{stat.st_mtime_ns}"


def speakers_of(root: Path) -> dict[str, str] | None:
    """Utterance to speaker as `speakers.csv` has it; None without one.

    Raises:
        UserError: lines that are no such pair, or give an utterance two speakers.
    """
    path = root / "speakers.csv"
    if not path.exists():
        return None
    try:
        rows = text.rows(path)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    if not rows or rows[0] != ["utterance", "speaker"]:
        raise UserError(f"{path}:1: the first line is {','.join(rows[0]) if rows else ''!r}, not 'utterance,speaker'")
    odd = [(n, ",".join(row)) for n, row in enumerate(rows, 1) if len(row) != 2]
    if odd:
        raise UserError("\n".join(f"{path}:{n}: {row!r} is not 'utterance,speaker'" for n, row in odd[:_MOST_LINES]))
    speakers = dict(reversed(rows[1:]))
    torn = [(n, name, who) for n, (name, who) in enumerate(rows[1:], 2) if speakers[name] != who]
    if torn:
        lines = [
            f"{path}:{n}: {name!r} is of {who!r}; an earlier line says {speakers[name]!r}" for n, name, who in torn
        ]
        raise UserError("\n".join(lines[:_MOST_LINES]))
    return speakers


def _all_utterances(
    folder: Path, phonemes: Sequence[str], speakers: dict[str, str] | None, progress: Count | None
) -> Iterator[store.Utterance]:
    """The utterances of a split, all of which have to be sound; see `utterances`.

    Raises:
        UserError: after the last utterance, with a line for each that is refused.
    """
    refusals: list[str] = []
    yield from utterances(folder, phonemes, speakers, refusals, progress)
    if refusals:
        more = [f"... and {len(refusals) - _MOST_LINES} more"] if len(refusals) > _MOST_LINES else []
        n_utterances = len(_names(folder)[0])
        head = f"{folder}: {len(refusals)} of {n_utterances} utterances are refused; correct or remove these files:"
        raise UserError("\n".join([head, *refusals[:_MOST_LINES], *more]))


def utterances(
    folder: Path,
    phonemes: Sequence[str] | None,
    speakers: dict[str, str] | None,
    refusals: list[str],
    progress: Count | None = None,
) -> Iterator[store.Utterance]:
    """The sound utterances of a split, in the order of their names.

    Args:
        phonemes: the classes; None leaves transcripts unread.
        refusals: gets a line for every utterance that is refused, the last ones at the end of the iteration.

    Raises:
        UserError: there is no utterance.
    """
    names, alone = _names(folder)
    refusals += alone
    labelled = phonemes is not None and (folder / "transcript").is_dir()
    d_features = None

    for done, name in enumerate(names, start=1):
        utterance: store.Utterance | str
        try:
            utterance = _read(folder, name, phonemes if labelled else None, speakers)
            d_features = d_features or utterance.frames.shape[1]
            if utterance.frames.shape[1] != d_features:
                utterance = f"{utterance.frames.shape[1]} features a frame; {names[0]} has {d_features}"
        except ValueError as refusal:
            utterance = str(refusal)
        except SystemError:  # Python's, of strings whose bytes are no characters
            utterance = "transcript holds bytes that are no characters; the file is damaged"
        if isinstance(utterance, str):
            refusals.append(f"{folder.name}/{name}: {utterance}")
        else:
            yield utterance
        if progress:
            progress(done, len(names))


def _names(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the utterances, and a refusal for each that lacks its partner."""
    frames, out = _names_of(folder, "mfcc")
    if not frames:
        raise UserError(f"{folder / 'mfcc'}: no .npy file in it")
    if not (folder / "transcript").is_dir():
        return sorted(frames - out.keys()), sorted(out.values())
    labels, more = _names_of(folder, "transcript")
    out |= more
    alone = [(name, "mfcc", "transcript") for name in sorted(frames - labels)]
    alone += [(name, "transcript", "mfcc") for name in sorted(labels - frames)]
    refusals = [f"{folder.name}/{n}: {has}/{n}.npy has no {no}/{n}.npy" for n, has, no in alone]
    return sorted((frames & labels) - out.keys()), [*refusals, *sorted(out.values())]


def _names_of(folder: Path, kind: str) -> tuple[set[str], dict[str, str]]:
    """The names of a kind's files, and a refusal by name of each that is a link to a file outside the corpus."""
    names, out = set(), {}
    corpus = folder.parent.resolve()
    with os.scandir(folder / kind) as files:
        for file in files:
            name, ending = os.path.splitext(file.name)  # noqa: PTH122  # many files
            if ending != ".npy":
                continue
            names.add(name)
            if file.is_symlink() and not (target := Path(file.path).resolve()).is_relative_to(corpus):
                out[name] = f"{folder.name}/{name}: {kind}/{name}.npy is a link out of the corpus, to {target}"
    return names, out


def _read(folder: Path, name: str, phonemes: Sequence[str] | None, speakers: dict[str, str] | None) -> store.Utterance:
    frames = _load(f"{folder}/mfcc/{name}.npy")
    if frames.ndim != 2 or frames.dtype.kind != "f":
        raise ValueError(f"mfcc is {frames.dtype} of shape {frames.shape}; (frames, features) of floats is allowed")
    if frames.size == 0:
        raise ValueError(f"mfcc is empty, of shape {frames.shape}")
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers that are refused here
        frames = frames.astype(np.float32, copy=False)
        is_finite = bool(np.isfinite(frames.sum()) or np.isfinite(frames).all())  # a finite sum has finite terms
    if not is_finite:
        row, column = np.argwhere(~np.isfinite(frames))[0]
        raise ValueError(f"mfcc has {frames[row, column]} in frame {row}, coefficient {column}")
    labels = _labels(_load(f"{folder}/transcript/{name}.npy"), len(frames), phonemes) if phonemes else None
    if speakers is not None and name not in speakers:
        raise ValueError("speakers.csv has no line for it")
    return store.Utterance(name, speakers[name] if speakers else name.partition("-")[0], frames, labels)


def _load(path: str) -> np.ndarray:
    """An array as `np.load` gives it, without its parser where the header is the usual one.

    Takes no more memory than the file has bytes, whatever its header claims.
    """
    try:
        if not os.path.isfile(path):  # noqa: PTH113  # a Path for each of many files takes longer than reading
            raise ValueError("a folder, pipe or device")
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            content = file.read()
        usual = _HEADER.match(content)
        if usual is None or usual.end() % 64:
            return _unusual(content)
        shape = tuple(int(n) for n in usual[2].split(b",") if n.strip())
        return np.frombuffer(content, usual[1].decode(), offset=usual.end()).reshape(shape)
    except UNREADABLE as error:
        what = "holds pickled objects" if "allow_pickle" in str(error) else "is truncated or no npy file"
        raise ValueError(f"{'/'.join(Path(path).parts[-2:])} {what} ({error})") from error


def _unusual(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read_header:
        raise ValueError(f"npy of version {version[0]}.{version[1]}; 1.0 and 2.0 are read")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers that Python 2 wrote
        shape, is_fortran, dtype = read_header[version](stream)
    if dtype.hasobject:
        raise ValueError("allow_pickle")
    n_values, n_bytes = math.prod(shape), len(content) - stream.tell()
    if n_values * dtype.itemsize > n_bytes:
        raise ValueError(f"its header claims {n_values * dtype.itemsize:,} bytes of values, {n_bytes:,} are there")
    values = np.frombuffer(content, dtype, count=n_values, offset=stream.tell())
    return values.reshape(shape, order="F" if is_fortran else "C")


def _labels(transcript: np.ndarray, n_frames: int, phonemes: Sequence[str]) -> np.ndarray:
    """Labels (T,) uint8, indices into `phonemes`, of (T + 2,) or (T,) strings."""
    if transcript.ndim != 1 or transcript.dtype.kind != "U":
        what = f"{transcript.dtype} of shape {transcript.shape}"
        raise ValueError(f"transcript is {what}; (frames + 2,) strings is allowed")
    if len(transcript) and (transcript[0] == "[SOS]") != (transcript[-1] == "[EOS]"):
        raise ValueError("transcript has only one of [SOS] and [EOS]; both or neither is allowed")
    if len(transcript) and transcript[0] == "[SOS]":
        transcript = transcript[1:-1]
    if len(transcript) != n_frames:
        raise ValueError(f"{n_frames} frames in mfcc, {len(transcript)} labels in transcript (without [SOS] and [EOS])")
    order, ordered = _sorted(tuple(phonemes))
    place = np.minimum(np.searchsorted(ordered, transcript), len(phonemes) - 1)
    unknown = ordered[place] != transcript
    if unknown.any():
        row = int(np.argmax(unknown))
        raise ValueError(f"unknown phoneme {str(transcript[row])!r} at frame {row}; known are {' '.join(phonemes)}")
    labels: np.ndarray = order[place]
    return labels


@lru_cache
def _sorted(phonemes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Indices (C,) uint8 that sort the phonemes, and the sorted phonemes."""
    order = np.argsort(phonemes)
    return order.astype(np.uint8), np.asarray(phonemes)[order]
