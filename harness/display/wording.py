"""The wording of numbers, alike in the terminal, the page and the sentences: shares as percent, differences in points.

None is a number that does not exist (a spread over one seed, an interval over one speaker).
"""

from collections.abc import Mapping
from typing import Any

from harness.statistics.metrics import Spread

ABSENT = "-"
NOTHING_TO_COMPARE = "One arm: nothing to compare it with."


def percent(fraction: float | None) -> str:
    """0.77414 -> 77.41"""
    return ABSENT if fraction is None else f"{100 * fraction:.2f}"


def chance(fraction: float | None) -> str:
    """0.714 -> 71 %; what is not quite certain is never rounded to it."""
    if fraction is None:
        return ABSENT
    return "> 99 %" if fraction > 0.99 else "< 1 %" if fraction < 0.01 else f"{100 * fraction:.0f} %"


def ratio(a: float, b: float) -> str:
    """How many times b is a: 518, 264 -> 1.96"""
    return f"{a / b:.2f}" if b else ABSENT


def points(fraction: float | None) -> str:
    """0.0052 -> +0.52"""
    return ABSENT if fraction is None else f"{100 * fraction:+.2f}"


def spread(values: Spread) -> str:
    """In percent: 77.41 ± 0.12, without the standard deviation where one seed has none."""
    return percent(values.mean) + (f" ± {percent(values.std)}" if values.std is not None else "")


def interval(low: float | None, high: float | None) -> str:
    """In points: +0.31 to +0.73"""
    return ABSENT if low is None or high is None else f"{points(low)} to {points(high)}"


def count(number: float) -> str:
    """18942890 -> 18,942,890"""
    return f"{number:,.0f}"


def rounded(number: float) -> str:
    """18942890 -> 18.9 M; four digits and less are kept whole."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            return f"{number / (1e3 if letter == 'k' else size):#.3g}".rstrip(".") + f" {letter}"
    return count(number)


def seconds(value: float) -> str:
    """14.2, or whole from a hundred on."""
    return f"{value:.1f}" if value < 100 else count(value)


def duration(value: float) -> str:
    """231.5 seconds -> 3 min 52 s"""
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def counted(number: int, thing: str) -> str:
    """1 speaker, 40 speakers, 3 searches"""
    return f"{count(number)} {thing if number == 1 else plural(thing)}"


def plural(thing: str) -> str:
    """speaker -> speakers, search -> searches, study -> studies, search and seed -> searches and seeds"""
    if thing.endswith("dy"):
        return f"{thing[:-1]}ies"
    if " and " in thing:
        return " and ".join(map(plural, thing.split(" and ")))
    return thing + ("es" if thing.endswith("ch") else "s")


def setting(name: str) -> str:
    """params.bypass_rank -> bypass rank"""
    return name.rpartition(".")[2].replace("_", " ")


def value(given: Any) -> str:
    """0.00213847 -> 0.00214; lists as in the experiment file."""
    if isinstance(given, list | tuple):
        return "[" + ", ".join(value(item) for item in given) + "]"
    return f"{given:.3g}" if isinstance(given, float) else str(given).lower() if isinstance(given, bool) else str(given)


def settings(given: Mapping[str, Any]) -> str:
    """context 9, depth 4, learning rate 0.00214"""
    return ", ".join(f"{setting(name)} {value(v)}" for name, v in sorted(given.items()))
