"""The commands `harness data ...` as a user types them, on real files."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.corpora import hw1p2, inventory
from tests.corpora import write_corpus


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
    part = hw1p2.load(tmp_path, "train", tmp_path / "stores")
    labels, lengths = inventory.segments(part)
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
