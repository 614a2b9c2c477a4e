"""The trainer against a plain script of the reference recipe, on recorded speech."""

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.corpora.corpus import open_corpus
from harness.frames.placement import DeviceData
from harness.settings import Data, Settings, Training
from harness.training import run
from tests.notebook import train_and_score

SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "timit-sample"
WIDTHS = (128, 128)
SEEDS = (0, 1, 2)


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLE.exists(), reason="needs recorded speech beside the project: ../shared/data/timit-sample")
def test_the_reference_recipe_reaches_what_a_plain_script_reaches(tmp_path):
    """Same data, model and recipe; only the draws differ, so the means differ by no more than seeds do."""
    plain = [train_and_score(SAMPLE, "train", "dev", WIDTHS, seed, batch_size=512) for seed in SEEDS]
    data = Data(corpus=str(SAMPLE), validation="dev", test="dev", context=7, normalisation="frame", boundary="stream")
    training = Training(
        epochs=4, batch_size=512, optimiser="adam", weight_decay=1e-5, schedule="step", label_smoothing=0.01
    )
    corpus = open_corpus(data, tmp_path)
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    residents = DeviceData(parts, 7, torch.device("cpu"), torch.float32)
    settings = Settings("ladnn", {"widths": WIDTHS, "init": "kaiming"}, data, training)
    own = [run.run("ladnn", settings, residents, seed=seed, precision="fp32").test.accuracy for seed in SEEDS]
    spread = max(np.std(plain, ddof=1), np.std(own, ddof=1))
    assert abs(np.mean(plain) - np.mean(own)) < 2.5 * spread * np.sqrt(2 / len(SEEDS)) + 0.002
    assert np.mean(own) > 0.35
