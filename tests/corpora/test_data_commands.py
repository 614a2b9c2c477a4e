"""The commands `harness data ...` as a user types them, on real files."""

import json
import signal
import subprocess
import time
import tomllib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli.corpus_tables import data_lines
from harness.cli.main import main
from harness.corpora import check, destination, layout
from harness.errors import UserError
from tests.command import HARNESS
from tests.small_corpus import write_corpus

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

speaks = pytest.mark.skipif(find_spec("espeakng_loader") is None, reason="the speech synthesiser is not installed")
COMMAND = [*HARNESS, "data"]


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A sound corpus, in a project of its own."""
    (tmp_path / ".harness").mkdir()
    monkeypatch.chdir(tmp_path)
    return write_corpus(tmp_path / "corpus")


def harness(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def runs_of(transcript):
    """(label, length) of each run of equal labels, the slow way."""
    found = []
    for label in transcript:
        if found and found[-1][0] == label:
            found[-1][1] += 1
        else:
            found.append([label, 1])
    return found


def test_info_counts_what_a_slow_count_over_the_files_gives(corpus):
    facts = json.loads(harness("data", "info", corpus, "--json").stdout)
    assert list(facts["splits"]) == ["test", "train", "validation"]
    for split, told in facts["splits"].items():
        transcripts = [np.load(file)[1:-1] for file in sorted((corpus / split / "transcript").iterdir())]
        frames = np.concatenate(transcripts)
        runs = [run for transcript in transcripts for run in runs_of(transcript)]
        assert told["frames"] == len(frames)
        assert told["hours"] == pytest.approx(len(frames) / 360_000)
        assert told["utterances"] == len(transcripts)
        assert told["speakers"] == len(transcripts) / 3
        assert told["features"] == 6
        for row in told["phonemes"]:
            own = [length for label, length in runs if label == row["phoneme"]]
            assert row["frames"] == sum(own) == np.sum(frames == row["phoneme"])
            assert row["share"] == pytest.approx(sum(own) / len(frames))
            assert row["segments"] == len(own)
            if own:
                assert row["mean_ms"] == pytest.approx(10 * np.mean(own))
                assert row["median_ms"] == pytest.approx(10 * np.median(own))
                assert row["low_ms"] == pytest.approx(10 * np.quantile(own, 0.05))
                assert row["high_ms"] == pytest.approx(10 * np.quantile(own, 0.95))
            else:
                assert row["mean_ms"] is row["median_ms"] is row["low_ms"] is row["high_ms"] is None


def test_a_segment_ends_with_its_utterance(tmp_path):
    for name in ("a-1", "a-2"):
        for kind, content in (
            ("mfcc", np.ones((3, 2))),
            ("transcript", np.array(["AA", "AA", "B"][:: 1 - 2 * (name > "a-1")])),
        ):
            (tmp_path / "train" / kind).mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / "train" / kind / f"{name}.npy", content)
    part = layout.load(tmp_path, "train", tmp_path / "stores")
    labels, lengths = check.segments(part)
    assert [(part.phonemes[label], int(n)) for label, n in zip(labels, lengths, strict=True)] == [
        ("AA", 2), ("B", 1), ("B", 1), ("AA", 2),
    ]  # fmt: skip


def test_info_fits_80_columns_and_tells_an_unlabelled_split(corpus):
    for file in (corpus / "test" / "transcript").iterdir():
        file.unlink()
    (corpus / "test" / "transcript").rmdir()
    done = harness("data", "info", corpus)
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "train: phonemes" in done.stdout
    assert "test: phonemes" not in done.stdout
    assert [line.split()[-1] for line in done.stdout.splitlines() if line.startswith(("test ", "train "))] == [
        "no",
        "yes",
    ]


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_info_of_no_corpus_says_what_a_corpus_is(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    done = harness("data", "info", path)
    assert done.exit_code == 2
    assert "a corpus is a folder ROOT/<split>/mfcc/*.npy" in done.output


def test_check_says_in_one_line_what_is_fine_and_leaves_nothing_behind(corpus, tmp_path):
    done = harness("data", "check", corpus)
    assert done.exit_code == 0
    n_frames = sum(len(np.load(file)) for file in corpus.glob("*/mfcc/*.npy"))
    assert done.stdout == (
        f"{corpus}: fine: test, train, validation; 42 utterances, 14 speakers, {n_frames:,} frames of 6 features, "
        "40 classes\n"
    )
    assert not list((tmp_path / ".harness").iterdir())


def test_check_tells_every_refusal_of_every_split_a_line_each(corpus):
    broken = sorted((corpus / "train" / "mfcc").iterdir()) + sorted((corpus / "test" / "mfcc").iterdir())
    for file in broken:  # more than the 20 that a run names
        file.write_bytes(file.read_bytes()[:-1])
    (corpus / "validation" / "mfcc" / "validation0-0.npy").unlink()
    np.save(corpus / "validation" / "transcript" / "validation1-0.npy", np.array(["AA"]))
    np.save(corpus / "train" / "mfcc" / "validation1-9.npy", np.ones((1, 6), np.float32))
    np.save(corpus / "train" / "transcript" / "validation1-9.npy", np.array(["AA"]))
    done = harness("data", "check", corpus)
    lines = done.stdout.splitlines()
    assert done.exit_code == 2
    assert len(broken) == 30
    for file in broken:
        name = f"{file.parents[1].name}/{file.stem}: mfcc/{file.name} is truncated or no npy file"
        assert sum(line.startswith(name) for line in lines) == 1
    assert any(line.startswith("validation/validation0-0: transcript/validation0-0.npy has no mfcc/") for line in lines)
    assert any(line.startswith("validation/validation1-0: ") and "1 labels in transcript" in line for line in lines)
    assert any("train and validation share 1 speakers (validation1)" in line for line in lines)
    assert len(lines) == len(broken) + 3


def test_check_goes_on_after_bad_lists(corpus):
    (corpus / "speakers.csv").write_text("utterance,speaker\ntrain0-0,a\ntrain0-0,b\n")
    (corpus / "phonemes.txt").write_text("AA\nAA\n")
    (corpus / "features.json").write_text('{"mels": 3}')
    np.save(corpus / "train" / "mfcc" / "train0-0.npy", np.ones((3, 5)))
    np.save(corpus / "test" / "mfcc" / "test0-0.npy", np.full((3, 6), np.nan))
    done = harness("data", "check", corpus)
    assert done.exit_code == 2
    for refusal in (
        "phonemes.txt: 2 phonemes, 1 distinct",
        "speakers.csv:3: 'train0-0' is of 'b'; an earlier line says 'a'",
        "features.json: unknown key 'mels'",
        "train/train0-1: 6 features a frame; train0-0 has 5",
        "test/test0-0: mfcc has nan in frame 0, coefficient 0",
    ):
        assert refusal in done.stdout


def test_check_compares_the_frames_of_the_splits_and_features_json(corpus):
    for file in (corpus / "test" / "mfcc").iterdir():
        np.save(file, np.load(file)[:, :4])
    done = harness("data", "check", corpus)
    assert done.exit_code == 2
    assert f"{corpus / 'train'}: 6 features a frame; test has 4" in done.stdout
    (corpus / "features.json").write_text('{"n_coefficients": 6}')
    done = harness("data", "check", corpus)
    assert done.exit_code == 2
    assert f"{corpus / 'test'}: frames of 4 features; by features.json (6 coefficients" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_check_of_no_corpus_says_what_a_corpus_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = harness("data", "check", "nowhere")
    assert done.exit_code == 2
    assert "a corpus is a folder ROOT/<split>/mfcc/*.npy" in done.output


@speaks
def test_synthesize_makes_a_sound_corpus_that_does_not_depend_on_the_processes(tmp_path, monkeypatch):
    (tmp_path / ".harness").mkdir()
    monkeypatch.chdir(tmp_path)
    options = ("--minutes", 0.5, "--speakers", 3, "--seed", 4)
    done = harness("data", "synthesize", "--out", "made/one", "--processes", 1, *options)
    assert done.exit_code == 0, done.output
    assert harness("data", "synthesize", "--out", "made/two", "--processes", 2, *options).exit_code == 0
    content = [
        {file.relative_to(root): file.read_bytes() for file in root.rglob("*") if file.is_file()}
        for root in (tmp_path / "made/one", tmp_path / "made/two")
    ]
    assert content[0] == content[1]
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"one", "two"}
    assert harness("data", "check", "made/one").exit_code == 0
    facts = json.loads(harness("data", "info", "made/one", "--json").stdout)["splits"]
    assert {split: row["speakers"] for split, row in facts.items()} == {"test": 8, "train": 3, "validation": 8}
    assert facts["train"]["frames"] / 6000 == pytest.approx(0.5, rel=0.3)
    (row,) = (line.split() for line in done.stdout.splitlines() if line.startswith("train  ") and "=" not in line)
    assert row[3] == f"{facts['train']['frames']:,}"
    assert "minutes per minute of work" in done.stdout
    assert tomllib.loads(done.stdout.partition("In an experiment file\n")[2])["data"] == {
        "corpus": "made/one", "train": "train", "validation": "validation", "test": "test",
    }  # fmt: skip
    assert max(map(len, done.stdout.splitlines())) <= 80
    again = harness("data", "synthesize", "--out", "made/one", *options)
    assert again.exit_code == 2
    assert "made/one: already exists" in again.stderr


@speaks
@pytest.mark.slow
def test_synthesize_stopped_with_ctrl_c_leaves_nothing_under_the_name_and_goes_on(tmp_path):
    command = [*COMMAND, "synthesize", "--out", "made", "--minutes", "6"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    started = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("made.unfinished/*/transcript/*.npy")):
        assert started.poll() is None
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=30)
    assert started.returncode == 130
    assert "the same command resumes from here" in said
    assert "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"made.unfinished"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"made"}


@pytest.mark.parametrize(
    ("labelled", "unlabelled", "expected"),
    [
        (("test", "train", "validation"), (), ("train", "validation", "test")),
        (("dev-clean", "train-clean-100", "train-clean-360"), ("test-clean",), ("train-clean-100", None, "dev-clean")),
        (("dev-clean", "dev-other", "test-clean", "test-other", "train-clean-100", "train-other-500"), (),
         ("train-clean-100", "dev-clean", "test-clean")),
        (("dev", "train"), (), ("train", None, "dev")),
        (("test", "train"), (), ("train", None, "test")),
        (("train",), (), ("train", None, "NAME")),
        (("a", "b"), (), ("NAME", None, "NAME")),
    ],
)  # fmt: skip
def test_the_lines_for_an_experiment_file_choose_the_splits(labelled, unlabelled, expected):
    lines = data_lines(Path("C:\\x") / 'a "b"', labelled, unlabelled)
    told = tomllib.loads("\n".join(lines))["data"]
    train, validation, test = expected
    assert told["corpus"] == str(Path("C:\\x") / 'a "b"')
    assert (told["train"], told["test"]) == (train, test)
    assert told["validation"] == (validation or {"speakers": 0.1})
    if unlabelled:
        assert any("test-clean without labels" in line for line in lines)


def test_a_corpus_needs_room_on_the_disk(tmp_path):
    destination.check_room(tmp_path / "a" / "b", 1, "the corpus")
    with pytest.raises(UserError, match=r"the corpus needs 1,000,000\.0 GB of disk, [\d.,]+ [kMG]B are free there"):
        destination.check_room(tmp_path / "a" / "b", 10**15, "the corpus")


def test_two_processes_do_not_make_one_corpus(tmp_path):
    with (
        destination.reserve(tmp_path / "a"),
        pytest.raises(UserError, match="another process is creating it"),
        destination.reserve(tmp_path / "a"),
    ):
        pass
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="choose another --out"), destination.reserve(tmp_path / "file" / "a"):
        pass
