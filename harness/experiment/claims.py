"""Claims that a study is to settle: `[[claims]]` in an experiment file, which the report answers.

A claim decides nothing about the runs: it is a question to them, and more may be asked once they are done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from architectures import Between
from harness.experiment.mistakes import KeyPath, Mistakes, unknown_word
from harness.experiment.schema import Key, Keys, check_table, keys_of
from harness.statistics import registry

Share = Annotated[float, Between(above=0, below=1)]
Factor = Annotated[float, Between(above=0)]


@dataclass(frozen=True)
class Better:
    """Arm a is better than arm b, on test."""

    claim: str
    """The claim in words."""
    a: str
    b: str
    metric: str = "accuracy"
    margin: Annotated[float, Between(0, below=1)] = 0.0
    """Accuracy by which a is better, or more."""
    parameters_at_most: Factor | None = None
    """The most parameters of a, as a multiple of those of b."""
    flops_at_most: Factor | None = None
    """The most FLOPs of a frame, likewise."""


@dataclass(frozen=True)
class Equal:
    """Arms a and b are as good as each other, on test."""

    claim: str
    a: str
    b: str
    margin: Share
    """The largest difference that counts as none."""
    metric: str = "accuracy"
    parameters_at_most: Factor | None = None
    flops_at_most: Factor | None = None


@dataclass(frozen=True)
class Threshold:
    """Some arms reach a value on test, and others stay below it."""

    claim: str
    reaches: tuple[str, ...] = ()
    stays_below: tuple[str, ...] = ()
    at: Share | None = None
    above_majority: Share | None = None
    """The value, instead of `at`, as so much above what always naming the commonest phoneme of the test split gives."""
    metric: str = "accuracy"


@dataclass(frozen=True)
class FewerFrames:
    """Arm a has the validation accuracy that arm b ends with after a fraction of the frames that b takes to it."""

    claim: str
    a: str
    b: str
    fraction: Annotated[float, Between(above=0, high=1)]
    accuracy: Share | None = None
    """The accuracy that is meant, instead of b's own."""


@dataclass(frozen=True)
class Gradients:
    """The norm of the first layer's gradient over that of the last layer's, while arms are trained."""

    claim: str
    ratio: Factor
    reaches: tuple[str, ...] = ()
    stays_below: tuple[str, ...] = ()
    when: Literal["start", "throughout"] = "start"
    """Before the first update; or at every step that was looked at."""


Claim = Better | Equal | Threshold | FewerFrames | Gradients

KINDS: dict[str, type[Claim]] = {
    "better": Better,
    "equal": Equal,
    "threshold": Threshold,
    "fewer_frames": FewerFrames,
    "gradients": Gradients,
}


def to_json(claim: Claim) -> dict[str, Any]:
    """The claim as a JSON object; what it leaves open is not in it, unless it has a default."""
    kind = next(kind for kind, of in KINDS.items() if isinstance(claim, of))
    fields = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(claim).items()}
    return {"kind": kind} | {k: v for k, v in fields.items() if v is not None}


def from_json(facts: Mapping[str, Any]) -> Claim:
    """The claim that `to_json` spelled out."""
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items() if k != "kind"}
    return KINDS[facts["kind"]](**fields)  # type: ignore[arg-type]  # they have been checked


def read(tables: Sequence[Any], arms: Sequence[str], epochs: int, mistakes: Mistakes) -> tuple[Claim, ...]:
    """The claims that are right; what is wrong with the others is noted.

    Args:
        arms: their names.
        epochs: of every arm's training.
    """
    claims: list[Claim] = []
    for i, table in enumerate(tables):
        before, path = len(mistakes), ("claims", i)
        kind = KINDS.get(table.get("kind", "")) if isinstance(table.get("kind"), str) else None
        keys = {"kind": Key(Literal[*KINDS], is_required=True)}
        if kind is None:
            names = {key for of in KINDS.values() for key in keys_of(of)}
            check_table({k: v for k, v in table.items() if k not in names}, keys, path, mistakes)
            continue
        values = check_table(table, keys | _keys(kind), path, mistakes)
        if len(mistakes) > before:
            continue
        del values["kind"]
        claim = kind(**values)
        _check(claim, arms, epochs, path, mistakes)
        if claim in claims:
            mistakes.add(path, "stated twice")
        if len(mistakes) == before:
            claims.append(claim)
    return tuple(claims)


def _keys(kind: type[Claim]) -> Keys:
    """What a claim may state; a measure is one that arms are compared by."""
    keys = keys_of(kind)
    if "metric" in keys:
        keys["metric"] = Key(Literal[*(metric.name for metric in registry.comparable())])
    return keys


def _check(claim: Claim, arms: Sequence[str], epochs: int, path: KeyPath, mistakes: Mistakes) -> None:
    """Note what concerns several keys at once, or the arms."""
    if not claim.claim.strip():
        mistakes.add((*path, "claim"), "empty; state the claim in a sentence")
    if isinstance(claim, Threshold | Gradients):
        for key in ("reaches", "stays_below"):
            for i, arm in enumerate(getattr(claim, key)):
                if arm not in arms:
                    mistakes.add((*path, key, i), unknown_word("arm", arm, arms))
        for arm in sorted(set(claim.reaches) & set(claim.stays_below)):
            mistakes.add((*path, "stays_below"), f"{arm!r} is also in reaches: an arm cannot be in both")
        if not claim.reaches and not claim.stays_below:
            mistakes.add(path, "the claim names no arm: give reaches, stays_below or both")
    else:
        for key, arm in (("a", claim.a), ("b", claim.b)):
            if arm not in arms:
                mistakes.add((*path, key), unknown_word("arm", arm, arms))
        if claim.a == claim.b:
            mistakes.add((*path, "b"), f"a and b are the same arm, {claim.a!r}")
    if isinstance(claim, Threshold):
        if (claim.at is None) == (claim.above_majority is None):
            both = "" if claim.at is None else ", not both"
            mistakes.add(path, f"give at (a value) or above_majority (how much above the commonest phoneme){both}")
        elif claim.above_majority is not None and claim.metric != "accuracy":
            mistakes.add((*path, "above_majority"), f'it is about metric = "accuracy", not "{claim.metric}"; give at')
    if isinstance(claim, FewerFrames) and claim.fraction * epochs < 1:
        few = f"of {epochs} epochs this is less than one, and validation is scored at the end of epochs"
        mistakes.add((*path, "fraction"), f"{claim.fraction:g} is not allowed: {few}; at least {1 / epochs:.2g}")
