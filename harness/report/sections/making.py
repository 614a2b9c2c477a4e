"""How it was made: all that is needed to make it again, and to say what it was made with."""

from harness.comparison.json_form import Json
from harness.comparison.model import Comparison
from harness.display.document import Code, Definitions, Folded, Section, Table, numbers
from harness.display.wording import ABSENT, count, duration, setting, value

_SIZES = ("utterances", "speakers", "frames")
_FIRST = ("command", "commit", "started", "seconds", "device", "host", "threads", "precision")


def section(comparison: Comparison) -> Section:
    """Provenance, corpus, settings and the experiment file."""
    splits = [[name, *(count(size[k]) for k in _SIZES)] for name, size in comparison.splits.items()]
    return Section(
        "making",
        "How it was made",
        page=[
            Definitions(_entries(comparison)),
            Table(["split", *numbers(*_SIZES)], splits, "Corpus"),
            Folded("All settings", [_settings(comparison)]),
            Folded("The experiment file", [Code(comparison.experiment)]),
        ],
    )


def _entries(comparison: Comparison) -> list[tuple[str, str]]:
    provenance, corpus = comparison.provenance, comparison.corpus
    first = [name for name in _FIRST if name in provenance]
    others = [name for name in provenance if name not in (*first, "dirty", "corpus")]
    words = {name: _in_words(name, provenance[name]) for name in (*first, *others)}
    if provenance.get("dirty") and "commit" in words:
        words["commit"] += ", with uncommitted changes"
    resampling = f"{comparison.method}; {count(comparison.resamples)} resamples, unit {comparison.unit}"
    margin = f"{100 * comparison.margin:g} points count as no difference"
    return [
        *((setting(name), words[name]) for name in first),
        ("corpus", f"{comparison.corpus_name}, digest {corpus.get('digest')}"),
        *((setting(name), words[name]) for name in others),
        ("seeds", _seeds(comparison)),
        ("intervals", resampling),
        *([("margin", margin)] if comparison.margin else []),
    ]


def _settings(comparison: Comparison) -> Table:
    arms = comparison.arms
    names = dict.fromkeys(name for arm in arms for name in arm.settings)
    rows = [[name, *(value(arm.settings.get(name, ABSENT)) for arm in arms)] for name in names]
    return Table(["setting", *(arm.arm for arm in arms)], rows, "Resolved settings of the finals")


def _seeds(comparison: Comparison) -> str:
    """0, 1, 2; arm by arm where they differ."""
    seeds = {arm.arm: ", ".join(map(str, arm.seeds)) for arm in comparison.arms}
    if len(set(seeds.values())) == 1:
        return next(iter(seeds.values()))
    return "; ".join(f"{arm} {own}" for arm, own in seeds.items())


def _in_words(name: str, fact: Json) -> str:
    if name == "seconds" and isinstance(fact, int | float):
        return duration(fact)
    if isinstance(fact, dict):
        return ", ".join(f"{k} {v}" for k, v in fact.items())
    return value(fact)
