"""`harness run --plan`: what a study would run, and what it costs. Trains nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

import architectures
from harness.conductor.search import n_ended
from harness.conductor.variances import measured_spread
from harness.conductor.workspace import Workspace, cache, runs_per_arm
from harness.corpora.corpus import Corpus, open_corpus, subset
from harness.corpora.store import Part
from harness.display.document import Block, Columns, Heading, Line, Table, numbers
from harness.display.progress import Progress, Workload
from harness.display.wording import ABSENT, count, counted, percent, rounded, setting, value
from harness.display.wording import settings as said
from harness.experiment import rungs, sizes
from harness.experiment.amendment import Amendment
from harness.experiment.experiment import Arm, Experiment, Search
from harness.frames.device import Parallelism, choose, choose_device, choose_parallelism, dtype_of_frames, memory_limit
from harness.frames.placement import placement
from harness.settings import Settings
from harness.statistics.evidence import POWER
from harness.statistics.planning import expected_estimate, smallest_difference

_COPIES = 5  # of the weights: themselves, their gradient, two moments of Adam, the best epoch's


def workload(experiment: Experiment, n_frames: int, n_runs: int) -> Workload:
    """The work of a study whose training split has `n_frames`, with `n_runs` of its runs side by side."""
    stages, n_finals = rungs.of_experiment(experiment), len(experiment.finals())
    n_searches = len(experiment.searches())
    per_arm = n_finals * experiment.training.epochs * n_frames
    per_arm += n_searches * sum(round(rung.trials * rung.epochs * rung.subset * n_frames) for rung in stages)
    trials = tuple(n_searches * rung.trials for rung in stages)
    return Workload(
        experiment.study, experiment.question, tuple(experiment.arms), trials, n_finals, n_frames, per_arm, n_runs
    )


def study_parts(experiment: Experiment, corpus: Corpus, fold: int = 1) -> dict[str, Part]:
    """What a study sees: "train", "validation", "test", and what trials see that is fewer training utterances.

    Args:
        corpus: the whole one, or a fold of it.
        fold: its number, from 1.
    """
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    for number, search in enumerate(experiment.searches(fold), 1):
        for rung in rungs.rungs(search, experiment.training.epochs, number):
            if rung.part not in parts:
                parts[rung.part] = subset(corpus.train, rung.subset, subset_seed(number, fold, search))
    return parts


def subset_seed(number: int, fold: int, search: Search) -> int:
    """The seed of the utterances that the trials of a search are trained on.

    Args:
        number: of the search among the arm's, from 1.
        fold: from 1.
    """
    return 0 if number == fold == 1 else search.seed  # 0 as in studies from before there were several searches


def plan(experiment: Experiment, root: Path, device: str, progress: Progress) -> list[Block]:
    """Arms, trials, runs, parameters and FLOPs per frame, frames, memory. The corpus is read (and made) for it.

    Raises:
        UserError: as the run itself would.
    """
    chosen = choose_device(device)
    workspace = Workspace(root, experiment)
    found = workspace.open(amend=True) if workspace.has_runs else None
    corpus = open_corpus(experiment.data, cache(root), progress.reading)
    experiment = sizes.for_corpus(experiment, corpus.train.d_features, len(corpus.train.phonemes))
    search, finals, n_searches = experiment.search, experiment.finals(), max(1, len(experiment.searches()))
    corpora = corpus.folds or (corpus,)
    stages, parts = rungs.of_experiment(experiment), study_parts(experiment, corpora[0])
    n_folds, trials = len(corpora), n_searches * sum(rung.trials for rung in stages)
    search_frames = n_searches * sum(rung.trials * rung.epochs * parts[rung.part].n_frames for rung in stages)
    final_frames = sum(own.train.n_frames for own in corpora) // n_folds * experiment.training.epochs
    d_features, n_classes = corpus.train.d_features, len(corpus.train.phonemes)
    rows, memory = [], 0
    for arm in experiment.arms.values():
        ends = [_cost(settings, d_features, n_classes) for settings in arm.ends()]
        memory = max(memory, max(size for _, size in ends))
        parameters = _ends([cost.parameters for cost, _ in ends])
        flops = _ends([cost.flops_per_frame for cost, _ in ends])
        times = f"{n_searches} x " if n_searches > 1 else ""
        runs = " + ".join(str(n) for n in (*(f"{times}{rung.trials}" for rung in stages), len(finals)))
        runs = runs if n_folds == 1 else f"{n_folds} x ({runs})"
        rows.append((arm.name, arm.architecture, runs, parameters, flops))
    summary = corpus.summary()
    frames = [(name, *map(count, own.values())) for name, own in (summary.get("folds") or summary["splits"]).items()]
    n_runs = n_folds * len(rows) * (trials + len(finals))
    total = n_folds * len(experiment.arms) * (search_frames + len(finals) * final_frames)
    begun = workspace.facts() if workspace.has_runs else {}
    shared = choose_parallelism(chosen, len(rows), begun)
    return [
        Heading(f"{experiment.study}: {experiment.question}"),
        Line(f"{counted(len(rows), 'arm')}, {counted(n_runs, 'run')}; {_done(experiment, root)}"),
        *(_changed(found, experiment) if found else []),
        Heading("Arms (trials + final seeds; ends of the ranges)" if search else "Arms (final seeds)"),
        Table(["arm", "architecture", *numbers("runs", "parameters", "FLOPs per frame")], rows),
        *_swept(experiment),
        *_searches(experiment, search_frames, final_frames),
        *_folds(corpus),
        *_ranges(experiment),
        *_widths(experiment),
        *(_rungs(stages, parts) if len(stages) > 1 else []),
        Heading(f"Corpus {corpus.name}, digest {corpus.digest}"),
        Table(["tested in" if corpus.folds else "part", *numbers("utterances", "speakers", "frames")], frames),
        Heading("Cost"),
        *([Line(f"training frames of a trial: {count(search_frames / trials)}")] if len(stages) == 1 else []),
        Line(f"training frames of a final: {count(final_frames)}; of the whole study: {count(total)}"),
        Line(f"{counted(shared.n_runs, 'run')} at a time, {counted(shared.threads, 'thread')} each"),
        *(Line(text) for text in _where(experiment, corpus, chosen, shared, begun)),
        Line(f"memory for the largest model and its batch: about {rounded(memory)}B for each run at a time"),
        *_power(experiment, corpus, root / "reports"),
        *(Line(f"note: {note}") for note in experiment.notes),
    ]


def _power(experiment: Experiment, corpus: Corpus, reports: Path) -> list[Block]:
    """What the study can show, by the variances of studies before; nothing of one arm, or of one test speaker."""
    n_speakers = len(set(corpus.test.speakers.tolist()))
    is_simple = len(experiment.arms) > 1 and not experiment.data.folds and experiment.comparison.unit == "speaker"
    if not is_simple or n_speakers < 2:
        return []
    n_searches = len(experiment.searches())
    n_draws = n_searches if n_searches > 1 else len(experiment.finals())
    are_paired = len({str(sorted(arm.ranges.items())) for arm in experiment.arms.values()}) == 1
    thing = "search" if n_searches > 1 else "seed"
    spread, studies = measured_spread(reports, corpus.digest)

    def row(name: str, speakers: int, draws: int) -> tuple[str, str, str]:
        own = expected_estimate(speakers, draws, n_searches > 1, are_paired, experiment.comparison.level, spread)
        smallest = smallest_difference(own)
        return name, percent(own.half), ABSENT if smallest is None else percent(smallest)

    planned = row("as planned", n_speakers, n_draws)
    rows = [planned, row(f"{2 * n_speakers} test speakers", 2 * n_speakers, n_draws)]
    rows.append(row(counted(2 * n_draws, thing), n_speakers, 2 * n_draws))
    half, margin = float(planned[1]), 100 * experiment.comparison.margin
    reach = f"practically equal (margin {margin:g}) {'can' if half < margin else 'cannot'} come out"
    return [
        Heading("What it can show, in points of accuracy"),
        Table(["", *numbers("half of the interval", f"shown with probability {POWER:g}")], rows),
        *([Line(reach)] if margin else []),
        Line(f"by variances {'measured in ' + ', '.join(studies) if studies else 'typical of small corpora'}"),
    ]


def _swept(experiment: Experiment) -> list[Block]:
    if experiment.sweep is None:
        return []
    values = ", ".join(value(v) for v in experiment.sweep.values)
    return [Line(f"swept: {setting(experiment.sweep.key)} {values}; every cell has its own search and comparison")]


def _searches(experiment: Experiment, search_frames: int, final_frames: int) -> list[Block]:
    """What several searches of each arm cost, and what one would."""
    n, n_finals = len(experiment.searches()), len(experiment.finals())
    if not experiment.searches():
        return []
    if n == 1:
        return [
            Line(
                "one search of each arm: the result is about the configurations that it finds, not about the "
                "architectures; comparison.searches = 3 or more includes the search in the interval"
            )
        ]
    n_seeds = len(experiment.comparison.seeds)
    of_one = search_frames / n + n_seeds * final_frames
    ratio = (search_frames + n_finals * final_frames) / of_one
    return [
        Line(
            f"{n} independent searches of each arm, {counted(n_finals, 'final')} dealt to them in turn: "
            f"{ratio:.2g} times the frames of one search with {counted(n_seeds, 'seed')}"
        )
    ]


def _folds(corpus: Corpus) -> list[Block]:
    if not corpus.folds:
        return []
    n = len(corpus.folds)
    return [
        Line(
            f"{n} folds of whole speakers: every speaker is tested once, and all runs are made {n} times, on the "
            "training and validation speakers of each fold"
        )
    ]


def _rungs(stages: Sequence[rungs.Rung], parts: Mapping[str, Part]) -> list[Block]:
    """What every arm's search spends."""
    rows, total = [], 0
    for rung in stages:
        part = parts[rung.part]
        total += (frames := rung.trials * rung.epochs * part.n_frames)
        cells = (rung.number, rung.trials, len(part.utterances), rung.epochs, rung.epochs * part.n_frames, frames)
        rows.append(tuple(count(cell) for cell in cells))
    headings: Columns = ["rung", *numbers("trials", "utterances", "epochs", "frames of a trial", "frames of an arm")]
    return [
        Heading("Search, rung by rung: the same for every arm, whatever the scores"),
        Table(headings, (*rows, ("all", count(sum(rung.trials for rung in stages)), "", "", "", count(total)))),
    ]


def _where(
    experiment: Experiment, corpus: Corpus, device: torch.device, shared: Parallelism, begun: dict[str, Any]
) -> list[str]:
    """Which parts stay on the device and which pass through, and why."""
    wanted = experiment.training.precision
    dtype = dtype_of_frames(choose(device) if wanted == "auto" else wanted)
    limit = memory_limit(device, experiment.data.memory, begun) // shared.memory_shares
    parts = study_parts(experiment, corpus.folds[0] if corpus.folds else corpus)
    placed = placement(parts, max(experiment.widest_context), dtype, limit)
    half = "half of its free memory" if device.type == "cuda" else "half of its memory"
    allowed = "data.memory" if experiment.data.memory else half
    if shared.memory_shares > 1:
        allowed = f"{allowed} for each of {shared.memory_shares} runs"
    sizes = f"device: {device.type}; the frames take {rounded(placed.needed)}B of {rounded(limit)}B ({allowed}):"
    if not placed.streamed:
        return [f"{sizes} they stay there"]
    chunks = f"  {', '.join(placed.streamed)} are streamed in chunks of {count(placed.chunk_frames)} frames"
    staying = [name for name in parts if name not in placed.streamed]
    return [sizes, chunks + (f"; {', '.join(staying)} stay" if staying else "")]


def _done(experiment: Experiment, root: Path) -> str:
    """What of it lies behind us."""
    workspace = Workspace(root, experiment)
    n_done = len(list(workspace.folder.glob("runs/*-seed-*/result.json")))
    n_done += sum(n_ended(workspace.journal).values())
    return f"{n_done} of them done" if n_done else "no run has started yet"


def _changed(found: Amendment, experiment: Experiment) -> list[Block]:
    """What the file has changed of the study that was begun."""
    way = f"done by {experiment.command}" + (" --amend" if found.anew else "")
    lines = [*found.changes, *found.lines(runs_per_arm(experiment)), way]
    return [Heading(f"Changed since study {experiment.study!r} was begun"), *map(Line, lines)]


def _ranges(experiment: Experiment) -> list[Block]:
    lines: list[Block] = [Line(text) for arm in experiment.arms.values() for text in _of_arm(arm)]
    return [Heading("Searched"), *lines] if lines else []


def _of_arm(arm: Arm) -> list[str]:
    ranges = ", ".join(f"{name.partition('.')[2]} {r}" for name, r in arm.ranges.items())
    return [f"{arm.name}: {ranges}"] if ranges else []


def _cost(settings: Settings, d_features: int, n_classes: int) -> tuple[architectures.Size, int]:
    """Size of a model, and the bytes that its training needs: weights and what a batch leaves for the backward pass."""
    shape = (settings.data.window, d_features, n_classes)
    size = architectures.measure(settings.architecture, *shape, settings.params)
    outputs = 0

    def add(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal outputs
        outputs += output.numel() if not list(module.children()) else 0

    with torch.device("meta"):
        model = architectures.build(settings.architecture, *shape, settings.params)
        for module in model.modules():
            module.register_forward_hook(add)
        model(torch.empty(2, settings.data.window, d_features))
    per_frame = outputs // 2 + settings.data.window * d_features
    return size, 4 * (_COPIES * size.parameters + settings.training.batch_size * per_frame)


def _widths(experiment: Experiment) -> list[Block]:
    """Of every arm that states its parameters, the width that has been solved at the ends of its ranges."""
    lines: list[Block] = []
    for arm in experiment.arms.values():
        ends = [_width(arm, values) for values in arm.probes()[:2]] if arm.is_matched else []
        lines += [Line(f"{arm.name}: {' to '.join(dict.fromkeys(ends))}")] if ends else []
    return [Heading("Widths, computed for the stated parameters"), *lines] if lines else []


def _width(arm: Arm, values: dict[str, Any]) -> str:
    params = arm.settings(values).params
    width = ", ".join(map(str, params.get("widths") or [params["width"]]))
    where = said({key: values[key] for key in sizes.ranges_of_size(arm)})
    return f"{width} ({where})" if where else width


def _ends(values: list[int]) -> str:
    return " to ".join(dict.fromkeys(rounded(value) for value in sorted(values)))
