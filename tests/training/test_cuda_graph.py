"""Captured steps under a CUDA graph's semantics, emulated on a CPU (`tests.graph_emulation`)."""

import itertools
import random
from dataclasses import replace

import pytest
import torch

import architectures
from harness.corpora.corpus import open_corpus
from harness.errors import Interrupted
from harness.frames.placement import DeviceData
from harness.settings import Data, Training
from harness.training import cuda_graph, together, trainer
from harness.training.schedules import Schedule
from tests.graph_emulation import NotCapturable, emulated_graphs
from tests.small_corpus import write_corpus

CPU = torch.device("cpu")
DATA = Data(context=2)
SEEDS = (3, 8)
GRID = {
    "architecture": architectures.names(),
    "optimiser": ["adam", "adamw", "sgd"],
    "schedule": ["constant", "step", "multi-step", "exponential", "cosine", "one-cycle", "plateau"],
    "warmup_epochs": [0.0, 0.5],
    "norm": ["none", "batch", "layer"],
    "precision": ["fp32", "bf16"],
    "dropout": [0.0, 0.2],
    "masks": [0, 2],
    "clip_norm": [0.0, 0.5],
    "n_models": [1, 2],
}
NOISE = {"fp32": 1e-4, "bf16": 1e-2}
"""Relative, of an epoch's training loss: eager steps read their learning rates as float64, captured ones as float32."""


def pairwise(grid, seed=0):
    """Cases such that every two values of two settings meet in one of them at least."""
    draw, names = random.Random(seed), list(grid)
    missing = {((a, x), (b, y)) for a, b in itertools.combinations(names, 2) for x in grid[a] for y in grid[b]}

    def met(case):
        return set(itertools.combinations(case.items(), 2)) & missing

    cases = []
    while missing:
        (a, x), (b, y) = min(missing, key=str)
        candidates = [{name: draw.choice(grid[name]) for name in names} | {a: x, b: y} for _ in range(50)]
        cases.append(max(candidates, key=lambda case: len(met(case))))
        missing -= met(cases[-1])
    return cases


CASES = pairwise(GRID)


def label(case):
    return "-".join(str(value) for value in case.values())


@pytest.fixture(scope="module")
def residents(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    corpus = open_corpus(replace(DATA, corpus=str(write_corpus(root / "c", n_train=2, n_held=1))), root)
    return DeviceData({"train": corpus.train, "validation": corpus.validation}, 4, CPU, torch.float32)


@pytest.fixture
def captured(monkeypatch):
    """Trainings whose steps are recorded and replayed; the graphs they make."""
    with emulated_graphs() as graphs:
        for module in (trainer, together):
            monkeypatch.setattr(module, "capture", cuda_graph.CapturedStep)
        yield graphs


def trained(residents, case, file=None, stop_after=0, **settings):
    """The histories of one model or of two together, and their weights."""
    known = {"depth": 2, "width": 8, "norm": case["norm"], "dropout": case["dropout"]}
    own = {k: v for k, v in known.items() if k in architectures.parameters_of(case["architecture"])}
    training = Training(
        **{"epochs": 2, "batch_size": 100, "learning_rate": 1e-2, "label_smoothing": 0.1, "weight_decay": 1e-3}
        | {k: case[k] for k in ("optimiser", "schedule", "clip_norm", "warmup_epochs")}
        | {"milestones": (1,), "nesterov": case["optimiser"] == "sgd"}
        | {"time_mask": case["masks"], "frequency_mask": case["masks"]}
        | settings
    )
    models = []
    for seed in SEEDS[: case["n_models"]]:
        torch.manual_seed(seed)
        models.append(architectures.build(case["architecture"], DATA.window, 6, 40, own))
    data, validation = residents.get("train", DATA), residents.get("validation", DATA)
    asked = itertools.count(1)
    options = {"precision": case["precision"], "should_stop": lambda: next(asked) == stop_after}
    if len(models) == 1:
        states = [trainer.train(models[0], data, validation, training, seed=SEEDS[0], state_file=file, **options)]
    else:
        states = together.train_together(models, data, validation, [training] * 2, seeds=SEEDS, **options)
    return [s.history for s in states], [{k: v.clone() for k, v in m.state_dict().items()} for m in models]


def check(residents, case, graphs):
    with pytest.MonkeyPatch.context() as patch:
        for module in (trainer, together):
            patch.setattr(module, "capture", lambda step, optimisers, device: step)
        eager, _ = trained(residents, case)
    replayed, _ = trained(residents, case)
    (graph,) = graphs
    assert graph.n_replays > 5
    for one, other in zip(eager, replayed, strict=True):
        losses = [[epoch.train_loss for epoch in history] for history in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=NOISE[case["precision"]])


@pytest.mark.parametrize("case", CASES, ids=label)
def test_replayed_trainings_are_the_eager_ones(residents, captured, case):
    """Every two values of two settings meet in one case: some 40 of the grid's 48,384."""
    check(residents, case, captured)


RESUMED = {
    "plain": {"architecture": "ffdnn", "schedule": "one-cycle", "optimiser": "adamw", "dropout": 0.0, "masks": 0},
    "all": {"architecture": "ladnn", "schedule": "cosine", "optimiser": "adam", "dropout": 0.2, "masks": 2},
    "sgd": {"architecture": "ladnn", "schedule": "one-cycle", "optimiser": "sgd", "dropout": 0.2, "masks": 0},
}
ALONE = {"warmup_epochs": 0.5, "norm": "batch", "precision": "fp32", "clip_norm": 0.5, "n_models": 1}


@pytest.mark.parametrize("stop_after", [1, 3, 4, 5, 7, 8, 9, 13])
@pytest.mark.parametrize("name", RESUMED)
def test_a_captured_training_goes_on_bit_for_bit(residents, captured, tmp_path, name, stop_after):
    """Stopped before, at and after the recording, and around the small last batch of an epoch."""
    case, file = RESUMED[name] | ALONE, tmp_path / "state.pt"
    whole, weights = trained(residents, case)
    with pytest.raises(Interrupted):
        trained(residents, case, file, stop_after)
    resumed, weights_then = trained(residents, case, file)
    assert [e.train_loss for e in whole[0]] == [e.train_loss for e in resumed[0]]
    different = [key for key in weights[0] if not torch.equal(weights[0][key], weights_then[0][key])]
    assert not different


@pytest.mark.parametrize("n_batches", [1, 2, 4])
def test_what_is_recorded_is_a_whole_batch_however_few_an_epoch_has(residents, captured, n_batches):
    """In an epoch of four batches the fourth step, the first that could be recorded, is the small last one."""
    n_frames = residents.parts["train"].n_frames
    sizes = []

    def step(windows, labels):
        sizes.append(len(labels))

    weights = torch.zeros(1, requires_grad=True)
    update = cuda_graph.CapturedStep(step, [torch.optim.SGD([weights])], CPU)
    batch_size = n_frames // n_batches + (1 if n_batches > 1 else 0)
    for epoch in range(4):
        for examples in residents.get("train", DATA).batches(batch_size, 0, epoch):
            update(*examples)
    assert len(update.labels) == batch_size
    assert sizes.count(batch_size) == 4, "three eager ones and the recording"


def test_the_momentum_is_that_of_the_file_whatever_the_schedule():
    training = Training(optimiser="sgd", momentum=0.5, schedule="one-cycle", epochs=2)
    optimiser = trainer.make_optimiser(torch.nn.Linear(2, 2), training)
    schedule = Schedule(optimiser, training, 5)
    for _ in range(9):
        optimiser.step()
        schedule.after_update()
        assert optimiser.param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize(
    "operation",
    [lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: x * torch.tensor(2.0)],
    ids=["item", "mask", "nonzero", "from the host"],
)
def test_what_a_graph_cannot_hold_is_refused(captured, operation):
    def step(windows, labels):
        operation(windows)

    weights = torch.zeros(1, requires_grad=True)
    update = cuda_graph.CapturedStep(step, [torch.optim.SGD([weights])], CPU)
    for _ in range(3):
        update(torch.ones(3), torch.ones(3))
    with pytest.raises(NotCapturable):
        update(torch.ones(3), torch.ones(3))


def test_numbers_of_python_stay_as_they_were_recorded(captured):
    """Else the emulation would show nothing."""
    total, numbers = torch.zeros(()), iter([1.0, 2.0, 3.0, 10.0, 20.0])
    update = cuda_graph.CapturedStep(lambda windows, labels: total.add_(next(numbers)), [], CPU)
    for _ in range(6):
        update(torch.ones(3), torch.ones(3))
    assert total == 1 + 2 + 3 + 3 * 10
