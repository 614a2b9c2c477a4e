"""harness data import kaggle: the real client against a site of our own, and archives downloaded by hand."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli.main import main
from harness.corpora.kaggle import archive, client, competition
from harness.errors import UserError
from tests.command import HARNESS
from tests.kaggle_server import Site, running
from tests.small_corpus import write_corpus

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

KEY = "0123456789abcdef0123456789abcdef"
NAME = "11785-hw1p2-f23"

with_client = pytest.mark.skipif(find_spec("kaggle") is None, reason="Kaggle's client is not installed")


def pack(corpus: Path, to: Path, above: str = "11-785-f23-hw1p2/") -> Path:
    """A competition's archive: a corpus in a folder, its test split without labels, and files that are none of it."""
    names = {"train": "train-clean-100", "validation": "dev-clean", "test": "test-clean"}
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(corpus.glob("*/*/*.npy")):
            split, kind, name = file.parts[-3:]
            if (split, kind) != ("test", "transcript"):
                packed.write(file, f"{above}{names[split]}/{kind}/{name}")
        packed.writestr(f"{above}random_submission.csv", "id,label\n")
        packed.writestr("__MACOSX/train-clean-100/mfcc/._a.npy", "x")
    return to


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "source")


@pytest.fixture
def packed(corpus, tmp_path):
    return pack(corpus, tmp_path / "by-hand.zip")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, with no credentials of the user's."""
    folder = tmp_path / "project"
    (folder / ".harness").mkdir(parents=True)
    (folder / "home").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder / "home"))
    for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
        monkeypatch.delenv(name)
    return folder


def harness(*arguments):
    return CliRunner().invoke(main, ["data", "import", "kaggle", *map(str, arguments)])


def in_process(project, settings, *arguments, wait=True):
    """The command in a process of its own: the client reads its settings when it is imported."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(project / "home"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [*HARNESS, "data", "import", "kaggle", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = subprocess.Popen(command, cwd=project, env=environment | settings, **pipes)
    if not wait:
        return started
    out, err = started.communicate(timeout=60)
    return subprocess.CompletedProcess(command, started.returncode, out, err)


def credentials(project):
    """Those of a user who saved kaggle.json."""
    (project / "home" / ".kaggle").mkdir()
    file = project / "home" / ".kaggle" / "kaggle.json"
    file.write_text(json.dumps({"username": "somebody", "key": KEY}))
    file.chmod(0o600)


def site_of(packed):
    with zipfile.ZipFile(packed) as opened:
        return Site(packed.read_bytes(), {member.filename: member.file_size for member in opened.infolist()[:7]})


def same_frames(corpus, imported):
    """Every file of the corpus is there as it was, the labels of test apart."""
    for ours, theirs in (("train", "train-clean-100"), ("validation", "dev-clean"), ("test", "test-clean")):
        for file in (corpus / ours).glob("*/*.npy"):
            copy = imported / theirs / file.parent.name / file.name
            assert copy.exists() == ((ours, file.parent.name) != ("test", "transcript"))
            if copy.exists():
                np.testing.assert_array_equal(np.load(copy), np.load(file))


@with_client
def test_the_client_downloads_and_the_corpus_is_ready_for_an_experiment(project, packed, corpus):
    credentials(project)
    site = site_of(packed)
    with running(site) as settings:
        done = in_process(project, settings, f"https://www.kaggle.com/competitions/{NAME}/data")
    assert done.returncode == 0, done.stderr
    assert [name for name, _ in site.asked] == ["ListDataFiles"] * 4 + ["DownloadDataFiles", "archive"]
    assert all(asked["competitionName"] == NAME for name, asked in site.asked[:-1])
    assert len(site.authorisations) == 1
    assert {path.name for path in (project / "corpora").iterdir()} == {NAME}
    assert {path.name for path in (project / "corpora" / NAME).iterdir()} == {
        "train-clean-100",
        "dev-clean",
        "test-clean",
    }
    same_frames(corpus, project / "corpora" / NAME)
    assert f"corpora/{NAME}: fine: dev-clean, test-clean, train-clean-100 (test-clean without labels); " in done.stdout
    assert tomllib.loads(done.stdout.partition("In an experiment file\n")[2])["data"] == {
        "corpus": f"corpora/{NAME}", "train": "train-clean-100", "validation": {"speakers": 0.1}, "test": "dev-clean",
    }  # fmt: skip
    assert KEY not in done.stdout + done.stderr


@with_client
@pytest.mark.parametrize("token", ["good-token-of-the-new-kind", "a-token-that-expired"])
def test_the_new_kind_of_token_is_found_by_the_client(project, packed, token):
    site = site_of(packed)
    with running(site) as settings:
        done = in_process(project, settings | {"KAGGLE_API_TOKEN": token}, NAME)
    if token.startswith("good"):
        assert done.returncode == 0, done.stderr
        assert f"Bearer {token}" in site.authorisations
    else:
        assert done.returncode == 2
        assert "no credentials that are valid" in done.stderr
    assert token not in done.stdout + done.stderr


@with_client
def test_a_download_that_was_stopped_goes_on_where_it_was(project, packed, corpus):
    credentials(project)
    chunk = 1 << 20  # as the client writes
    with zipfile.ZipFile(packed, "a") as opened:
        opened.writestr("noise.bin", os.urandom(3 * chunk))
    site = site_of(packed)
    site.stop_after = 2 * chunk + 1000
    downloads = project / "corpora" / f"{NAME}.download"
    with running(site) as settings:
        started = in_process(project, settings, NAME, wait=False)
        until = time.monotonic() + 30
        while sum(file.stat().st_size for file in downloads.glob("*.zip")) < 2 * chunk:
            assert time.monotonic() < until
            time.sleep(0.05)
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=30)
        assert started.returncode == 130
        assert "the same command resumes from here" in said
        assert not (project / "corpora" / NAME).exists()
        site.stop_after, site.asked = None, []
        done = in_process(project, settings, NAME)
    assert done.returncode == 0, done.stderr
    assert ("archive", 2 * chunk) in site.asked
    same_frames(corpus, project / "corpora" / NAME)


@with_client
@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "does not accept the credentials"), (403, f"competitions/{NAME}/rules"), (404, "has no competition"),
     (500, "the same command resumes")],
)  # fmt: skip
def test_what_kaggle_refuses_is_told_without_the_credentials(project, packed, status, told):
    credentials(project)
    site = site_of(packed)
    site.refusal = status, f"no, {KEY}; you sent {{}}; see http://localhost/x?Signature=signed-for-an-hour"
    with running(site) as settings:
        done = in_process(project, settings | {"VERBOSE": "1"}, NAME)
    assert done.returncode == (1 if status == 500 else 2)
    assert told in done.stderr
    (sent,) = site.authorisations
    for secret in (KEY, sent, sent.removeprefix("Basic "), "signed-for-an-hour"):
        assert secret not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "corpora" / NAME).exists()


@with_client
def test_without_credentials_it_is_told_where_they_go(project):
    done = in_process(project, {}, NAME)
    assert done.returncode == 2
    for told in (
        "kaggle.com/settings",
        "~/.kaggle/access_token",
        "kaggle.json",
        "KAGGLE_USERNAME",
        f"--zip {NAME}.zip",
    ):
        assert told in done.stderr
    assert done.stdout == ""
    assert not (project / "corpora").exists()


def test_without_the_client_it_is_told_what_to_install(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaggle", None)
    done = harness(NAME)
    assert done.exit_code == 2
    assert "pip install 'harness[kaggle]'" in done.stderr
    assert f"harness data import kaggle {NAME} --zip {NAME}.zip" in done.stderr


@with_client
def test_too_little_room_is_told_before_anything_is_downloaded(project, packed):
    credentials(project)
    site = site_of(packed)
    site.files = {"a.npy": 10**15}
    with running(site) as settings:
        done = in_process(project, settings, NAME)
    assert done.returncode == 2
    assert "needs 2,000,000.0 GB of disk" in done.stderr
    assert [name for name, _ in site.asked] == ["ListDataFiles"]


@pytest.mark.parametrize(
    "text",
    ["key {}", "'{}'", "Authorization: Basic c29tZWJvZHk6", "Bearer abcdefgh", "url: /a/b?Signature=xyz&Expires=3 (x)"],
)
def test_nothing_that_looks_like_a_credential_is_passed_on(project, monkeypatch, text):
    monkeypatch.setenv("KAGGLE_KEY", "short")
    credentials(project)
    for secret in (KEY, "short"):
        told = client.scrubbed(text.format(secret))
        for word in (secret, "c29tZWJvZHk6", "abcdefgh", "xyz"):
            assert word not in told
    assert client.scrubbed("HTTPError: 404 for competition") == "HTTPError: 404 for competition"


@pytest.mark.parametrize("above", ["", "11-785-f23-hw1p2/", "a/b/c/"])
def test_a_zip_downloaded_by_hand_is_unpacked_wherever_in_it_the_corpus_lies(project, corpus, tmp_path, above):
    done = harness(NAME, "--zip", pack(corpus, tmp_path / "x.zip", above), "--out", "mine")
    assert done.exit_code == 0, done.output
    assert 'corpus     = "mine"' in done.stdout
    same_frames(corpus, project / "mine")
    assert {path.name for path in project.iterdir()} == {"mine", "home", ".harness"}
    assert max(map(len, done.stdout.splitlines()[2:])) <= 80
    again = harness(NAME, "--zip", tmp_path / "x.zip", "--out", "mine")
    assert again.exit_code == 2
    assert "mine: already exists" in again.stderr


def test_a_folder_unpacked_by_hand_is_used_where_it_lies(project, packed, tmp_path):
    archive.unpack(packed, tmp_path / "unpacked" / "inner")
    done = harness(NAME, "--zip", tmp_path / "unpacked")
    assert done.exit_code == 0, done.output
    assert f"corpus     = {json.dumps(str(tmp_path / 'unpacked' / 'inner'))}" in done.stdout
    assert "without effect" in harness(NAME, "--zip", tmp_path / "unpacked", "--out", "mine").stderr
    archive.unpack(packed, tmp_path / "unpacked" / "other")
    assert "2 corpora in it" in harness(NAME, "--zip", tmp_path / "unpacked").stderr
    assert "no corpus in it" in harness(NAME, "--zip", project / "home").stderr


def test_unpacking_goes_on_and_mends_what_a_kill_left(packed, tmp_path, corpus):
    archive.unpack(packed, tmp_path / "x")
    files = sorted((tmp_path / "x").rglob("*.npy"))
    kept = files[2].stat().st_mtime_ns
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-1] + b"\0")
    archive.unpack(packed, tmp_path / "x")
    same_frames(corpus, tmp_path / "x")
    assert files[2].stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda file: file.unlink(), "No such file"),
        (lambda file: file.write_bytes(b"hello"), "no zip file, or a damaged one"),
        (lambda file: file.write_bytes(file.read_bytes()[:-2000]), "no zip file, or a damaged one"),
        (
            lambda file: file.write_bytes(file.read_bytes()[:500] + bytes(300) + file.read_bytes()[800:]),
            "a damaged one",
        ),
        (lambda file: zipfile.ZipFile(file, "w").writestr("a.txt", "x"), "no corpus in it"),
        (lambda file: zipfile.ZipFile(file, "a").writestr("other/dev-clean/mfcc/a.npy", "x"), "two splits 'dev-clean'"),
    ],
)
def test_a_bad_archive_is_refused_and_leaves_no_corpus(project, packed, spoil, told):
    spoil(packed)
    done = harness(NAME, "--zip", packed)
    assert done.exit_code == 2
    assert told in done.stderr
    assert not (project / "corpora" / NAME).exists()


def test_an_archive_cannot_write_elsewhere(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        for name in ("../../out/mfcc/a.npy", "../mfcc/a.npy", "..\\mfcc\\a.npy", "/abs/mfcc/b.npy", "ok/mfcc/..npy"):
            packed.writestr(name, "x")
    archive.unpack(tmp_path / "x.zip", tmp_path / "in" / "side")
    assert {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.npy")} == {
        "in/side/out/mfcc/a.npy", "in/side/abs/mfcc/b.npy",
    }  # fmt: skip


def test_what_is_refused_of_a_whole_archive_is_told_and_the_corpus_can_be_mended(project, corpus, tmp_path):
    np.save(corpus / "train" / "mfcc" / "train0-0.npy", np.full((3, 6), np.nan))
    done = harness(NAME, "--zip", pack(corpus, tmp_path / "x.zip"))
    assert done.exit_code == 2
    assert "train-clean-100/train0-0: mfcc has nan" in done.stdout
    assert (project / "corpora" / NAME).is_dir()


@pytest.mark.parametrize("given", ["../x", "a b", "", "https://example.org/x"])
def test_what_is_no_competition_is_refused(given):
    with pytest.raises(UserError, match="is no competition of Kaggle"):
        competition.name_of(given)
