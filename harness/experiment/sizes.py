"""Sizes of the arms: matched to one number of parameters, and within the limit, wherever their ranges end.

The parameter count depends on the corpus: coefficients and phonemes. A file is checked for 28 and 40 before any data
is read (`experiment.ASSUMED`), and again for those of the corpus.
"""

from dataclasses import replace
from itertools import islice, product

import architectures
from harness.errors import UserError
from harness.experiment import matching
from harness.experiment.experiment import Arm, Experiment, Match
from harness.experiment.mistakes import Mistakes, Table, as_toml
from harness.experiment.ranges import Range
from harness.settings import Rows, Settings

_MOST = 256  # configurations that are checked one by one


def check_match(tree: Table, experiment: Experiment, mistakes: Mistakes) -> None:
    """Note what contradicts `[comparison] match`, or a `params.parameters`.

    Args:
        tree: the file as parsed.
    """
    match, baseline = experiment.comparison.match, experiment.comparison.baseline
    if match is not None and baseline is None:
        mistakes.add(("comparison", "match"), "without effect: there is a single arm; give it params.parameters")
    for name, arm in experiment.arms.items():
        path = ("arms", name, "params")
        params = tree["arms"][name].get("params", {})
        params = params if isinstance(params, dict) else {}
        is_source = match == "parameters" and name == experiment.compared_with(name)
        if not matching.has_width(arm.architecture) and "parameters" in params:
            mistakes.add((*path, "parameters"), f'architecture "{arm.architecture}" has no width to be solved')
        elif not matching.has_width(arm.architecture) and match and not is_source:
            mistakes.add(
                ("comparison", "match"),
                f'arm {name!r}: architecture "{arm.architecture}" has no width to be solved; '
                "give params.parameters to the other arms instead",
            )
        elif "parameters" in params and match and not is_source:
            mistakes.add((*path, "parameters"), "not allowed with comparison.match, which sets it for every arm")
        elif "width" in params and ("parameters" in params or (match and not is_source)):
            by = "params.parameters" if "parameters" in params else "comparison.match"
            mistakes.add((*path, "width"), f"without effect: {by} is given, and the width is solved")
    for source in (arm for name, arm in experiment.arms.items() if match == "parameters"):
        if source.name == experiment.compared_with(source.name) and ranges_of_size(source):
            mistakes.add(
                ("comparison", "match"),
                f"the size of the baseline {baseline!r} varies with its ranges; "
                "say which: match = { parameters = NUMBER }",
            )


def match_sizes(experiment: Experiment, d_features: int, n_classes: int) -> Experiment:
    """Every arm with what it needs to solve its width: the corpus's numbers, the limit, and what `match` says.

    Raises:
        ValueError: the baseline, whose size is to be matched, cannot be built.
    """
    limit, match = experiment.limit.parameters, experiment.comparison.match
    arms = {name: replace(arm, frame=(d_features, n_classes), limit=limit) for name, arm in experiment.arms.items()}
    sources = {name: arms.get(experiment.compared_with(name) or "") for name in arms}
    targets = {}
    for name, source in sources.items():
        if isinstance(match, Match) and source is not None:
            targets[name] = match.parameters
        elif match == "parameters" and source is not None and source.name != name:
            targets[name] = source.fixed.get("params.parameters") or n_parameters(source, source.ends()[0])
    own = {name: replace(arms[name], fixed=arms[name].fixed | {"params.parameters": n}) for name, n in targets.items()}
    return replace(experiment, arms=arms | own)


def for_corpus(experiment: Experiment, d_features: int, n_classes: int) -> Experiment:
    """The experiment with its sizes as the corpus makes them.

    Raises:
        UserError: an arm cannot be built, matched or kept within the limit, or hides too much, a line each.
    """
    experiment = match_sizes(experiment, d_features, n_classes)
    reasons = {name: problem(arm) or _too_wide_a_mask(arm) for name, arm in experiment.arms.items()}
    corpus = f"with the corpus's {d_features} coefficients and {n_classes} phonemes"
    lines = [f"{experiment.path}: arms.{name}: {reason} ({corpus})" for name, reason in reasons.items() if reason]
    if lines:
        raise UserError("\n".join(lines))
    return experiment


def problem(arm: Arm) -> str | None:
    """The reason why some model of the arm cannot be built, matched or kept within the limit; None if all can."""
    if arm.limit is not None and (target := _target(arm)) > arm.limit:
        return f"{target} stated parameters are above limit.parameters = {arm.limit}"
    builds: set[str] = set()
    for values in arm.probes():
        settings = arm.unsolved_settings(values)
        if (key := f"{settings.data.window} {settings.params}") in builds:
            continue
        builds.add(key)
        try:
            architectures.measure(arm.architecture, *_shape(arm, settings), arm.settings(values).params)
        except Exception as error:  # of the architecture's code, which is its writer's affair
            reason = str(error).partition("\n")[0]
            fault = None if isinstance(error, ValueError) else architectures.fault_of(error)
            return _at(arm, fault or reason, values)
    return _beyond_limit(arm) or _unreachable(arm)


def _too_wide_a_mask(arm: Arm) -> str | None:
    widest = max(arm.unsolved_settings(values).training.frequency_mask for values in arm.probes())
    return (
        f"training.frequency_mask = {widest} hides more coefficients than there are" if widest > arm.frame[0] else None
    )


def _beyond_limit(arm: Arm) -> str | None:
    """A search may not skip what is too large, which would bias it; so the largest must be allowed."""
    if arm.limit is None or arm.is_matched:
        return None
    values: Rows = {key: r.ends[1] for key, r in arm.ranges.items()}
    for key, r in ranges_of_size(arm).items():
        values[key] = max(r.probes, key=lambda v: n_parameters(arm, arm.settings(values | {key: v})))
    size = n_parameters(arm, arm.settings(values))
    if size <= arm.limit:
        return None
    mend = "narrow the ranges, or give params.parameters and no width" if ranges_of_size(arm) else "make it smaller"
    return _at(arm, f"{size} parameters are above limit.parameters = {arm.limit}: {mend}", values)


def _target(arm: Arm) -> int:
    """The most parameters that are stated; 0 if none are."""
    r = arm.ranges.get("params.parameters")
    return int(max(r.probes)) if r else int(arm.fixed.get("params.parameters", 0))


def _unreachable(arm: Arm) -> str | None:
    """The reason why a model between the ends of ranges is not within 1 % of the stated number; None if all are.

    Where all ends are wide enough that neighbouring widths differ by 1 % or less, everything between is; else each
    configuration is tried.
    """
    sizing = ranges_of_size(arm)
    if not arm.is_matched or not sizing:
        return None
    if all(_step(arm, values) <= matching.TOLERANCE for values in arm.probes()):
        return None
    values_of = [r.values() if r.size() is not None else r.probes for r in sizing.values()]
    low = {key: r.ends[0] for key, r in arm.ranges.items()}
    every = list(islice(product(*values_of), _MOST + 1))
    for combination in every[:_MOST]:
        values = low | dict(zip(sizing, combination, strict=True))
        try:
            arm.settings(values)
        except ValueError as error:
            return _at(arm, str(error), values)
    if len(every) > _MOST:
        return f"its models are so narrow that each of more than {_MOST} must be tried: narrow the ranges"
    return None


def _step(arm: Arm, values: Rows) -> float:
    """The step between neighbouring widths, as a fraction of the stated parameters."""
    settings = arm.unsolved_settings(values)
    solution = matching.solve(arm.architecture, _shape(arm, settings), settings.params, arm.limit)
    return float(solution.step / settings.params["parameters"])


def ranges_of_size(arm: Arm) -> dict[str, Range]:
    """The ranges on which the number of parameters may depend."""
    return {k: r for k, r in arm.ranges.items() if k == "data.context" or k.startswith("params.")}


def _shape(arm: Arm, settings: Settings) -> matching.Shape:
    return settings.data.window, *arm.frame


def n_parameters(arm: Arm, settings: Settings) -> int:
    """The parameters of an arm's model with these settings, on the corpus that the arm knows of."""
    return architectures.n_parameters(arm.architecture, *_shape(arm, settings), settings.params)


def _at(arm: Arm, reason: str, values: Rows) -> str:
    where = ", ".join(f"{key} = {as_toml(values[key])}" for key in ranges_of_size(arm))
    return f"{reason} (at {where})" if where else reason
