"""How it was made: all that is needed to make it again, and to say what it was made with."""

from html import escape
from typing import Any

from harness.display.wording import ABSENT, count, duration, setting, value
from harness.report.figures import Comparison
from harness.report.markup import Cell, Page, definitions, folded, table


def write(page: Page, comparison: Comparison) -> None:
    corpus, provenance = comparison["corpus"], comparison["provenance"]
    splits: list[list[str | Cell]] = [
        [name, *(count(size[k]) for k in _SIZES)] for name, size in corpus.get("splits", {}).items()
    ]
    known = [name for name in _FIRST if name in provenance]
    entries = [(setting(name), _said(name, provenance[name])) for name in known]
    entries.append(("corpus", f"{corpus.get('name')}, digest {corpus.get('digest')}"))
    entries += [
        (setting(name), _said(name, given))
        for name, given in provenance.items()
        if name not in (*known, "dirty", "corpus")
    ]
    entries += [
        ("seeds", _seeds(comparison)),
        ("intervals", f"{comparison['method']}; {count(comparison['resamples'])} resamples, unit {comparison['unit']}"),
    ]
    if comparison.get("margin"):
        entries.append(("margin", f"{100 * comparison['margin']:g} points are held for no difference"))
    if provenance.get("dirty"):
        entries = [(k, f"{v}, with uncommitted changes") if k == "commit" else (k, v) for k, v in entries]
    resolved: list[list[str | Cell]] = [
        [name, *(value(arm["settings"].get(name, ABSENT)) for arm in comparison["arms"])]
        for name in dict.fromkeys(name for arm in comparison["arms"] for name in arm["settings"])
    ]
    headings = ["setting", *(arm["arm"] for arm in comparison["arms"])]
    file = f'<pre tabindex="0">{escape(comparison["experiment"])}</pre>'
    page.section(
        "making",
        "How it was made",
        definitions(entries),
        table("Corpus", ["split", *(f">{k}" for k in _SIZES)], splits),
        folded("All settings", table("Resolved settings of the finals", headings, resolved)),
        f"<details><summary>The experiment file</summary>{file}</details>",
    )


_SIZES = ("utterances", "speakers", "frames")
_FIRST = ("command", "commit", "started", "seconds", "device", "host", "threads", "precision")


def _seeds(comparison: Comparison) -> str:
    """0, 1, 2; arm by arm where they differ."""
    seeds = {arm["arm"]: ", ".join(map(str, arm["seeds"])) for arm in comparison["arms"]}
    if len(set(seeds.values())) == 1:
        return next(iter(seeds.values()))
    return "; ".join(f"{arm} {own}" for arm, own in seeds.items())


def _said(name: str, given: Any) -> str:
    if name == "seconds" and given is not None:
        return duration(given)
    if isinstance(given, dict):
        return ", ".join(f"{k} {v}" for k, v in given.items())
    return value(given)
