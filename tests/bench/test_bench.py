"""The bench: its contract, its pieces against what they claim to be, and its ratios where they must hold anywhere."""

import json

import pytest
import torch
from click.testing import CliRunner

import architectures
from harness.bench import measure
from harness.cli.main import main
from harness.seeds import derive_seed
from harness.settings import Settings, Training

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

CPU = torch.device("cpu")
SMALL = measure.BenchArm("small", Settings("ladnn", {"depth": 1, "width": 32}))


@pytest.fixture(scope="module")
def found():
    return measure.bench([SMALL], device=CPU, arithmetic="fp32", batch_size=256, seconds=0.02, n_utterances=50)


def test_the_keys_are_those_of_the_contract(found):
    assert {"device", "precision", "torch", "threads", "arms", "reading"} <= found.keys()
    (arm,) = found["arms"]
    assert arm.keys() >= {"arm", "parameters", "batch_size", "ceiling_flops", "ratio_to_usual", "peak_bytes"}
    for part in ("gather", "forward", "step", "evaluate", "usual"):
        assert arm[part]["frames_per_second"] > 0
    assert arm["together"].keys() == {"models", "ratio_to_one"}, "of a small model"
    assert {"milliseconds", "share_of_ceiling"} <= arm["step"].keys()
    assert {"utterances", "frames", "usual_seconds", "first_seconds", "store_seconds"} <= found["reading"].keys()


def test_the_ceiling_counts_six_flops_per_weight_and_frame_less_the_gradient_of_the_frames():
    model = architectures.build("ffdnn", 15, 28, 40, {"widths": (64, 32)})
    data = measure.resident_frames(2000, 7, 7, CPU, "fp32")
    flops, seconds = measure.ceiling(model, data.windows(slice(0, 100)), "fp32", 0.01)
    weights = [420 * 64, 64 * 32, 32 * 40]
    assert flops == 100 * (6 * sum(weights) - 2 * weights[0])
    assert seconds > 0


def test_the_reference_model_needs_113_6_mflop_a_frame():
    (ladnn, *_) = measure.default_arms()
    size = architectures.measure("ladnn", 15, 28, 40, ladnn.settings.params)
    assert 3 * size.flops_per_frame == pytest.approx(113.6e6, rel=1e-3)


def test_the_step_that_is_measured_trains():
    torch.manual_seed(derive_seed(0, 0) % 2**32)
    data = measure.resident_frames(2000, 7, 7, CPU, "fp32")
    model = architectures.build("ffdnn", 15, 28, 40, {"depth": 1, "width": 16})
    step = measure.step_of(model, data, torch.arange(500), Training(), "fp32")
    before = [p.clone() for p in model.parameters()]
    step()
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_the_last_line_is_one_json_document():
    options = ["--arm", "small", "--batch-size", "128", "--seconds", "0.01", "--device", "cpu", "--precision", "fp32"]
    done = CliRunner().invoke(main, ["bench", *options])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout.splitlines()[-1])
    assert [arm["arm"] for arm in document["arms"]] == ["small"]
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80


def test_an_unknown_arm_names_those_there_are():
    done = CliRunner().invoke(main, ["bench", "--arm", "smal"])
    assert done.exit_code == 2
    assert "--arm smal: no such arm; there are: ladnn, ffdnn, small" in done.stderr
