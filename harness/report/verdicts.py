"""The top of the page: the question, and what the arms' accuracies say to it, in words and as intervals."""

from html import escape
from typing import Any

from harness.display.wording import NOTHING_TO_COMPARE, chance, counted, percent, points, ratio
from harness.report.figures import Comparison
from harness.report.outline_sweep import compared, contest, outcomes

_MOST = 6
"""Verdicts shown as cards; the others, of arms among themselves, are folded."""


def header(comparison: Comparison) -> str:
    """Study, question, verdicts, notes."""
    verdicts = _of_sweep(comparison) if comparison.get("sweep") else _of_pairs(comparison)
    over = counted(comparison["units"], comparison["unit"])
    level = f"{100 * comparison['level']:g} %"
    if comparison.get("sweep"):
        evidence = (
            f"Accuracy on the test split; better or worse where the {level} interval over {over} and the seeds "
            "excludes zero."
        )
    else:
        evidence = (
            f"Accuracy on the test split. In brackets and as a line the {level} interval over {over} and the seeds; "
            "where it covers zero, no difference is shown."
        )
    notes = "".join(f"<li>{escape(note)}</li>" for note in comparison["notes"])
    corpus = escape(str(comparison["corpus"].get("name")))
    return "\n".join(
        [
            f'<p class="study">Study <b>{escape(comparison["study"])}</b> on the corpus <b>{corpus}</b></p>',
            f"<h1>{escape(comparison['question'])}</h1>",
            verdicts or f"<p>{NOTHING_TO_COMPARE}</p>",
            f'<p class="soft">{escape(evidence)}</p>' if verdicts else "",
            f'<ul class="notes">{notes}</ul>' if notes else "",
        ]
    )


def _of_pairs(comparison: Comparison) -> str:
    """A card per pair; where there are many, those with the baseline, and the others folded."""
    pairs = [pair for pair in comparison["pairs"] if pair["metric"] == "accuracy"]
    if not pairs:
        return ""
    against = [pair for pair in pairs if pair["b"] == comparison["baseline"]]
    first = pairs if len(pairs) <= _MOST else against or pairs[:_MOST]
    others = [pair for pair in pairs if pair not in first]
    furthest = max((abs(pair[end] or 0) for pair in pairs for end in ("low", "high", "difference")), default=0)
    cards = "".join(_card(pair, comparison, furthest) for pair in first)
    rest = "".join(f"<li>{escape(pair['sentence'])}</li>" for pair in others)
    folded = f"<details><summary>The other {len(others)} pairs</summary><ul>{rest}</ul></details>" if others else ""
    return f'<ul class="verdicts">{cards}</ul>{folded}'


def _of_sweep(comparison: Comparison) -> str:
    """A card per arm that was swept beside the baseline."""
    cards = [
        f'<li class="open"><span class="pair">{escape(contest(curve, comparison))}</span>'
        + "".join(f"<p>{escape(_capital(told))}</p>" for told in outcomes(curve, comparison))
        + "</li>"
        for curve in compared(comparison)
    ]
    return f'<ul class="verdicts">{"".join(cards)}</ul>' if cards else ""


def _card(pair: dict[str, Any], comparison: Comparison, furthest: float) -> str:
    is_shown = pair["verdict"].endswith(" better")
    a, b, facts = pair["a"], pair["b"], []
    if pair["probability_a_better"] is not None:
        p_a = pair["probability_a_better"]
        better, p = (a, p_a) if p_a >= 0.5 else (b, 1 - p_a)
        facts.append(f"{better} is better for a new {comparison['unit']} with a chance of {chance(p)}.")
    cost = pair["cost"]
    facts.append(
        f"{a} has {ratio(*cost['parameters'])} times the parameters of {b} and takes "
        f"{ratio(*cost['seconds_training'])} times its training time."
    )
    n_pairs = sum(row["metric"] == "accuracy" for row in comparison["pairs"])
    if is_shown and n_pairs > 1 and (pair["p_corrected"] or 0) > 1 - comparison["level"]:
        facts.append(f"Corrected for {n_pairs} pairs, the difference does not remain.")
    return (
        f'<li class="{"shown" if is_shown else "open"}"><span class="pair">{escape(a)} against {escape(b)}</span>'
        f"<strong>{escape(_capital(pair['verdict']))}</strong>"
        f"<p>{escape(pair['sentence'])}</p>{_interval(pair, furthest, is_shown)}"
        f'<p class="soft">{escape(" ".join(facts))}</p></li>'
    )


def _capital(words: str) -> str:
    """no difference shown -> No difference shown; an arm keeps its name as it is."""
    return words if words.endswith(" better") else words[:1].upper() + words[1:]


def _interval(pair: dict[str, Any], furthest: float, is_shown: bool) -> str:
    """The difference and its interval on a line that all cards share, zero in the middle."""
    if pair["low"] is None or not furthest:
        return ""

    def at(value: float) -> str:
        return f"{50 + 44 * value / furthest:.2f}%"

    low, middle, high = at(pair["low"]), at(pair["difference"]), at(pair["high"])
    fill = "currentColor" if is_shown else "var(--raised)"
    label = f"{points(pair['difference'])} points, interval {points(pair['low'])} to {points(pair['high'])}"
    return (
        f'<svg class="interval" role="img" aria-label="{escape(label)}">'
        '<line class="axis" x1="0" x2="100%" y1="14" y2="14"/><line class="zero" x1="50%" x2="50%" y1="3" y2="25"/>'
        f'<line class="range" x1="{low}" x2="{high}" y1="14" y2="14"/>'
        f'<circle cx="{middle}" cy="14" r="5.5" style="fill:{fill}"/>'
        f'<text x="50%" y="38">0</text><text x="6%" y="38">-{percent(furthest)}</text>'
        f'<text x="94%" y="38">+{percent(furthest)}</text></svg>'
    )
