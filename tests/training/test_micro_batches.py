"""A device whose memory is too small for a batch: it is divided, with the same gradients, said once and remembered."""

import json
import subprocess
import sys

import pytest
import torch

import architectures
from harness.settings import Training
from harness.training.trainer import Learner, step
from tests.command import ENVIRONMENT, invoke
from tests.small_corpus import STUDY, write_project

WINDOW, D_FEATURES, N_CLASSES = 5, 6, 7
LIMITED = """\
import os, resource
from harness.engines import worker
train = worker.train
def limited(*arguments):
    pages = int(open("/proc/self/statm").read().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + 200_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    try:
        return train(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
worker.train = limited
from harness.cli.main import main
main(prog_name="harness")
"""
"""harness in a process that gets 200 MB of memory beyond what it has when a training begins."""
WIDE = """\
question = "Does it fit?"
study = "wide"
[data]
corpus = "corpus"
[training]
epochs = 1
batch_size = 20000
precision = "fp32"
[arms.ffdnn]
architecture = "ffdnn"
params = { width = 512, depth = 5 }
[comparison]
seeds = [0, 1]
"""


def updated(name, params, micro_batches, n=67):
    torch.manual_seed(0)
    model = architectures.build(name, WINDOW, D_FEATURES, N_CLASSES, params)
    training = Training(optimiser="sgd", learning_rate=0.1, label_smoothing=0.1)
    learner = Learner(model, training, 10, torch.device("cpu"), micro_batches)
    windows, labels = torch.randn(n, WINDOW, D_FEATURES), torch.randint(0, N_CLASSES, (n,))
    step(learner, windows, labels, "fp32")
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    return gradients, learner.state.totals


@pytest.mark.parametrize("micro_batches", [2, 4, 67, 100])
@pytest.mark.parametrize("name", ["ladnn", "ffdnn", "highway", "linear"])
def test_the_gradients_of_parts_add_up_to_those_of_the_batch(name, micro_batches):
    whole, totals = updated(name, {}, 1)
    parts, own_totals = updated(name, {}, micro_batches)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(own_totals, totals, rtol=1e-6, atol=0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited as Linux does it")
def test_a_study_that_does_not_fit_goes_on_with_parts(tmp_path):
    project = write_project(tmp_path, {"wide.toml": WIDE}, n_train=60)
    environment = ENVIRONMENT | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}  # an arena reserves 64 MB
    command = [sys.executable, "-c", LIMITED, "run", "wide.toml"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "out of memory on the device" in line]
    assert said
    assert all("ffdnn: out of memory on the device; its batches are trained on in" in line for line in said)
    facts = json.loads((project / ".harness/studies/wide/study.json").read_text())
    n_parts = facts["micro_batches"]["ffdnn"]
    assert f"in {n_parts} equal parts, with the same gradients" in said[-1]
    assert len(said) == n_parts.bit_length() - 1, "said for each division, and not again for the second seed"
    for seed in (0, 1):
        result = json.loads((project / f".harness/studies/wide/runs/ffdnn-seed-{seed}/result.json").read_text())
        assert 1 < result["provenance"]["micro_batches"] <= n_parts


@pytest.mark.slow
def test_a_model_that_normalises_over_the_batch_is_not_divided(tmp_path, monkeypatch):
    from harness.training import run

    def full(*arguments, **settings):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(run, "run", full)
    file = STUDY.replace("params.width = 8", 'params = { width = 8, norm = "batch" }')
    project = write_project(tmp_path, {"small.toml": file})
    done = invoke("run", "small.toml", cwd=project)
    assert done.exit_code == 1
    said = " ".join(done.stderr.split())
    assert "which cannot be divided because the model normalises over each: use a smaller batch_size, or norm" in said
