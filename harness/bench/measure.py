"""The speed of this machine: a whole training step and its parts, against the machine's own ceiling and the usual way.

Everything is measured in one process, after warm-up, as the median over repeats; on a GPU by device events. Frames are
random: their values decide no time. Imports neither mlflow nor optuna.

Legend: F frames, B batch, W window, D features, C classes.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import architectures
from harness.bench import baseline
from harness.bench.baseline import usual_frames_per_second
from harness.corpora.store import Part
from harness.errors import UserError
from harness.frames.device import autocast, dtype_of_frames
from harness.frames.normalisation import Normaliser
from harness.frames.windows import ResidentFrames, to_device
from harness.phones import PHONEMES
from harness.settings import Settings, Training
from harness.training import evaluate, together, trainer
from harness.training.cuda_graph import capture
from harness.training.run import SMALL, peak_bytes

D_FEATURES = 28
N_FRAMES = 200_000
_TOGETHER = 4  # models of a batched one
_FEWEST = 3  # repeats, however long one takes


@dataclass(frozen=True)
class BenchArm:
    """One model to be measured."""

    arm: str
    settings: Settings


def default_arms() -> list[BenchArm]:
    """The reference LA-DNN, an FF-DNN of its widths, and a small model."""
    widths = (2048, 2048, 1024, 1024, 512, 256, 256)
    small = {"depth": 4, "width": 256}
    return [
        BenchArm("ladnn", Settings("ladnn", {"widths": widths})),
        BenchArm("ffdnn", Settings("ffdnn", {"widths": widths})),
        BenchArm("small", Settings("ffdnn", small)),
    ]


def arms_of(file: Path | None, only: Sequence[str]) -> list[BenchArm]:
    """The arms of an experiment file at the low ends of their ranges, or the default ones; `only` those named, if any.

    Raises:
        UserError: the file is wrong, or has no such arm.
    """
    arms = default_arms()
    if file is not None:
        from harness.experiment import load

        arms = [BenchArm(name, arm.ends()[0]) for name, arm in load.load(file).arms.items()]
    names = [arm.arm for arm in arms]
    for name in only:
        if name not in names:
            raise UserError(f"--arm {name}: no such arm; there are: {', '.join(names)}")
    return [arm for arm in arms if not only or arm.arm in only]


def bench(
    arms: list[BenchArm],
    *,
    device: torch.device,
    arithmetic: str,
    batch_size: int | None,
    seconds: float,
    n_utterances: int = 2000,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure; the keys are those of the design.

    Args:
        arithmetic: "bf16" or "fp32".
        batch_size: frames; each arm's own unless given.
        seconds: spent on each measurement, about.
        n_utterances: of the corpus that is read.
        say: told what is being measured.
    """
    rows = []
    for arm in arms:
        say(f"measuring {arm.arm}")
        rows.append(_arm(arm, device, arithmetic, batch_size or arm.settings.training.batch_size, seconds))
    say("measuring reading")
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads",
        "precision": arithmetic,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "arms": rows,
        "reading": baseline.reading(n_utterances),
    }


def _arm(arm: BenchArm, device: torch.device, arithmetic: str, batch_size: int, seconds: float) -> dict[str, Any]:
    settings = arm.settings
    data = resident_frames(N_FRAMES, settings.data.left, settings.data.right, device, arithmetic)
    torch.manual_seed(0)
    shape = (settings.data.window, D_FEATURES, len(PHONEMES))
    model = architectures.build(settings.architecture, *shape, settings.params).to(device)
    size = architectures.measure(settings.architecture, *shape, settings.params)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    training = Training(batch_size=batch_size)
    indices = torch.randperm(len(data), device=device)[:batch_size]

    flops, ideal = ceiling(model, data.windows(indices), arithmetic, seconds)
    gather = median_seconds(lambda: data.windows(indices), device, seconds)
    model.eval()
    with torch.inference_mode(), autocast(device, arithmetic):
        forward = median_seconds(lambda: model(data.windows(indices)), device, seconds)
    step = median_seconds(step_of(model, data, indices, training, arithmetic), device, seconds)
    some = replace(data, rows=data.rows[:batch_size], labels=data.labels[:batch_size])
    several = _together(arm, data, indices, training, arithmetic, seconds) if size.parameters < SMALL else None
    whole = median_seconds(lambda: evaluate.predict(model, some, arithmetic), device, seconds)
    peak = peak_bytes(device)  # before the usual way adds to it
    usual = usual_frames_per_second(model, data, batch_size, seconds)
    own = batch_size / step
    return {
        "arm": arm.arm,
        "parameters": size.parameters,
        "batch_size": batch_size,
        "ceiling_flops": flops / ideal,
        "gather": {"frames_per_second": batch_size / gather, "share_of_step": gather / step},
        "forward": {"frames_per_second": batch_size / forward, "milliseconds": 1e3 * forward},
        "step": {"frames_per_second": own, "milliseconds": 1e3 * step, "share_of_ceiling": ideal / step},
        "evaluate": {"frames_per_second": len(some) / whole},
        "usual": {"frames_per_second": usual},
        "ratio_to_usual": own / usual,
        **({"together": {"models": _TOGETHER, "ratio_to_one": several / step}} if several else {}),
        "peak_bytes": peak,
    }


def resident_frames(n_frames: int, left: int, right: int, device: torch.device, arithmetic: str) -> ResidentFrames:
    """Random frames and labels in utterances of 1,200 frames, as training has them."""
    rng = np.random.default_rng(0)
    lengths = np.full(-(-n_frames // 1200), 1200)
    lengths[-1] -= lengths.sum() - n_frames
    names = np.array([f"{i}" for i in range(len(lengths))])
    part = Part(
        split="train",
        frames=rng.standard_normal((n_frames, D_FEATURES), dtype=np.float32),
        labels=rng.integers(0, len(PHONEMES), n_frames, dtype=np.uint8),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        utterances=names,
        speakers=names,
        phonemes=PHONEMES,
        digest="random",
    )
    dtype = dtype_of_frames(arithmetic)
    return to_device(
        Normaliser(part, "none"),
        slice(None),
        left=left,
        right=right,
        boundary="utterance",
        device=device,
        dtype=dtype,
    )


def step_of(
    model: nn.Module, data: ResidentFrames, indices: Tensor, training: Training, arithmetic: str
) -> Callable[[], None]:
    """A whole training step, as the trainer makes it."""
    learner = trainer.Learner(model, training, 1, indices.device)
    learner.begin_epoch()
    update = capture(
        lambda windows, labels: trainer.step(learner, windows, labels, arithmetic), [learner.optimiser], indices.device
    )
    return lambda: update(*data.examples(indices))


def _together(
    arm: BenchArm, data: ResidentFrames, indices: Tensor, training: Training, arithmetic: str, seconds: float
) -> float:
    """Seconds of a step of several models of the arm as one batched model."""
    shape = (arm.settings.data.window, D_FEATURES, len(PHONEMES))
    device, params = indices.device, arm.settings.params
    models = [architectures.build(arm.settings.architecture, *shape, params).to(device) for _ in range(_TOGETHER)]
    stack = together.Stack(models)
    learners = [trainer.Learner(model, training, 1, device) for model in models]
    for learner in learners:
        learner.begin_epoch()
    update = capture(
        lambda windows, labels: together.step(stack, learners, windows, labels, arithmetic),
        [learner.optimiser for learner in learners],
        device,
    )

    def step() -> None:
        examples = [data.examples(indices.roll(s)) for s in range(_TOGETHER)]
        windows, labels = (torch.stack(each) for each in zip(*examples, strict=True))
        update(windows, labels)

    return median_seconds(step, device, seconds)


def ceiling(model: nn.Module, windows: Tensor, arithmetic: str, seconds: float) -> tuple[float, float]:
    """FLOPs of the matrix products that one training step cannot do without, and the seconds they take by themselves.

    For each affine map of d_in to d_out: forward (B, d_in) (d_in, d_out), the gradient of its weight, and the gradient
    of its input unless that is the frames.
    """
    shapes: list[tuple[int, int, bool]] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], _: object) -> None:
        assert isinstance(layer, nn.Linear)
        shapes.append((layer.in_features, layer.out_features, inputs[0].requires_grad))

    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, nn.Linear)]
    model(windows.float())
    for hook in hooks:
        hook.remove()
    n, device = len(windows), windows.device
    dtype = torch.bfloat16 if arithmetic == "bf16" else torch.float32
    flops = spent = 0.0
    seconds_of: dict[tuple[int, int, bool], float] = {}
    for shape in shapes:
        d_in, d_out, needs_input_gradient = shape
        flops += 2 * n * d_in * d_out * (3 if needs_input_gradient else 2)
        if shape not in seconds_of:
            seconds_of[shape] = _products(n, *shape, device, dtype, seconds / len(set(shapes)))
        spent += seconds_of[shape]
    return flops, spent


def _products(
    n: int, d_in: int, d_out: int, needs_input_gradient: bool, device: torch.device, dtype: torch.dtype, seconds: float
) -> float:
    x = torch.randn(n, d_in, device=device, dtype=dtype)
    weight = torch.randn(d_out, d_in, device=device, dtype=dtype)
    gradient = torch.randn(n, d_out, device=device, dtype=dtype)
    out = torch.empty(n, d_out, device=device, dtype=dtype)
    out_weight, out_x = torch.empty_like(weight), torch.empty_like(x)

    def products() -> None:
        torch.mm(x, weight.T, out=out)
        torch.mm(gradient.T, x, out=out_weight)
        if needs_input_gradient:
            torch.mm(gradient, weight, out=out_x)

    return median_seconds(products, device, seconds)


def median_seconds(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Median time of one call, over as many repeats as fit into `seconds`, after a warm-up."""
    work()
    return statistics.median(_repeats(work, device, seconds))


def _repeats(work: Callable[[], object], device: torch.device, seconds: float) -> Iterator[float]:
    began, n = time.perf_counter(), 0
    while n < _FEWEST or time.perf_counter() - began < seconds:
        yield _timed(work, device)
        n += 1


def _timed(work: Callable[[], object], device: torch.device) -> float:
    if device.type != "cuda":
        started = time.perf_counter()
        work()
        return time.perf_counter() - started
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    begin.record()
    work()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3
