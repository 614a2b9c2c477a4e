"""Damage is seen: of every file that is written and read again, any flipped bit, any cut and any loss."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import architectures
from harness.checksums import seal, unseal
from harness.corpora import layout, store
from harness.errors import Damaged, UserError
from harness.results import RunResult
from harness.settings import Settings
from harness.training import checkpoint, saved_model
from tests.records import make_record
from tests.small_corpus import write_corpus

SEED = 0  # of the places that are hit


def flipped(file: Path, n: int) -> "list[bytes]":
    """The file's content with one bit the other way round, at n places."""
    rng = np.random.default_rng(SEED)
    whole = file.read_bytes()
    contents = []
    for place in rng.integers(0, 8 * len(whole), n):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        contents.append(bytes(content))
    return contents


def damages(file: Path, n: int = 24) -> "list[bytes]":
    """Flipped bits, cuts, nothing, zeros, and other bytes."""
    whole = file.read_bytes()
    other = np.random.default_rng(SEED).bytes(len(whole))
    return [*flipped(file, n), b"", whole[: len(whole) // 2], whole[:-1], b"\0" * len(whole), other]


def test_every_flipped_bit_of_a_sealed_text_is_seen(tmp_path):
    file = tmp_path / "facts.json"
    file.write_text(seal({"seed": 3, "arm": "ladnn", "values": [0.1, None]}, indent=1))
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        with pytest.raises(Damaged, match=r"facts\.json: is damaged"):
            unseal(file)


def test_texts_of_earlier_versions_have_no_checksum_and_are_read(tmp_path):
    (tmp_path / "facts.json").write_text('{"arm": "ladnn"}')
    assert unseal(tmp_path / "facts.json") == {"arm": "ladnn"}


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("result")
    final = make_record(n_arms=1, n_seeds=1, n_speakers=2, n_trials=0).arms[0].finals[0]
    final.save(folder)
    return folder


@pytest.mark.parametrize("name", ["result.json", "arrays.npz"])
def test_a_damaged_result_is_refused_by_name(result, tmp_path, name):
    shutil.copytree(result, tmp_path / "copy")
    for content in damages(tmp_path / "copy" / name):
        (tmp_path / "copy" / name).write_bytes(content)
        with pytest.raises(Damaged, match=name.replace(".", r"\.")):
            RunResult.load(tmp_path / "copy")


def test_a_result_of_an_earlier_version_is_read(result, tmp_path):
    shutil.copytree(result, tmp_path / "copy")
    facts = unseal(result / "result.json")
    del facts["arrays"]
    (tmp_path / "copy" / "result.json").write_text(seal(facts).rpartition(", ")[0] + "}")
    assert RunResult.load(tmp_path / "copy").test.accuracy == RunResult.load(result).test.accuracy


def _learner() -> "tuple[nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]":
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(model.parameters())
    return model, optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser)


def test_a_damaged_state_is_refused_and_changes_nothing(tmp_path):
    file = tmp_path / "state.pt"
    state = checkpoint.TrainingState(torch.zeros(2, dtype=torch.float64), torch.tensor(True), epoch=4)
    checkpoint.write(file, state, *_learner())
    whole = file.read_bytes()
    model, *others = _learner()
    before = model.weight.clone()
    for content in damages(file):
        file.write_bytes(content)
        with pytest.raises(Damaged, match=r"state\.pt: is damaged"):
            checkpoint.restore(file, torch.device("cpu"), model, *others)
        assert torch.equal(model.weight, before)
    file.write_bytes(whole)
    assert checkpoint.restore(file, torch.device("cpu"), model, *others).epoch == 4
    file.write_bytes(whole[whole.index(b"PK") :])  # as earlier versions wrote it
    assert checkpoint.restore(file, torch.device("cpu"), model, *others).epoch == 4


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_damaged_model_is_refused_by_name(tmp_path, name):
    settings = Settings(architecture="linear")
    model = architectures.build("linear", settings.data.window, 1, 2, {})
    saved_model.save(tmp_path, model, settings, 1, ("[SIL]", "AA"), None, None)
    assert saved_model.load(tmp_path).phonemes == ("[SIL]", "AA")
    for content in damages(tmp_path / name):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name.replace(".", r"\.")):
            saved_model.load(tmp_path)


@pytest.mark.parametrize("name", ["frames.npy", "labels.npy", "store.json"])
def test_a_damaged_store_is_made_again_and_said(tmp_path, capsys, name):
    root = write_corpus(tmp_path / "corpus", n_train=1, n_held=1)
    whole = layout.load(root, "train", tmp_path / "stores")
    (folder,) = (tmp_path / "stores").iterdir()
    frames, labels = np.array(whole.frames), np.array(whole.labels)
    for content in [*damages(folder / name, 8), None]:
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)
        again = layout.load(root, "train", tmp_path / "stores")
        assert f"{folder}" in (said := capsys.readouterr().err)
        assert "made again from the corpus" in said
        np.testing.assert_array_equal(again.frames, frames)
        np.testing.assert_array_equal(again.labels, labels)
        assert again.digest == whole.digest
        assert list((tmp_path / "stores").iterdir()) == [folder]
    assert store.read(folder).digest == whole.digest
