"""An experiment file, once `load` has read and checked it: arms, their ranges, the search, the comparison."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from architectures import Between, first_defaults, parameters_of
from harness.experiment import matching
from harness.experiment.claims import Claim
from harness.experiment.mistakes import as_toml
from harness.experiment.ranges import Range
from harness.seeds import derive_seed
from harness.settings import LARGEST_SEED, Data, Rows, Settings, Training

CHECKS = tuple(f"H{number:03}" for number in range(1, 17))
"""Codes of the checks of a finished study, which a file may mute; see `comparison.checks`."""
OF_FOLD = "@fold="
"""What stands between the name of an arm and the number of its fold."""
ASSUMED = (28, 40)
"""Coefficients and classes, until the corpus has been read."""


@dataclass(frozen=True)
class Search:
    """The search of every arm's ranges, on validation."""

    trials: Annotated[int, Between(1)]
    """Trials of each arm."""
    epochs: Annotated[int, Between(1)]
    """Epochs of a trial; those of `[training]` unless given."""
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    seed: Annotated[int, Between(0, LARGEST_SEED)] = 0
    subset: Annotated[float, Between(above=0, high=1)] = 1.0
    """Fraction of the training utterances that a trial sees, whole ones."""
    halving: Annotated[int, Between(2)] | None = None
    """The best of so many trials is trained anew on so many times the frames, until they are all; None does not."""
    pruning: Literal["none", "median"] = "none"
    warmup_epochs: Annotated[int, Between(0)] = 1
    """median only: epochs of a trial before it may be pruned."""
    startup_trials: Annotated[int, Between(0)] = 4
    """median only: trials of an arm before any may be pruned."""


@dataclass(frozen=True)
class Match:
    """Parameters that every arm has alike."""

    parameters: Annotated[int, Between(1)]


@dataclass(frozen=True)
class Limit:
    """The size that no model may exceed."""

    parameters: Annotated[int, Between(1)] | None = None


@dataclass(frozen=True)
class ComparisonSettings:
    """The comparison of the arms' chosen configurations, on test."""

    baseline: str | None = None
    """The arm that the others are compared with; the first unless given, None with a single arm."""
    seeds: tuple[Annotated[int, Between(0, LARGEST_SEED)], ...] = (0, 1, 2)
    searches: Annotated[int, Between(1, 100)] = 1
    """Independent searches of each arm; the seeds are dealt to them in turn."""
    unit: Literal["speaker", "utterance"] = "speaker"
    """The unit that is resampled."""
    level: Annotated[float, Between(above=0.5, below=1)] = 0.95
    """The level of the intervals."""
    resamples: Annotated[int, Between(200, 100_000)] = 2000
    match: Literal["parameters"] | Match | None = None
    """Parameters that every arm's width is solved for: the baseline's, or a number."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Pairs of arms that the verdicts are about, planned before the runs; every two arms if there are none."""
    mute: tuple[str, ...] = ()
    """Codes of checks that are not shown: H013, say."""
    looks: Annotated[int, Between(1, 20)] = 1
    """Looks at the result that are planned, with seeds or searches added in between."""
    margin: Annotated[float, Between(0, below=1)] = 0.0
    """Accuracy: an interval within it on both sides of zero reads practically equal; 0 calls nothing so."""


@dataclass(frozen=True)
class Cell:
    """A cell of a sweep, for which an arm stands."""

    base: str
    """The arm of the file."""
    value: Any
    """The value of the swept setting."""


@dataclass(frozen=True)
class Sweep:
    """One setting at several values, the same for every arm."""

    key: str
    """Flat: params.depth."""
    values: tuple[Any, ...]
    cells: dict[str, Cell]
    """Cells by the names of their arms."""


@dataclass(frozen=True)
class Arm:
    """An architecture with its settings and ranges. Keys are flat: data.context, training.epochs, params.depth."""

    name: str
    architecture: str
    fixed: Rows
    """The settings that the file gives, its common ones among them; all others are at their defaults."""
    ranges: dict[str, Range] = field(default_factory=dict)
    frame: tuple[int, int] = ASSUMED
    """Coefficients and classes; the corpus's, once it is read."""
    limit: int | None = None
    """Parameters that no model may exceed."""
    fold: int = 1
    """The fold that it is tested in, from 1; 1 where there are no folds."""

    def settings(self, values: Mapping[str, Any]) -> Settings:
        """The settings with a value for each range, and with a solved width where parameters are stated.

        Raises:
            ValueError: a range without a value, or a value without a range; or no width gives the stated parameters.
        """
        unsolved = self.unsolved_settings(values)
        shape = (unsolved.data.window, *self.frame)
        return replace(unsolved, params=matching.resolved(self.architecture, shape, unsolved.params, self.limit))

    def unsolved_settings(self, values: Mapping[str, Any]) -> Settings:
        """The settings in the file's words: `params.parameters` where a width is to be solved.

        Raises:
            ValueError: a range without a value, or a value without a range.
        """
        if values.keys() != self.ranges.keys():
            raise ValueError(f"arm {self.name!r} needs values of {sorted(self.ranges)}, not of {sorted(values)}")
        return Settings.from_flat(
            {"architecture": self.architecture} | self.changed_defaults() | self.fixed | dict(values)
        )

    def changed_defaults(self) -> dict[str, Any]:
        """The defaults that are no longer the first: every record states them, for records without are of the first."""
        first = first_defaults(self.architecture)
        parameters = parameters_of(self.architecture).values()
        return {f"params.{p.name}": p.default for p in parameters if p.default != first[p.name]}

    @property
    def is_matched(self) -> bool:
        """Whether its width is solved for stated parameters."""
        return "params.parameters" in self.fixed or "params.parameters" in self.ranges

    def ends(self) -> tuple[Settings, Settings]:
        """The settings with every range at its low end (a choice at its first), and at its high (last)."""
        low, high = ({k: r.ends[i] for k, r in self.ranges.items()} for i in (0, 1))
        return self.settings(low), self.settings(high)

    def probes(self) -> list[Rows]:
        """The values that stand for all: both ends, and each choice with all else at the low end."""
        low, high = ({k: r.ends[i] for k, r in self.ranges.items()} for i in (0, 1))
        return [low, high, *(low | {k: choice} for k, r in self.ranges.items() for choice in r.choices[1:])]

    def size(self) -> int | None:
        """The number of configurations; None if they cannot be counted."""
        size = 1
        for r in self.ranges.values():
            values = r.size()
            if values is None:
                return None
            size *= values
        return size

    def canonical(self) -> Rows:
        """Facts that decide this arm's runs, flat and fit for JSON; ranges as text.

        Hyper-parameters at the defaults they came with are left out, so that one added later changes no old study, and
        a default that changes makes another study.
        """
        low = self.unsolved_settings({k: r.ends[0] for k, r in self.ranges.items()})
        defaults = {f"params.{name}": value for name, value in first_defaults(self.architecture).items()}
        rows = _canonical(low, self.ranges)
        return {k: v for k, v in rows.items() if k in self.ranges or k not in defaults or defaults[k] != v}


@dataclass(frozen=True)
class Experiment:
    """A whole experiment file."""

    path: Path
    text: str
    """The file's text; overrides are comments at its end."""
    question: str
    study: str
    data: Data
    """Data that the arms have in common; a searched value is at its low end."""
    training: Training
    ranges: dict[str, Range]
    """The common ones, flat; each arm has them too, unless it gives its own."""
    arms: dict[str, Arm]
    search: Search | None
    comparison: ComparisonSettings
    limit: Limit = Limit()
    claims: tuple[Claim, ...] = ()
    """Claims that the report is to answer; they decide nothing about the runs."""
    overrides: tuple[str, ...] = ()
    """`KEY=VALUE` each, as given beside the file."""
    notes: tuple[str, ...] = ()
    """Notes for readers of the result."""
    sweep: Sweep | None = None

    def in_folds(self) -> "Experiment":
        """With every arm once for each fold of the cross-validation, `ladnn@fold=1`; without folds as it is."""
        if self.data.folds is None:
            return self
        cells = [
            replace(arm, name=f"{arm.name}{OF_FOLD}{fold}", fold=fold)
            for fold in range(1, self.data.folds + 1)
            for arm in self.arms.values()
        ]
        return replace(self, arms={cell.name: cell for cell in cells})

    def searches(self, fold: int = 1) -> tuple[Search, ...]:
        """The independent searches of every arm: the first with the file's seed, the others with derived ones.

        Args:
            fold: from 1; each has seeds of its own.
        """
        if self.search is None:
            return ()
        n = self.comparison.searches
        first = replace(self.search, seed=_of_fold(self.search.seed, fold))
        return (first, *(replace(first, seed=derive_seed(first.seed, i) % 2**32) for i in range(1, n)))

    def finals(self, fold: int = 1) -> tuple[tuple[int, int], ...]:
        """The finals of every arm as (number of the search, seed): seeds dealt to the searches in turn, from 1.

        With fewer seeds than searches each of the others gets a derived seed, so that no search is without a final.

        Args:
            fold: from 1; each has seeds of its own.
        """
        return tuple((search, _of_fold(seed, fold)) for search, seed in self._finals_of_first_fold())

    def _finals_of_first_fold(self) -> tuple[tuple[int, int], ...]:
        seeds, n = list(self.comparison.seeds), self.comparison.searches
        index = 0
        while len(seeds) < n:
            index += 1
            if (seed := derive_seed(self.comparison.seeds[0], index) % 2**32) not in seeds:
                seeds.append(seed)
        return tuple((1 + i % n, seed) for i, seed in enumerate(seeds))

    def compared_with(self, arm: str) -> str | None:
        """The arm that this one is compared with: the baseline, in a sweep at the same value; None if there is none."""
        if self.sweep is None:
            return self.comparison.baseline
        mine = replace(self.sweep.cells[arm], base=self.comparison.baseline or "")
        return next((name for name, cell in self.sweep.cells.items() if cell == mine), None)

    @property
    def command(self) -> str:
        """The command that runs it, or goes on with it."""
        return shlex.join(["harness", "run", str(self.path), *(w for o in self.overrides for w in ("--set", o))])

    @property
    def widest_context(self) -> tuple[int, int]:
        """The most frames to the left and to the right that any arm may see."""
        all_data = [arm.unsolved_settings(values).data for arm in self.arms.values() for values in arm.probes()]
        return max(data.left for data in all_data), max(data.right for data in all_data)

    def changes_since(self, canonical: Mapping[str, Any]) -> list[str]:
        """What differs from an earlier canonical form, a line each; a default that has changed reads as it was."""
        return changes(*self.canonical_forms(canonical))

    def canonical_forms(self, canonical: Mapping[str, Any]) -> tuple[Rows, Rows]:
        """An earlier canonical form and this one, such that what is equal in meaning is equal."""
        first = {
            f"arms.{name}.{key}": first_defaults(arm.architecture)[key.removeprefix("params.")]
            for name, arm in self.arms.items()
            if f"arms.{name}.architecture" in canonical
            for key in arm.changed_defaults()
        }
        return first | dict(canonical), first | json.loads(json.dumps(self.canonical()))

    def canonical(self) -> Rows:
        """Facts that decide the result, flat and fit for JSON, whatever the order in the file.

        What the arms have in common stands under its own key, what is an arm's own under `arms.NAME`.
        """
        common = _canonical(Settings("", {}, self.data, self.training), self.ranges)
        del common["architecture"]
        own = {f"arms.{name}.{k}": (k, v) for name, arm in self.arms.items() for k, v in arm.canonical().items()}
        rows = common | {path: v for path, (k, v) in own.items() if k not in common or common[k] != v}
        for name, part in (("search", self.search), ("comparison", self.comparison)):
            rows |= {f"{name}.{k}": v for k, v in asdict(part).items()} if part else {}
        rows["comparison.seeds"] = sorted(self.comparison.seeds)
        rows["limit.parameters"] = self.limit.parameters
        del rows["comparison.match"]  # every arm has its number
        rows.pop("comparison.mute")  # decides nothing but what is shown
        rows["comparison.margin"] = self.comparison.margin or None  # studies from before there was one go on
        rows["comparison.pairs"] = [list(pair) for pair in self.comparison.pairs] or None  # likewise
        rows["comparison.looks"] = self.comparison.looks if self.comparison.looks > 1 else None  # likewise
        rows["comparison.searches"] = self.comparison.searches if self.comparison.searches > 1 else None  # likewise
        return {k: v for k, v in sorted(rows.items()) if v is not None}


def _of_fold(seed: int, fold: int) -> int:
    """The seed of a fold, from 1: its trainings have nothing in common with those of the others."""
    return seed if fold == 1 else derive_seed(seed, _FOLDS + fold) % 2**32


_FOLDS = 10_000
"""What is added to a fold's number where seeds are derived: beyond the numbers of searches."""


def _canonical(settings: Settings, ranges: Mapping[str, Range]) -> Rows:
    rows = settings.flat() | {k: str(r) for k, r in ranges.items()}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in rows.items()}


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Changes between two canonical forms, a line each: `training.epochs: 8 -> 10`."""

    def word(rows: Mapping[str, Any], key: str) -> str:
        value = rows.get(key)
        return "(none)" if value is None else value if isinstance(value, str) else as_toml(value)

    return [
        f"{k}: {word(old, k)} -> {word(new, k)}" for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k)
    ]
