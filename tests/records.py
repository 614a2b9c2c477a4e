"""A study's record as a real one looks, without training anything: for tests of what reads records."""

import numpy as np

from harness.comparison.compare import compare
from harness.comparison.model import to_json
from harness.phones import BROAD, PHONEMES, SILENCE
from harness.results import ArmRecord, Epoch, Layers, RunResult, Scores, StudyRecord, Trial

ARMS = ("ladnn", "ffdnn", "resmlp", "linear")
_ACCURACY = {"ladnn": 0.745, "ffdnn": 0.735, "resmlp": 0.748, "linear": 0.60}
_EXPERIMENT = """\
question = "Does a linear path around each layer help a frame classifier?"
study    = "ladnn"

[data]
corpus  = "synthetic"
context = { int = [3, 15] }
"""


_CLAIMS = (
    {"kind": "better", "claim": "The linear path helps", "a": "ladnn", "b": "ffdnn", "metric": "accuracy"},
    {"kind": "gradients", "claim": "Gradients arrive", "reaches": ["ladnn"], "stays_below": ["ffdnn"], "ratio": 0.01},
)


def make_record(
    seed: int = 0,
    n_arms: int = 2,
    n_seeds: int = 3,
    n_speakers: int = 8,
    *,
    utterances_per_speaker: int = 5,
    n_trials: int = 12,
    phonemes: tuple[str, ...] = PHONEMES,
    unit: str = "speaker",
) -> StudyRecord:
    """Arms ladnn, ffdnn (the baseline), resmlp, linear: errors mostly within broad classes, some speakers harder."""
    generator = np.random.default_rng(seed)
    frequency = generator.dirichlet(np.full(len(phonemes), 3.0))
    if SILENCE in phonemes:
        frequency = frequency * 0.8
        frequency[phonemes.index(SILENCE)] += 0.2
    splits = {name: _truth(generator, frequency, name, n, utterances_per_speaker)
              for name, n in (("validation", max(2, n_speakers // 2)), ("test", n_speakers))}  # fmt: skip
    taste = _confusability(generator, phonemes)
    arms = []
    for arm in ARMS[:n_arms]:
        trials = tuple(_trial(generator, arm, number) for number in range(n_trials))
        best = max((t for t in trials if t.state == "complete"), key=lambda t: t.value or 0, default=None)
        chosen = best.settings if best else {}
        finals = tuple(_final(generator, arm, s, chosen, phonemes, splits, taste) for s in range(n_seeds))
        importances = dict(zip(chosen, generator.dirichlet(np.ones(len(chosen))).tolist(), strict=True))
        arms.append(ArmRecord(arm, arm, chosen, finals, trials, importances))
    sizes = {
        name: {"utterances": len(names), "speakers": len(set(speakers)), "frames": int(true.sum())}
        for name, (names, speakers, true) in splits.items()
    }
    return StudyRecord(
        study="ladnn",
        question="Does a linear path around each layer help a frame classifier?",
        baseline="ffdnn" if n_arms > 1 else None,
        unit=unit,
        level=0.95,
        margin=0.0005,
        random_trials=4,
        corpus={
            "name": "synthetic",
            "digest": "9f2c51d0a4b87e63",
            "splits": {"train": {"utterances": 400, "speakers": 40, "frames": 120_000}, **sizes},
        },
        experiment=_EXPERIMENT,
        arms=arms,
        claims=_CLAIMS if n_arms > 1 else (),
        notes=("The corpus is synthetic speech: differences on recorded speech may be others.",),
        provenance={
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "dirty": False,
            "device": "cpu",
            "precision": "fp32",
            "versions": {"torch": "2.13.0", "numpy": "2.4.6"},
            "command": "harness run experiments/ladnn_vs_ffdnn.toml",
            "started": "2026-11-22T11:05:00+00:00",
            "seconds": 231.5,
        },
    )


def comparison_json(record: StudyRecord) -> dict:
    """The comparison of a record, as `comparison.json` has it."""
    return to_json(compare(record))


def _truth(
    generator: np.random.Generator, frequency: np.ndarray, split: str, n_speakers: int, per_speaker: int
) -> tuple[list[str], list[str], np.ndarray]:
    """Names and speakers of U utterances, and how often each class occurs in them (U, C)."""
    speakers = [f"{split[0]}{i:02d}" for i in range(n_speakers) for _ in range(per_speaker)]
    names = [f"{speaker}-{i:04d}" for i, speaker in enumerate(speakers)]
    return names, speakers, generator.multinomial(generator.integers(200, 900, len(names)), frequency)


def _confusability(generator: np.random.Generator, phonemes: tuple[str, ...]) -> np.ndarray:
    """(C, C) what a class is taken for when it is mistaken, rows summing to 1."""
    broad = np.array([BROAD.get(name, name) for name in phonemes])
    closeness = generator.gamma(0.7, size=(len(phonemes),) * 2) * np.where(broad[:, None] == broad, 6.0, 1.0)
    np.fill_diagonal(closeness, 0)
    return closeness / closeness.sum(axis=1, keepdims=True)


def _final(
    generator: np.random.Generator,
    arm: str,
    seed: int,
    chosen: dict,
    phonemes: tuple[str, ...],
    splits: dict,
    taste: np.ndarray,
) -> RunResult:
    accuracy = _ACCURACY[arm] + generator.normal(0, 0.0015)
    parts = {
        name: _scores(generator, name, *truth, accuracy=accuracy, taste=taste, arm=arm)
        for name, truth in splits.items()
    }
    n_epochs = 6
    history = tuple(
        Epoch(
            epoch=e,
            train_loss=float(0.7 + 1.6 * 0.55**e + generator.normal(0, 0.01)),
            train_accuracy=float(accuracy + 0.06 - 0.3 * 0.5**e),
            validation_loss=float(0.8 + 1.3 * 0.5**e + generator.normal(0, 0.01)),
            validation_accuracy=parts["validation"].accuracy if e == n_epochs else float(accuracy - 0.2 * 0.45**e),
            learning_rate=1e-3 * (1 - (e - 1) / n_epochs),
            frames=120_000 * e,
            seconds=2.5,
        )
        for e in range(1, n_epochs + 1)
    )
    return RunResult(
        arm=arm,
        architecture=arm,
        stage="final",
        trial=None,
        seed=seed,
        settings={"architecture": arm, "data.context": 7, "training.epochs": n_epochs, **chosen},
        parameters={"ladnn": 1_205_320, "ffdnn": 918_056, "resmlp": 1_400_000, "linear": 16_840}[arm],
        flops_per_frame=2_400_000,
        phonemes=phonemes,
        history=history,
        best_epoch=n_epochs,
        validation=parts["validation"],
        test=parts["test"],
        seconds=float(15 + generator.normal(0, 0.5)),
        frames_per_second=48_000.0,
        peak_bytes=310_000_000,
        layers=_layers(arm, seed),
        provenance={"device": "cpu", "precision": "fp32"},
    )


def _layers(arm: str, seed: int) -> Layers:
    """Of a training of 700 steps: gradients shrink towards the first of five layers; in ffdnn most."""
    steps = np.array([0, *(2**k for k in range(10)), 700])
    fading = {"ffdnn": 0.1}.get(arm, 0.7) * (1 + 0.05 * seed)
    gradient = fading ** np.arange(4, -1, -1) / (1 + steps[:, None] / 100)
    has_paths = arm in ("ladnn", "resmlp")
    return Layers(
        (*(f"hidden.{4 * i}" for i in range(4)), "output"),
        steps,
        gradient.astype(np.float32),
        np.float32(np.linspace(1, 2, 5) + 0.001 * steps[:, None]),
        np.float32(np.where(has_paths, 1.5 - 0.001 * steps[:, None] + np.zeros(5), np.nan)),
    )


def _scores(
    generator: np.random.Generator,
    split: str,
    names: list[str],
    speakers: list[str],
    true: np.ndarray,
    *,
    accuracy: float,
    taste: np.ndarray,
    arm: str,
) -> Scores:
    n_utterances, n_classes = true.shape
    # What is hard for a speaker or a class is hard for every arm: drawn apart from the arm's own generator.
    shared = np.random.default_rng(len(names))
    ease = dict(zip(sorted(set(speakers)), shared.normal(0, 0.04, len(set(speakers))), strict=True))
    of_class = shared.normal(0, 0.08, n_classes)
    of_arm = np.random.default_rng(ARMS.index(arm))
    ease = {speaker: value + of_arm.normal(0, 0.006) for speaker, value in ease.items()}
    of_class = of_class + of_arm.normal(0, 0.015, n_classes)
    right = np.clip(accuracy + np.array([ease[s] for s in speakers])[:, None] + of_class, 0.02, 0.995)
    correct = generator.binomial(true, right)
    counts = np.zeros((n_utterances, n_classes, n_classes), np.int32)
    for c in range(n_classes):
        counts[:, c] = generator.multinomial(true[:, c] - correct[:, c], taste[c])
        counts[:, c, c] = correct[:, c]
    log_loss = true.sum(axis=1) * generator.gamma(90, 0.01, n_utterances)
    truth, predicted = _frames(generator, counts) if split == "test" else (None, None)
    probability = None if truth is None else generator.uniform(0.3, 1, len(truth)).astype(np.float16)
    return Scores(split, tuple(names), tuple(speakers), counts, log_loss, predicted, probability, truth)


def _frames(generator: np.random.Generator, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F,) labels and predictions that give these counts; labels in runs of up to 8, the same for the same truth."""
    truth, predicted = [], []
    for n, utterance in enumerate(counts):
        frames = [(c, length) for c, total in enumerate(utterance.sum(axis=1)) for length in _runs(int(total))]
        order = np.random.default_rng(n).permutation(len(frames))
        labels = np.repeat([frames[i][0] for i in order], [frames[i][1] for i in order])
        found = np.empty_like(labels)
        for c in np.unique(labels):
            found[labels == c] = generator.permutation(np.repeat(np.arange(len(utterance)), utterance[c]))
        truth.append(labels)
        predicted.append(found)
    return np.concatenate(truth).astype(np.uint8), np.concatenate(predicted).astype(np.uint8)


def _runs(n_frames: int) -> list[int]:
    return [8] * (n_frames // 8) + ([n_frames % 8] if n_frames % 8 else [])


def _trial(generator: np.random.Generator, arm: str, number: int) -> Trial:
    state = "failed" if number == 7 else "pruned" if number % 4 == 3 else "complete"
    value = None if state == "failed" else float(_ACCURACY[arm] - generator.gamma(1.5, 0.015))
    settings = {
        "data.context": int(generator.integers(3, 16)),
        "training.learning_rate": float(10 ** generator.uniform(-4, -2)),
        "training.label_smoothing": float(generator.uniform(0, 0.2)),
    }
    if arm != "linear":
        settings["params.depth"] = int(generator.integers(2, 9))
    curve = tuple((value or 0.3) - 0.1 * 0.5**e for e in range(3))
    return Trial(number, state, value, settings, 90_000 if state == "complete" else 30_000, 4.0, curve)
