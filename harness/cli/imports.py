"""The commands `harness data import timit | librispeech | folder`: recordings with labels into the HW1P2 layout."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from harness.corpora.importing.plan import Plan

_PATH = click.Path(path_type=Path)
_SHARE = click.FloatRange(0, 1, max_open=True)

_FOR_ALL = [
    click.option("--out", type=_PATH, help="New folder for the corpus.  [corpora/NAME]"),
    click.option(
        "--map", "mapped", metavar="SYMBOL=CLASS", multiple=True, help="Map one more symbol to a class: spn=[SIL]."
    ),
    click.option(
        "--leave-out-refused", "leave_out", is_flag=True, help="Leave out refused recordings; list them in refused.txt."
    ),
    click.option("--coefficients", "n_coefficients", type=int, default=28, show_default=True, help="C0 first."),
    click.option("--mels", "n_mels", type=int, default=40, show_default=True, help="Mel bands,"),
    click.option("--low", type=float, default=20.0, show_default=True, help="Lowest frequency of the mel bands, Hz."),
    click.option(
        "--high", type=float, default=7600.0, show_default=True, help="Highest frequency of the mel bands, Hz."
    ),
    click.option(
        "--deltas", type=click.IntRange(0, 2), default=0, show_default=True, help="1 adds slopes, 2 also their slopes."
    ),
    click.option(
        "--rate", type=int, default=16000, show_default=True, help="Sample rate, Hz; higher rates are reduced to it."
    ),
    click.option("--processes", type=click.IntRange(1), help="Parallel processes.  [one per core]"),
]

_BY_SPEAKER = [
    click.option("--validation", type=_SHARE, default=0.1, show_default=True, help="Of the speakers."),
    click.option("--test", type=_SHARE, default=0.1, show_default=True, help="Of the speakers."),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random split by speaker."),
    click.option("--splits", type=_PATH, metavar="FILE", help="CSV file speaker,split, instead of a random split."),
]


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _with(*options: Decorator) -> Decorator:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _phones(default: str) -> Decorator:
    told = "Phone set: timit-40, timit-39, arpabet, or a table of your own."
    return click.option("--phones", default=default, show_default=True, metavar="NAME|FILE", help=told)


@click.command()
@click.argument("path", type=_PATH)
@click.option("--keep-sa", is_flag=True, help="Include the two dialect sentences that every speaker reads.")
@_with(_phones("timit-40"), *_BY_SPEAKER, *_FOR_ALL)
def timit(path: Path, keep_sa: bool, **given: Any) -> None:
    """TIMIT, as the LDC gives it or NLTK's sample.

    Test is the core test set of 24 speakers, validation the usual 50. A sample without these is split by speaker.
    """
    from harness.corpora.importing import timit

    _import(timit.plan(path, keep_sa=keep_sa, **_by_speaker(given)), "timit", **given)


@click.command()
@click.argument("path", type=_PATH)
@click.option("--alignments", type=_PATH, required=True, help="Folder of TextGrids named after utterances, or a CTM.")
@click.option(
    "--split",
    "only",
    multiple=True,
    metavar="NAME",
    help="Import only this split, such as dev-clean. Repeatable.  [all]",
)
@click.option("--tier", metavar="NAME", help="Tier of the TextGrids.  [phones]")
@_with(_phones("arpabet"), *_FOR_ALL)
def librispeech(path: Path, alignments: Path, only: tuple[str, ...], **given: Any) -> None:
    """LibriSpeech with phone alignments from elsewhere, in its own splits."""
    from harness.corpora.importing import librispeech

    _import(librispeech.plan(path, alignments, only), "librispeech", **given)


@click.command()
@click.argument("path", type=_PATH)
@click.option("--alignments", type=_PATH, help="Folder of the alignments, or a CTM.  [beside the recordings]")
@click.option("--speaker", metavar="PATTERN", help="Regular expression that finds the speaker in the path.")
@click.option("--tier", metavar="NAME", help="Tier of the TextGrids.  [phones]")
@_with(_phones("arpabet"), *_BY_SPEAKER, *_FOR_ALL)
def folder(path: Path, alignments: Path | None, speaker: str | None, **given: Any) -> None:
    """Recordings and time labels of your own, split by speaker.

    WAV, FLAC, SPHERE or MP3; labels as .phn, .TextGrid, .lab or .ctm. Who speaks: --speaker, else PATH/speakers.csv
    (utterance,speaker), else the first folder below PATH.
    """
    from harness.corpora.importing import folder

    plan = folder.plan(path, alignments=alignments, speaker=speaker, **_by_speaker(given))
    _import(plan, path.resolve().name, **given)


def _by_speaker(given: dict[str, Any]) -> dict[str, Any]:
    from harness.corpora.importing.speaker_splits import Fractions

    fractions = Fractions(given.pop("validation"), given.pop("test"), given.pop("seed"))
    return {"fractions": fractions, "splits": given.pop("splits")}


def _import(
    plan: "Plan",
    name: str,
    *,
    out: Path | None,
    phones: str,
    mapped: tuple[str, ...],
    leave_out: bool,
    processes: int | None,
    tier: str | None = None,
    **features: Any,
) -> None:
    from harness.cli import corpus_tables
    from harness.corpora.features import Features
    from harness.corpora.importing import phone_table, run
    from harness.corpora.importing.plan import Recipe
    from harness.display import panel, terminal
    from harness.display.progress import Progress
    from harness.errors import UserError

    wanted = Features(**features)
    wrong = wanted.mistakes() + [f"--map {m}: SYMBOL=CLASS is allowed" for m in mapped if "=" not in m]
    if wrong:
        raise UserError("\n".join(wrong))
    table = phone_table.load(phones).extended(dict(m.rsplit("=", 1) for m in mapped))
    root = out or Path("corpora") / name
    with panel.display() as display:
        progress = Progress(display)
        result = run.run(
            plan,
            Recipe(wanted, table, tier),
            root,
            leave_out=leave_out,
            processes=processes,
            progress=lambda done, total: progress.reading(f"importing {plan.corpus}", done, total),
        )
    terminal.show(corpus_tables.import_tables(result, str(root), "harness"))
