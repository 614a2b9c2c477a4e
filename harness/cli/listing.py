"""`harness list`: what can be named in an experiment file, and what was run."""

import sys
from pathlib import Path
from typing import Any

import architectures
from harness.conductor.studies import standings
from harness.corpora import corpus
from harness.display.document import Block, Heading, Line, Table
from harness.experiment.mistakes import as_toml
from harness.experiment.schema import keys_of_architecture, words


def blocks(root: Path) -> list[Block]:
    """Architectures with their hyper-parameters, corpora, studies."""
    return [*_architectures(), *_corpora(), *_studies(root)]


def _architectures() -> list[Block]:
    shown: list[Block] = [
        Heading("Architectures (architecture = NAME; params.SETTING)"),
        Line("params.parameters = N instead of width: the width is computed for N parameters"),
    ]
    for name in architectures.names():
        parameters = architectures.parameters_of(name)
        keys = keys_of_architecture(name)
        rows = tuple((f"  {p}", words(key.annotation), _default(parameters[p].default)) for p, key in keys.items())
        shown += [Line(""), Line(name, strong=True), Line(f"  {_what_it_is(name)}")]
        shown += [Table(("  setting", "allowed", "default"), rows)] if rows else [Line("  no settings")]
    return [*shown, *(Line(reason) for reason in architectures.broken().values())]


def _corpora() -> list[Block]:
    folder = ("FOLDER", "any folder in the HW1P2 layout: FOLDER/SPLIT/mfcc/NAME.npy")
    return [Heading("Corpora (data.corpus = NAME)"), Table(("corpus", "what it is"), (*corpus.KNOWN.items(), folder))]


def _studies(root: Path) -> list[Block]:
    rows = tuple((s.study, s.state, s.when[:16].replace("T", " "), ", ".join(s.arms)) for s in standings(root))
    shown: list[Block] = [Table(("study", "state", "when", "arms"), rows)] if rows else [Line("none yet")]
    return [Heading("Studies (harness report --study NAME)"), *shown]


def _what_it_is(name: str) -> str:
    """The first sentence of an architecture's file."""
    text = sys.modules[architectures.find(name).__module__].__doc__ or ""
    return text.strip().partition("\n")[0].rstrip(".")


def _default(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else as_toml(value)
