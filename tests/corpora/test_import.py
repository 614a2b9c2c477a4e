"""`harness data import`: recordings and labels to a corpus that is whole, the same always, and goes on after a kill."""

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from filelock import FileLock

from harness.cli.main import main
from harness.corpora import mfcc
from harness.corpora.corpus import open_corpus
from harness.corpora.features import Features
from harness.corpora.features import read as features_of
from harness.corpora.importing import folder, librispeech, phone_table, run, timit
from harness.corpora.importing.plan import Plan, Recipe
from harness.corpora.importing.speaker_splits import Fractions, draw
from harness.errors import UserError
from harness.settings import Data
from tests.command import HARNESS

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data"
RATE = 16000
PHONES = ["h#", "sh", "iy", "tcl", "ch", "q", "ae", "dx", "axr", "h#"]
CLASSES = ["[SIL]", "SH", "IY", "CH", "CH", "AE", "AE", "T", "ER", "[SIL]"]


def sound(path: Path, seed: int, seconds: float = 1.0, kind: str = "WAV", rate: int = RATE) -> int:
    """Write noise; its number of samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    n = round(seconds * rate)
    soundfile.write(path, np.random.default_rng(seed).normal(0, 1000, n).astype(np.int16), rate, format=kind)
    return n


def sentence(path: Path, seed: int, upper: bool = False, kind: str = "WAV", seconds: float = 1.0) -> None:
    """A TIMIT sentence: sound, phones and words; PHONES share its time equally."""
    n = sound(path.with_suffix(".WAV" if upper else ".wav"), seed, seconds, kind)
    edges = np.linspace(0, n, len(PHONES) + 1).round().astype(int)
    rows = "".join(f"{a} {b} {p}\n" for a, b, p in zip(edges, edges[1:], PHONES, strict=False))
    path.with_suffix(".PHN" if upper else ".phn").write_text(rows)
    path.with_suffix(".WRD" if upper else ".wrd").write_text(
        f"{edges[1]} {edges[5]} each\n{edges[5]} {edges[9]} atter\n"
    )


@pytest.fixture(scope="module")
def ldc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the LDC gives it, SPHERE and upper case: 3 training, 2 core test, 1 development, 1 other test speaker."""
    root = tmp_path_factory.mktemp("ldc") / "TIMIT"
    speakers = ["TRAIN/DR1/FCJF0", "TRAIN/DR1/MDAC0", "TRAIN/DR8/MBCG0", "TEST/DR1/MDAB0", "TEST/DR2/FPAS0"]
    for i, speaker in enumerate([*speakers, "TEST/DR1/FAKS0", "TEST/DR1/MREB9"]):
        for j, name in enumerate(["SA1", "SI1027", "SX37"]):
            sentence(root / speaker / name, 10 * i + j, upper=True, kind="NIST")
    return root


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six speakers of 8 utterances with .phn in seconds."""
    root = tmp_path_factory.mktemp("own") / "mine"
    for i in range(6):
        for j in range(8):
            name = root / f"speaker{i}" / f"s{i}-{j}.flac"
            sound(name, 8 * i + j, 0.5 + 0.01 * j, "FLAC")
            name.with_suffix(".phn").write_text(f"0.0 0.2 SIL\n0.2 0.4 AH{j % 3}\n0.4 {0.5 + 0.01 * j:.2f} K\n")
    return root


def recipe(phones: str = "arpabet", **settings: float) -> Recipe:
    return Recipe(Features(**settings), phone_table.load(phones))  # type: ignore[arg-type]


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def names(root: Path, split: str) -> list[str]:
    return sorted(path.stem for path in (root / split / "mfcc").iterdir())


def command(*given: object, cwd: Path | None = None) -> tuple[int, str, str]:
    with contextlib.chdir(cwd or ROOT):
        done = CliRunner().invoke(main, ["data", "import", *map(str, given)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_timit_gets_its_standard_splits_without_sa(ldc: Path, tmp_path: Path) -> None:
    result = run.run(timit.plan(ldc), recipe("timit-40"), tmp_path / "timit", processes=1)
    assert names(tmp_path / "timit", "test") == [
        "dr1-mdab0-si1027",
        "dr1-mdab0-sx37",
        "dr2-fpas0-si1027",
        "dr2-fpas0-sx37",
    ]
    assert names(tmp_path / "timit", "validation") == ["dr1-faks0-si1027", "dr1-faks0-sx37"]
    assert {name.rpartition("-")[0] for name in names(tmp_path / "timit", "train")} == {
        "dr1-fcjf0", "dr1-mdac0", "dr8-mbcg0",
    }  # fmt: skip
    told = "\n".join(result.plan.notes)
    assert "7 SA sentences" in told
    assert "22 of the 24 core test speakers are not here" in told
    assert "1 test speakers are in neither" in told
    assert any("-sa1" in r.name for r in timit.plan(ldc, keep_sa=True).recordings)


def test_frames_and_labels_are_those_of_the_obvious_way(ldc: Path, tmp_path: Path) -> None:
    run.run(timit.plan(ldc), recipe("timit-40"), tmp_path / "timit", processes=1)
    samples, _ = soundfile.read(ldc / "TEST/DR1/MDAB0/SX37.WAV", dtype="int16")
    frames = np.load(tmp_path / "timit/test/mfcc/dr1-mdab0-sx37.npy")
    np.testing.assert_array_equal(frames, mfcc.mfcc(samples))
    transcript = np.load(tmp_path / "timit/test/transcript/dr1-mdab0-sx37.npy")
    slow = [CLASSES[(160 * t + 200) // 1600] for t in range(len(frames))]  # ten phones of 1600 samples
    assert transcript.tolist() == ["[SOS]", *slow, "[EOS]"]


def test_the_corpus_is_one_that_a_study_reads(ldc: Path, tmp_path: Path) -> None:
    settings = {"n_coefficients": 13, "n_mels": 26, "high": 8000.0, "deltas": 2}
    run.run(timit.plan(ldc), recipe("timit-39", **settings), tmp_path / "timit", processes=1)
    corpus = open_corpus(Data(corpus=str(tmp_path / "timit")), tmp_path / "cache")
    assert corpus.train.d_features == 39
    assert len(corpus.train.phonemes) == 39
    assert sorted(set(corpus.test.speakers)) == ["dr1-mdab0", "dr2-fpas0"]
    assert features_of(tmp_path / "timit") == Features(**settings)  # type: ignore[arg-type]


def test_the_flat_sample_of_timit_is_split_by_speaker_and_says_so(tmp_path: Path) -> None:
    speakers = ["dr1-fvmh0", "dr1-mcpm0", "dr2-faem0", "dr2-marc0"]
    for i, speaker in enumerate(speakers):
        for name in ("sa1", "sx37"):
            sentence(tmp_path / "flat" / speaker / name, i)
    plan = timit.plan(tmp_path / "flat")
    assert [r.name for r in plan.recordings] == [f"{s}-sx37" for s in speakers]
    assert sorted(r.split for r in plan.recordings) == ["test", "train", "train", "validation"]
    assert "no speaker of the core test set is here; split by speaker at random" in plan.notes[1]
    (tmp_path / "s.csv").write_text("speaker,split\n" + "".join(f"{s},{'ab'[i % 2]}\n" for i, s in enumerate(speakers)))
    assert [r.split for r in timit.plan(tmp_path / "flat", splits=tmp_path / "s.csv").recordings] == list("abab")
    (tmp_path / "s.csv").write_text("speaker,split\ndr1-fvmh0,a,b\n")
    with pytest.raises(UserError) as told:
        timit.plan(tmp_path / "flat", splits=tmp_path / "s.csv")
    assert len(str(told.value).splitlines()) == 1 + 4


def test_a_sentence_that_is_there_as_sphere_and_as_wav_is_imported_once(ldc: Path, tmp_path: Path) -> None:
    shutil.copytree(ldc, tmp_path / "both")
    for path in list((tmp_path / "both").rglob("*.WAV")):
        sound(path.with_name(path.name + ".wav"), 0)
    both, one = (sorted(r.name for r in timit.plan(root).recordings) for root in (tmp_path / "both", ldc))
    assert both == one
    assert {r.sound.name for r in timit.plan(tmp_path / "both").recordings} == {"SI1027.WAV", "SX37.WAV"}


def test_a_flap_needs_the_words_or_a_phone_set_that_keeps_it(ldc: Path, tmp_path: Path) -> None:
    shutil.copytree(ldc, tmp_path / "wordless")
    for path in (tmp_path / "wordless").rglob("*.WRD"):
        path.unlink()
    plan = timit.plan(tmp_path / "wordless")
    with pytest.raises(UserError, match=r"12 recordings are refused:\n.*SX?I?.*no \.wrd beside it.*--phones timit-39"):
        run.run(plan, recipe("timit-40"), tmp_path / "a", processes=1)
    assert len(run.run(plan, recipe("timit-39"), tmp_path / "b", processes=1).imported) == 12


def librispeech_sample(root: Path) -> tuple[Path, Path]:
    """Three splits, one reader each, with TextGrids in mirrored folders."""
    for i, split in enumerate(librispeech.SPLITS[0::3]):
        for j in range(2):
            name = f"{19 + i}/198/{19 + i}-198-000{j}"
            sound(root / "LibriSpeech" / split / f"{name}.flac", j, 0.5, "FLAC")
            grid = root / "aligned" / split / f"{name}.TextGrid"
            grid.parent.mkdir(parents=True, exist_ok=True)
            rows = '0 0.1 "" 0.1 0.3 "AH0" 0.3 0.5 "NG"'
            text = f'"ooTextFile" "TextGrid" 0 0.5 <exists> 1 "IntervalTier" "phones" 0 0.5 3 {rows}\n'
            grid.write_text(text.replace(" ", "\n"), encoding="utf-16")
    return root / "LibriSpeech", root / "aligned"


def test_librispeech_keeps_its_own_splits(tmp_path: Path) -> None:
    root, aligned = librispeech_sample(tmp_path)
    plan = librispeech.plan(root, aligned)
    run.run(plan, recipe(), tmp_path / "made", processes=1)
    assert sorted(p.name for p in (tmp_path / "made").iterdir() if p.is_dir()) == sorted(librispeech.SPLITS[0::3])
    transcript = np.load(tmp_path / "made/train-clean-100/transcript/19-198-0001.npy")
    assert transcript[[1, 20, -2]].tolist() == ["[SIL]", "AH", "NG"]
    assert librispeech.plan(tmp_path, aligned).splits() == plan.splits()
    assert librispeech.plan(root / "dev-clean", aligned).splits() == ["dev-clean"]
    assert librispeech.plan(root, aligned, ["test-other"]).splits() == ["test-other"]
    with pytest.raises(UserError, match="no dev-other; the splits there are: train-clean-100, dev-clean, test-other"):
        librispeech.plan(root, aligned, ["dev-other"])
    with pytest.raises(UserError, match="none of LibriSpeech's splits in it"):
        librispeech.plan(aligned / "dev-clean/20", aligned)


def test_a_split_without_alignments_is_one_refusal(tmp_path: Path) -> None:
    root, aligned = librispeech_sample(tmp_path)
    shutil.rmtree(aligned / "dev-clean")
    (aligned / "test-other/21/198/21-198-0001.TextGrid").unlink()
    refused = librispeech.plan(root, aligned).refused
    assert [line.partition(": ")[2] for line in refused] == [
        "no alignment for any of its 2 recordings; choose with --split",
        "no alignment with its name",
    ]


def test_a_folder_is_split_by_speaker_and_never_by_utterance(own: Path, tmp_path: Path) -> None:
    for fractions in (Fractions(), Fractions(0.3, 0.4, seed=5), Fractions(0.0, 0.2)):
        plan = folder.plan(own, fractions=fractions)
        split_of = {(r.speaker, r.split) for r in plan.recordings}
        assert len(split_of) == 6
        assert set(plan.splits()) == {"train", "test"} | ({"validation"} if fractions.validation else set())
    assert draw("abcdefgh", Fractions(seed=1)) != draw("abcdefgh", Fractions(seed=2))
    assert draw("abcdefgh", Fractions(seed=1)) == draw("hgfedcba", Fractions(seed=1))
    with pytest.raises(UserError, match=r"2 speakers \(a, b\), 0.1 for validation and 0.1 for test: none is left"):
        draw("ab", Fractions())


def test_who_speaks_is_told_by_folder_by_table_or_by_pattern(own: Path, tmp_path: Path) -> None:
    def speakers(**given: str) -> set[str]:
        return {r.speaker for r in folder.plan(root, **given).recordings}  # type: ignore[arg-type]

    root = own
    assert speakers() == {f"speaker{i}" for i in range(6)}
    assert speakers(speaker=r"s(\d)-") == set("012345")
    root = tmp_path / "flat"
    root.mkdir()
    for path in own.rglob("s*-*.*"):
        shutil.copy(path, root)
    with pytest.raises(UserError, match=r"no speaker is known for 48:\n.*give speakers.csv"):
        speakers()
    rows = [f"{path.stem},{path.stem[:2]}\n" for path in root.glob("*.flac")]
    (root / "speakers.csv").write_text("utterance,speaker\n" + "".join(rows))
    assert speakers() == {f"s{i}" for i in range(6)}
    with pytest.raises(UserError, match=r"--speaker '\(' is no regular expression"):
        speakers(speaker="(")


def test_the_bytes_do_not_depend_on_the_number_of_processes(own: Path, tmp_path: Path) -> None:
    plan = folder.plan(own)
    seen: list[tuple[int, int]] = []
    run.run(plan, recipe(), tmp_path / "one", processes=1)
    run.run(plan, recipe(), tmp_path / "two", processes=2, progress=lambda *now: seen.append(now))
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert seen == [(n, 48) for n in range(1, 49)]


def test_everything_refused_is_told_at_once_and_the_rest_is_kept(own: Path, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    shutil.copytree(own, root)
    first = root / "speaker0"
    (first / "s0-0.phn").write_text("0.0 0.2 SIL\n0.2 0.4 spn\n0.4 0.5 xx\n")
    (first / "s0-1.phn").unlink()
    (first / "s0-2.flac").write_bytes((first / "s0-2.flac").read_bytes()[:2000])
    (first / "s0-3.phn").write_text("0.0 9.9 SIL\n")
    (first / "s0-4.phn").write_text("0.0 0.1 SIL\n")
    sound(first / "s0-5.flac", 0, 0.02, "FLAC")
    sound(first / "s0-6.flac", 0, 0.56, "FLAC", rate=8000)
    with pytest.raises(UserError) as told:
        run.run(folder.plan(root), recipe(), tmp_path / "out", processes=1)
    head, *lines, last = str(told.value).splitlines()
    assert head == "7 recordings are refused:"
    assert [re.sub(r"\(Error.*\)", "()", line.removeprefix(f"{first}/")) for line in lines] == [
        "s0-0.phn: unknown to the phone set arpabet (--phones, --map): 'spn' at 0.200 s, 'xx' at 0.400 s",
        "s0-1.flac: no alignment with its name",
        "s0-2.flac: truncated or damaged FLAC ()",
        "s0-3.phn: labels up to 9.900 s, sound up to 0.530 s: of another recording?",
        "s0-4.phn: 43 of 52 frames have no label: of another recording, or other time units?",
        "s0-5.flac: 0.020 s of sound; a frame takes 0.025 s",
        "s0-6.flac: 8000 Hz; the features need 16000 Hz or more",
    ]
    assert "the other 41 are kept" in last
    assert not (tmp_path / "out").exists()

    result = run.run(folder.plan(root), recipe(), tmp_path / "out", processes=1, leave_out=True)
    assert len(result.imported) == 41
    assert (tmp_path / "out/refused.txt").read_text().splitlines() == lines
    assert sum(len(names(tmp_path / "out", split)) for split in folder.plan(root).splits()) == 41


def test_an_import_goes_on_with_what_is_done_and_does_changed_files_again(own: Path, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    shutil.copytree(own, root)
    broken = root / "speaker1/s1-1.phn"
    good = broken.read_text()
    broken.write_text("0.0 0.5 nonsense\n")
    with pytest.raises(UserError):
        run.run(folder.plan(root), recipe(), tmp_path / "out", processes=1)
    growing = tmp_path / "out.unfinished"
    before = {path: path.stat().st_mtime_ns for path in growing.rglob("*.npy")}
    broken.write_text(good)
    changed = root / "speaker2/s2-2.phn"
    changed.write_text(changed.read_text().replace("K", "G"))
    shutil.rmtree(root / "speaker3")
    splits = tmp_path / "splits.csv"
    split_of = {r.speaker: r.split for r in folder.plan(own).recordings}
    splits.write_text("speaker,split\n" + "".join(f"{name},{split}\n" for name, split in split_of.items()))
    plan = folder.plan(root, splits=splits)
    run.run(plan, recipe(), tmp_path / "out", processes=1)
    after = {path.relative_to(tmp_path / "out"): path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.npy")}
    made_again = {path.relative_to(growing).stem for path, when in before.items()
                  if after.get(path.relative_to(growing), when) != when}  # fmt: skip
    assert made_again == {"s2-2"}
    run.run(plan, recipe(), tmp_path / "anew", processes=1)
    assert files(tmp_path / "out") == files(tmp_path / "anew")
    assert len(after) == 2 * 40


def test_other_settings_begin_anew(own: Path, tmp_path: Path) -> None:
    growing = tmp_path / "out.unfinished"
    (growing / "train/mfcc").mkdir(parents=True)
    (growing / "train/mfcc/left.npy").touch()
    run.run(folder.plan(own), recipe(n_coefficients=13), tmp_path / "out", processes=1)
    assert not growing.exists()
    assert "left" not in names(tmp_path / "out", "train")
    with pytest.raises(UserError, match="already exists; choose another --out"):
        run.run(folder.plan(own), recipe(), tmp_path / "out")
    with FileLock(tmp_path / ".busy.lock"), pytest.raises(UserError, match="another process is creating it"):
        run.run(folder.plan(own), recipe(), tmp_path / "busy")
    with pytest.raises(UserError, match="there is nothing to import"):
        run.run(Plan("folder"), recipe(), tmp_path / "empty")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_import_leaves_no_corpus_and_goes_on(own: Path, tmp_path: Path) -> None:
    for copy in range(12):
        shutil.copytree(own, tmp_path / f"many/{copy}")
    given = [tmp_path / "many", "--speaker", "^[^/]+", "--out", tmp_path / "out", "--processes", 2]
    running = subprocess.Popen(
        [*HARNESS, "data", "import", "folder", *map(str, given)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    journal = tmp_path / "out.unfinished/journal.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count("\n") >= 16) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "out").exists()
    n_done = journal.read_text().count("\n")
    assert 16 <= n_done < 576
    seen: list[int] = []
    plan = folder.plan(tmp_path / "many", speaker="^[^/]+")
    run.run(plan, recipe(), tmp_path / "out", processes=1, progress=lambda done, _: seen.append(done))
    assert len(seen) == 576 - n_done
    run.run(plan, recipe(), tmp_path / "anew", processes=1)
    assert files(tmp_path / "out") == files(tmp_path / "anew")


def test_the_commands_end_with_a_table_and_the_next_command(ldc: Path, own: Path, tmp_path: Path) -> None:
    status, out, _ = command("timit", ldc, "--processes", 1, cwd=tmp_path)
    assert status == 0
    assert re.search(r"train +6 +3 +588 +0\.00", out)
    assert "--set study=timit --set data.corpus=corpora/timit\n" in out
    root, aligned = librispeech_sample(tmp_path / "libri")
    status, out, _ = command("librispeech", root, "--alignments", aligned, "--processes", 1, cwd=tmp_path)
    assert status == 0
    assert re.search(r'train += "train-clean-100"\nvalidation = "dev-clean"\ntest += "test-other"\n', out)
    status, out, _ = command("folder", own, "--out", "x", "--deltas", 1, "--rate", 8000, "--high", 3800, cwd=tmp_path)
    assert status == 0
    with (tmp_path / "x/speakers.csv").open() as table:
        assert {row["utterance"]: row["speaker"] for row in csv.DictReader(table)}["s3-4"] == "speaker3"
    assert json.loads((tmp_path / "x/recipe.json").read_text())["features"]["deltas"] == 1
    assert np.load(next((tmp_path / "x/train/mfcc").iterdir())).shape[1] == 56


def test_the_commands_refuse_with_status_2(own: Path, tmp_path: Path) -> None:
    def refusal(*given: object) -> str:
        status, _, told = command(*given, cwd=tmp_path)
        assert status == 2
        return told

    assert "no TIMIT recording in it" in refusal("timit", own)
    assert "no such folder" in refusal("folder", tmp_path / "absent")
    assert "no recording in it" in refusal("folder", ROOT / "docs")
    assert "--map spn: SYMBOL=CLASS is allowed" in refusal("folder", own, "--map", "spn")
    assert "n_coefficients = 50" in refusal("folder", own, "--coefficients", 50)
    assert "phone set 'ipa': there are arpabet" in refusal("folder", own, "--phones", "ipa")
    assert not (tmp_path / "corpora").exists() or not list((tmp_path / "corpora").iterdir())


@pytest.mark.skipif(not REAL.exists(), reason="the real speech in ../shared/data is not here")
def test_real_speech_gets_the_frames_and_labels_that_were_prepared_elsewhere(tmp_path: Path) -> None:
    """But for flaps in words that are spelled with both D and T (data, cooperated), which are T here and D there."""
    for speaker in ("dr2-faem0", "dr8-fbcg1"):
        shutil.copytree(REAL / "timit-raw" / speaker, tmp_path / "raw" / speaker)
    (tmp_path / "s.csv").write_text("speaker,split\ndr2-faem0,train\ndr8-fbcg1,train\n")
    plan = timit.plan(tmp_path / "raw", keep_sa=True, splits=tmp_path / "s.csv")
    run.run(plan, recipe("timit-40"), tmp_path / "out", processes=1)
    differing = 0
    for name in names(tmp_path / "out", "train"):
        ours, theirs = tmp_path / "out/train", REAL / "timit-sample/train"
        np.testing.assert_allclose(np.load(ours / f"mfcc/{name}.npy"), np.load(theirs / f"mfcc/{name}.npy"), atol=1e-3)
        mine, other = (np.load(of / f"transcript/{name}.npy") for of in (ours, theirs))
        assert set(mine[mine != other]) <= {"T"}
        assert set(other[mine != other]) <= {"D"}
        differing += np.count_nonzero(mine != other)
    assert differing == 3
