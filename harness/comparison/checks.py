"""Checks of the study itself: what a careful reader would ask before believing a verdict, each with a code.

A check is a function of a comparison and its record that gives a finding, or several; `docs/checks.md` says of each
what it means and what to do. A new one is a function here with `@check`, its code in `experiment.CHECKS`, and a
paragraph there.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.comparison.model import Check, Comparison, Pair, Verdict
from harness.display.wording import count, counted, percent, points, setting, value
from harness.results import ArmRecord, StudyRecord

Finding = tuple[str, str]
"""A sentence, and what to do."""
Finder = Callable[[Comparison, StudyRecord], Iterator[Finding]]

FEW_TRIALS = 10
"""Trials of a search below which what it finds is mostly luck."""
FEW_SPEAKERS = 8
STEEP = 0.005
"""Rise of the validation accuracy in the last epoch, from which on a training is held to be cut short."""
APART = 0.05
"""Difference of accuracy between validation and test from which on one says little of the other."""
BUSY = 1.2
"""Slowest over fastest of equal work, from which on seconds are not compared."""

CHECKS: dict[str, tuple[str, Finder]] = {}
"""Code -> severity ("warning" or "note") and function, in the order of their codes."""


def check(code: str, severity: str) -> Callable[[Finder], Finder]:
    """Enter a check under its code."""

    def enter(finder: Finder) -> Finder:
        assert code not in CHECKS
        CHECKS[code] = (severity, finder)
        return finder

    return enter


def checks(comparison: Comparison, record: StudyRecord) -> tuple[Check, ...]:
    """All findings, but for those that the file mutes."""
    return tuple(
        Check(code=code, severity=severity, sentence=sentence, advice=advice)
        for code, (severity, finder) in CHECKS.items()
        if code not in record.mute
        for sentence, advice in finder(comparison, record)
    )


def _records(comparison: Comparison, record: StudyRecord) -> list[ArmRecord]:
    """Those with finals."""
    compared = {arm.arm for arm in comparison.arms}
    return [arm for arm in record.arms if arm.arm in compared]


def _headlines(comparison: Comparison) -> Sequence[Pair]:
    return [pair for pair in comparison.pairs_in("accuracy") if pair.is_planned]


@check("H001", "note")
def at_the_edge(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """A chosen value at an end of its range: a better one may lie beyond."""
    for arm in _records(comparison, record):
        searches = [search.chosen for search in arm.searches] or [arm.chosen]
        edges = [
            [f"{setting(key)} {value(own)}" for key, own in chosen.items() if _is_at_edge(own, arm.ranges.get(key, ""))]
            for chosen in searches
        ]
        n = sum(map(bool, edges))
        if n:
            listed = ", ".join(dict.fromkeys(text for texts in edges for text in texts))
            where = f"In {n} of {len(searches)} searches the" if len(searches) > 1 else "The"
            yield (
                f"{where} best trial of {arm.arm} lies at the edge of its range: {listed}.",
                "Widen the range and search again.",
            )


def _is_at_edge(own: object, range_: str) -> bool:
    """Whether a number lies within a fiftieth of its range from an end, on the range's own scale."""
    ends = re.match(r"(\S+) to (\S+?)(?:,|$)", range_)
    if ends is None or isinstance(own, bool) or not isinstance(own, int | float):
        return False
    low, high = (float(end) for end in ends.groups())
    scale = np.log if range_.endswith("log") and low > 0 else float
    place = (scale(own) - scale(low)) / (scale(high) - scale(low)) if high > low else 0.5
    return bool(min(place, 1 - place) < (0.5 / (high - low) if isinstance(own, int) else 0.02))


@check("H002", "note")
def still_rising(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """Accuracy on validation that still rises steeply in the last epoch."""
    rising = {arm.arm: rise for arm in comparison.arms if (rise := _last_rise(arm.arm, record)) > STEEP}
    if rising:
        each = ", ".join(f"{name} {points(rise)}" for name, rise in rising.items())
        yield (
            f"Accuracy on validation still rises in the last epoch, in points: {each}.",
            "Train for more epochs; more of them may change the order of the arms.",
        )


def _last_rise(name: str, record: StudyRecord) -> float:
    """Mean over finals; 0 of a single epoch."""
    arm = next(arm for arm in record.arms if arm.arm == name)
    rises = [
        final.history[-1].validation_accuracy - final.history[-2].validation_accuracy
        for final in arm.finals
        if len(final.history) > 1
    ]
    return float(np.mean(rises)) if rises else 0.0


@check("H003", "warning")
def overfit(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """A validation loss that has risen by more than 5 % since its minimum."""
    names = []
    for arm in _records(comparison, record):
        rises = [
            final.history[-1].validation_loss / lowest
            for final in arm.finals
            if (lowest := min(epoch.validation_loss for epoch in final.history)) > 0
        ]
        if rises and np.mean(rises) > 1.05:
            names.append(f"{arm.arm} by {100 * (np.mean(rises) - 1):.0f} %")
    if names:
        yield (
            f"The loss on validation has risen since its minimum: {', '.join(names)}.",
            "Train for fewer epochs, stop early, or regularise more: dropout, label smoothing, weight decay.",
        )


@check("H004", "note")
def unequal_convergence(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """Arms of which one still rises by a point more than another in the last epoch."""
    rises = {arm.arm: _last_rise(arm.arm, record) for arm in comparison.arms}
    if len(rises) > 1 and comparison.sweep is None:
        last, first = max(rises, key=lambda name: rises[name]), min(rises, key=lambda name: rises[name])
        if rises[last] - rises[first] > 2 * STEEP:
            yield (
                f"In the last epoch {last} rises by {points(rises[last])} points and {first} by "
                f"{points(rises[first])}: they have not converged alike.",
                "Train for more epochs, so that the number of epochs does not decide.",
            )


@check("H005", "warning")
def below_simple(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """An arm that is worse than a linear map, or than the commonest phoneme everywhere."""
    linear = next((arm for arm in comparison.arms if arm.architecture == "linear"), None)
    for arm in comparison.arms:
        mean, counts = arm.test["accuracy"].mean, np.array(arm.confusion.counts)
        commonest = float(counts.sum(axis=1).max() / counts.sum())
        if mean <= commonest:
            yield (
                f"{arm.arm} reaches {percent(mean)} %; the commonest phoneme everywhere would reach "
                f"{percent(commonest)} %.",
                "It has learnt nothing: look at its learning rate, its initial weights and its loss.",
            )
        elif linear is not None and arm is not linear and mean < linear.test["accuracy"].mean:
            yield (
                f"{arm.arm} reaches {percent(mean)} %, less than the linear arm {linear.arm}.",
                "It is undertrained or badly tuned: widen its ranges, or give all arms more epochs.",
            )


@check("H006", "note")
def validation_apart(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """Validation and test accuracies that lie far from each other."""
    apart = {arm.arm: arm.validation["accuracy"].mean - arm.test["accuracy"].mean for arm in comparison.arms}
    if apart and min(map(abs, apart.values())) > APART:
        each = ", ".join(f"{name} {points(gap)}" for name, gap in apart.items())
        yield (
            f"Validation and test differ in difficulty; accuracy on validation less that on test, in points: {each}.",
            "Check that both splits are of the same kind of speech, or use more validation speakers, or folds.",
        )


@check("H007", "warning")
def spread_over_difference(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """Trainings of one arm that differ by more than the arms do, where a difference is shown."""
    spreads = {arm.arm: arm.test["accuracy"].std or 0.0 for arm in comparison.arms}
    shown = [pair for pair in _headlines(comparison) if pair.better]
    wide = [pair for pair in shown if max(spreads[pair.a], spreads[pair.b]) > abs(pair.difference)]
    if wide:
        pair, more = wide[0], f", and {counted(len(wide) - 1, 'other pair')} likewise" if len(wide) > 1 else ""
        yield (
            f"{pair.a} and {pair.b} differ by {percent(abs(pair.difference))} points, and trainings of one arm by "
            f"{percent(max(spreads[pair.a], spreads[pair.b]))} (standard deviation){more}.",
            "A single training of either says nothing; add seeds or searches.",
        )


@check("H008", "warning")
def few_speakers(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """Few test speakers, or few that hold most frames."""
    if comparison.unit != "speaker":
        return
    effective = next((p.effective_units for p in comparison.pairs_in("accuracy") if p.effective_units), None)
    if comparison.units < FEW_SPEAKERS:
        yield (
            f"The test split has {counted(comparison.units, 'speaker')} only.",
            "Small differences cannot be shown: test more speakers, or use data.folds.",
        )
    elif effective is not None and effective < comparison.units / 2:
        yield (
            f"Few speakers hold most test frames: {comparison.units} are worth {effective:.1f} of equal length.",
            "Compare the differences with speakers weighted alike, in the table of standard errors.",
        )


@check("H009", "warning")
def reversed_headline(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """A phone error rate that is surely better for the other arm."""
    rates = {(pair.a, pair.b): pair for pair in comparison.pairs_in("phone_error_rate")}
    for pair in _headlines(comparison):
        other = rates.get((pair.a, pair.b))
        if other is not None and pair.better and other.better and pair.better != other.better:
            yield (
                f"{pair.better} labels more frames correctly, and {other.better} has the lower phone error rate "
                f"({percent(abs(other.difference))} points).",
                "Say which of the two measures the question is about.",
            )


@check("H010", "note")
def busy_machine(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """Equal work that took unequal times: epochs of one training, or trainings of one configuration."""
    ratio = slowest_over_fastest(_records(comparison, record))
    if ratio > BUSY:
        yield (
            f"Equal work took up to {ratio:.1f} times as long at one time as at another: ratios of seconds are not "
            "shown.",
            "Compare FLOPs, or run on an idle machine.",
        )


def slowest_over_fastest(arms: Sequence[ArmRecord]) -> float:
    """Of epochs of one training, without the first, and of trainings of one configuration; 1 where none are equal."""
    groups = []
    for arm in arms:
        groups += [[epoch.seconds for epoch in final.history[1:]] for final in arm.finals]
        for search in {final.search for final in arm.finals}:
            own = [final for final in arm.finals if final.search == search]
            longest = max(len(final.history) for final in own)
            groups.append([final.seconds for final in own if len(final.history) == longest])
    ratios = [max(group) / min(group) for group in groups if len(group) > 1 and min(group) > 0]
    return max(ratios, default=1.0)


@check("H011", "note")
def margin_out_of_reach(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """A margin that is narrower than half of the interval: "practically equal" could not come out."""
    margin = comparison.margin
    pairs = [pair for pair in _headlines(comparison) if pair.outcome is Verdict.NO_DIFFERENCE]
    halves = {f"{p.a} and {p.b}": (high - low) / 2 for p in pairs if (low := p.ends[0]) is not None
              and (high := p.ends[1]) is not None}  # fmt: skip
    out_of_reach = {names: half for names, half in halves.items() if half >= margin}
    if margin and out_of_reach:
        names, half = min(out_of_reach.items(), key=lambda item: item[1])
        which, size = (names, "is") if len(out_of_reach) == 1 else (f"{len(out_of_reach)} pairs", "is at least")
        yield (
            f"{which} could not have come out as practically equal: half of the interval {size} {percent(half)} "
            f"points, the margin {100 * margin:g}.",
            "More test speakers or trainings, or a wider margin that is justified beforehand.",
        )


@check("H012", "warning")
def shared_between_splits(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """Utterances or speakers in validation and in test."""
    first = _records(comparison, record)[0].finals[0]
    if record.folds or first.test is None:
        return
    utterances = set(first.validation.utterances) & set(first.test.utterances)
    speakers = set(first.validation.speakers) & set(first.test.speakers)
    if utterances or speakers:
        what = counted(len(utterances), "utterance") if utterances else counted(len(speakers), "speaker")
        yield f"Validation and test share {what}.", "Take another validation split, or a fraction of train's speakers."


@check("H013", "note")
def few_trials(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """Searches of few trials."""
    numbers = [
        sum(trial.rung == 1 for trial in search.trials)
        for arm in _records(comparison, record)
        for search in arm.searches
    ] or [sum(trial.rung == 1 for trial in arm.trials) for arm in _records(comparison, record) if arm.trials]
    if numbers and min(numbers) < FEW_TRIALS:
        n_searches = max(1, comparison.n_searches)
        more = "" if n_searches > 2 else " and several searches"
        yield (
            f"A search has {counted(min(numbers), 'trial')} only: what it finds is mostly luck.",
            f"Use at least {FEW_TRIALS} trials{more}.",
        )


@check("H014", "note")
def one_search(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """A single search of each arm, whose luck is in no interval."""
    if comparison.n_searches == 1:
        yield (
            "Each arm was searched once: with another search the difference may be another.",
            "Set comparison.searches = 3 or more to compare the architectures.",
        )


@check("H015", "note")
def many_frames_few_classes(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """Phonemes that are never tested."""
    counts = np.array(comparison.arms[0].confusion.counts)
    absent = [name for name, n in zip(comparison.phonemes, counts.sum(axis=1), strict=True) if not n]
    if absent:
        listed = ", ".join(absent[:5]) + (f" and {count(len(absent) - 5)} more" if len(absent) > 5 else "")
        yield (
            f"{counted(len(absent), 'phoneme')} of {len(comparison.phonemes)} never occur in the test split: {listed}.",
            "Means over phonemes leave them out; compare them with other studies with care.",
        )


@check("H016", "warning")
def read_before(comparison: Comparison, record: StudyRecord) -> Iterator[Finding]:
    """A test split that other studies of the same store were scored on."""
    readers = record.other_readers
    if readers:
        listed = ", ".join(readers[:3]) + (f" and {count(len(readers) - 3)} more" if len(readers) > 3 else "")
        yield (
            f"{counted(len(readers), 'other study')} in this store read the same test split: {listed}.",
            "What was decided after looking at it is not tested by it: confirm on speakers that no study has seen.",
        )
