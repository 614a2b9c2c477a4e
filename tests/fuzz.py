"""Damaged files for everything that reads one: seeded mutations, and what must hold whatever the file says.

A reader returns or refuses (UserError, and ValueError inside an import). Anything else is a defect, as is a case that
takes over ten seconds, or an array that takes more memory than twice its file.

    python -m tests.fuzz SECONDS [SEED] [TARGET ...]

A case is replayed by its seed, target and number, which a failure prints.
"""

import io
import random
import re
import shutil
import sys
import tempfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from harness.corpora import audio, check, features, layout
from harness.corpora.alignments import index, textgrid
from harness.corpora.importing import phone_table, speaker_splits
from harness.corpora.kaggle import archive
from harness.errors import UserError
from harness.experiment.load import load
from harness.results import RunResult
from tests.records import make_record

LONGEST = 10.0
"""Seconds that a case may take."""
_PIECES = (
    b"\xff",
    b"\0",
    b'"',
    b"9" * 30,
    b"-",
    b"nan",
    b"1e999",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xe9",
    b"4_000",
    b"../",
    b"(",
)
_NUMBERS = (b"0", b"-1", b"99999999999", b"1" * 400, b"9" * 5000, b"inf", b"3.5", b"2_0", b"1180591620717411303424")


@dataclass(frozen=True)
class Target:
    """One kind of file."""

    read: Callable[[Path, bytes], None]
    """Given a folder of its own and the content."""
    samples: tuple[bytes, ...]
    """Sound files, which are read."""
    refusals: tuple[type[Exception], ...] = (UserError,)
    is_array: bool = False


def mutated(rng: random.Random, content: bytes) -> bytes:
    """The content with one to four changes of the kinds that disks, editors and people make."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(data) + 1)
        match rng.randrange(9):
            case 0 if data:
                data[place % len(data)] ^= 1 << rng.randrange(8)
            case 1:
                del data[place : place + rng.randrange(1, 9)]
            case 2:
                del data[place:]
            case 3:
                data[place:place] = rng.choice(_PIECES)
            case 4 if data:
                other = rng.randrange(len(data))
                data[place:place] = data[other : other + rng.randrange(1, 40)]
            case 5:
                data = bytearray(bytes(data).decode("latin-1").encode(rng.choice(("utf-16", "utf-16-le", "utf-8-sig"))))
            case 6:
                data[place:place] = rng.choice((b"[", b'{"a":', b"(")) * rng.choice((10, 3000))
            case 7 if numbers := list(re.finditer(rb"[0-9]+", bytes(data))):
                number = rng.choice(numbers)
                data[number.start() : number.end()] = rng.choice(_NUMBERS)
            case _:
                data[:0] = b"\xef\xbb\xbf"
    return bytes(data)


def case(name: str, target: Target, seed: int, number: int, folder: Path) -> bool:
    """Whether a case was read; false if it was refused.

    Raises:
        AssertionError: it broke the rules; says how to replay it.
    """
    rng = random.Random(f"{seed} {name} {number}")
    content = mutated(rng, rng.choice(target.samples))
    started = time.monotonic()
    if target.is_array:
        tracemalloc.start()
    try:
        target.read(folder, content)
        is_read = True
    except target.refusals as refusal:
        is_read = not str(refusal).strip()  # without a word it is no refusal
    except BaseException as error:
        raise AssertionError(f"{name}, seed {seed}, case {number}: {type(error).__name__}: {error}") from error
    finally:
        peak = tracemalloc.get_traced_memory()[1] if target.is_array else 0
        tracemalloc.stop()
    assert peak <= 2 * len(content) + 2_000_000, f"{name}, seed {seed}, case {number}: {peak:,} bytes of memory"
    took = time.monotonic() - started
    assert took < LONGEST, f"{name}, seed {seed}, case {number}: took {took:.0f} s"
    return is_read


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


_FRAMES = np.random.default_rng(0).normal(size=(5, 3))
_MFCC = _npy(_FRAMES.astype(np.float32))
_TRANSCRIPT = _npy(np.array(["[SOS]", "AA", "AA", "S", "S", "[SIL]", "[EOS]"]))


def _of_corpus(name: str) -> Callable[[Path, bytes], None]:
    def read(folder: Path, content: bytes) -> None:
        for own in ("mfcc", "transcript"):
            (folder / "train" / own).mkdir(parents=True, exist_ok=True)
        (folder / "train/mfcc/a-1.npy").write_bytes(_MFCC)
        (folder / "train/transcript/a-1.npy").write_bytes(_TRANSCRIPT)
        (folder / name).write_bytes(content)
        refusals, _ = check.check(folder)
        layout.phonemes_of(folder), layout.speakers_of(folder), features.read(folder)
        if refusals:
            raise UserError("\n".join(refusals))

    return read


def _alignment(ending: str) -> Callable[[Path, bytes], None]:
    def read(folder: Path, content: bytes) -> None:
        (folder / f"x{ending}").write_bytes(content)
        for files in index.find(folder / f"x{ending}").by_name.values():
            segments = index.read(files[0], rate=16000)
            assert np.isfinite([(segment.start, segment.end) for segment in segments]).all()

    return read


def _sound(ending: str) -> Callable[[Path, bytes], None]:
    def read(folder: Path, content: bytes) -> None:
        (folder / f"x{ending}").write_bytes(content)
        samples, _ = audio.read(folder / f"x{ending}")
        assert np.isfinite(samples).all()

    return read


def _recording(form: str) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, (1000 * _FRAMES.ravel()).astype(np.int16).repeat(50), 16000, format=form, subtype="PCM_16")
    return stream.getvalue()


def _table(folder: Path, content: bytes) -> None:
    (folder / "own.tsv").write_bytes(content)
    phone_table.load(str(folder / "own.tsv"))


def _splits(folder: Path, content: bytes) -> None:
    (folder / "splits.csv").write_bytes(content)
    for split in speaker_splits.read(folder / "splits.csv", ["a", "b"]).values():
        assert (folder / split).resolve().parent == folder.resolve()


def _experiment(folder: Path, content: bytes) -> None:
    (folder / "experiment.toml").write_bytes(content)
    load(folder / "experiment.toml")


def _archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("corpus/train/mfcc/a.npy", _MFCC)
        zipped.writestr("corpus/train/transcript/a.npy", _TRANSCRIPT)
        zipped.writestr("corpus/phonemes.txt", "AA S")
    return stream.getvalue()


def _unpack(folder: Path, content: bytes) -> None:
    (folder / "corpus.zip").write_bytes(content)
    shutil.rmtree(folder / "out", ignore_errors=True)
    archive.unpack(folder / "corpus.zip", folder / "out")
    assert {path.name for path in folder.iterdir()} <= {"corpus.zip", "out"}


def _result_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        make_record(n_arms=1, n_seeds=1, n_speakers=2, n_trials=0).arms[0].finals[0].save(Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _result(name: str, files: dict[str, bytes]) -> Target:
    def read(folder: Path, content: bytes) -> None:
        for own, whole in files.items():
            (folder / own).write_bytes(content if own == name else whole)
        RunResult.load(folder)
        assert content == files[name], "a changed file is taken for whole"

    return Target(read, (files[name],))


def _textgrid() -> bytes:
    labels = np.array([0, 0, 1, 1, 0])
    return textgrid.text([("phones", labels, ("AA", "S"))], np.arange(6) / 100).encode()


def targets() -> dict[str, Target]:
    """Every kind of file by its name."""
    result, in_import = _result_files(), (UserError, ValueError)
    return {
        "mfcc": Target(
            _of_corpus("train/mfcc/a-1.npy"), (_MFCC, _npy(_FRAMES), _npy(np.asfortranarray(_FRAMES))), is_array=True
        ),
        "transcript": Target(_of_corpus("train/transcript/a-1.npy"), (_TRANSCRIPT,), is_array=True),
        "speakers.csv": Target(_of_corpus("speakers.csv"), (b'utterance,speaker\na-1,a\nb-1,"b"\n',)),
        "phonemes.txt": Target(_of_corpus("phonemes.txt"), (b"[SIL]\nAA\nS\n",)),
        "features.json": Target(
            _of_corpus("features.json"), (b'{"kind": "mfcc", "rate": 16000, "n_coefficients": 3, "low": 20.0}',)
        ),
        "phn": Target(_alignment(".phn"), (b"0 100 h#\n100 4000 aa\n", b"0.0 0.5 h#\n0.5 1.25 aa\n"), in_import),
        "lab": Target(
            _alignment(".lab"), (b"0 1000000 sil\n1000000 2000000 aa\n", b"x\n#\n0.1 121 pau\n0.5 121 aa\n"), in_import
        ),
        "ctm": Target(_alignment(".ctm"), (b"u1 1 0.0 0.5 AA\nu1 1 0.5 0.25 S\nu2 1 0 1 SIL 0.9\n",), in_import),
        "textgrid": Target(_alignment(".TextGrid"), (_textgrid(),), in_import),
        "wav": Target(_sound(".wav"), (_recording("WAV"),), in_import),
        "flac": Target(_sound(".flac"), (_recording("FLAC"),), in_import),
        "sphere": Target(_sound(".sph"), (_recording("NIST"),), in_import),
        "phone table": Target(_table, (b"classes: [SIL] AA S\nh# [SIL]\naa AA before s\ns S\n",)),
        "splits": Target(_splits, (b"speaker,split\na,train\nb,test\n",)),
        "experiment": Target(_experiment, (Path(__file__).parents[1].joinpath("experiments/smoke.toml").read_bytes(),)),
        "zip": Target(_unpack, (_archive(),)),
        "result.json": _result("result.json", result),
        "arrays.npz": _result("arrays.npz", result),
    }


def main(seconds: float, seed: int, names: list[str]) -> int:
    """The number of failures in the time, spread over the targets."""
    chosen = {name: target for name, target in targets().items() if not names or name in names}
    n_failures = 0
    for name, target in chosen.items():
        ends, number, n_read = time.monotonic() + seconds / len(chosen), 0, 0
        with tempfile.TemporaryDirectory() as folder:
            while time.monotonic() < ends and number < 10_000:
                try:
                    n_read += case(name, target, seed, number, Path(folder))
                except AssertionError as failure:
                    print(failure)
                    n_failures += 1
                number += 1
        print(f"{name}: seed {seed}, {number:,} cases, {n_read:,} read, {number - n_read:,} refused", flush=True)
    print(f"{n_failures} failures")
    return n_failures


if __name__ == "__main__":
    arguments = sys.argv[1:]
    chosen_seed = int(arguments[1]) if len(arguments) > 1 else int(time.time())
    sys.exit(main(float(arguments[0]), chosen_seed, arguments[2:]) > 0)
