"""A finished study in Python: its tables, figures, page and models."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.model import Model
from harness.comparison.model import Comparison
from harness.conductor.workspace import project_root
from harness.errors import UserError

if TYPE_CHECKING:  # loaded by what is asked for
    import pandas as pd


def run(
    file: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    project: str | Path | None = None,
    device: str = "auto",
    amend: bool = False,
    restart_arms: Sequence[str] = (),
    restart: bool = False,
) -> "Study":
    """Run the study of an experiment file, go on with it where it stopped, or read it where it is complete.

    Args:
        file: in TOML, as `harness run` takes it.
        overrides: settings that stand instead of the file's: `{"training.epochs": 2}`.
        project: the folder that holds `mlflow.db` and `.harness`; if None the nearest at or above the current one.
        device: auto, cpu or cuda.
        amend: train arms anew whose settings the file has changed, which is refused otherwise.
        restart_arms: names of arms that are trained anew in any case.
        restart: archive what there is of this study, and begin anew.

    Raises:
        UserError: a mistake in the file, corpus or store.
    """
    from harness.api.running import run_study
    from harness.experiment.load import load
    from harness.experiment.mistakes import as_toml

    root = _root(project)
    experiment = load(file, [f"{key}={as_toml(value)}" for key, value in (overrides or {}).items()])
    comparison = run_study(
        experiment,
        root,
        device=device,
        amend=amend,
        restart_arms=restart_arms,
        restart=restart,
        imports_main=False,
    )
    return Study(comparison, root)


def study(name: str, *, project: str | Path | None = None) -> "Study":
    """A finished study, from MLflow alone.

    Args:
        project: as for `run`.

    Raises:
        UserError: there is no such study, or it is not finished.
    """
    from harness.conductor.load import load_comparison

    root = _root(project)
    return Study(load_comparison(name, root), root)


def studies(*, project: str | Path | None = None) -> "pd.DataFrame":
    """The studies of a project that are not archived, newest first: study, state, when, arms, question.

    Args:
        project: as for `run`.
    """
    import pandas as pd

    from harness.conductor.studies import standings

    found = standings(_root(project))
    rows = [(own.study, own.state, own.when, ", ".join(own.arms), own.question) for own in found]
    return pd.DataFrame(rows, columns=["study", "state", "when", "arms", "question"])


def _root(project: str | Path | None) -> Path:
    folder = Path.cwd() if project is None else Path(project).expanduser()
    if not folder.is_dir():
        raise UserError(f"project: {folder} is no folder; give the one that holds your experiment files")
    from harness.experiment.load import look_in

    root = project_root(folder.resolve())
    look_in(root)
    return root


class Study:
    """A finished study.

    Shares are fractions in [0, 1], times seconds; what does not exist (a spread over one seed) is NaN.
    """

    def __init__(self, comparison: Comparison, root: Path) -> None:
        self._comparison = comparison
        self._root = root

    @property
    def name(self) -> str:
        return self._comparison.study

    @property
    def question(self) -> str:
        return self._comparison.question

    @property
    def verdicts(self) -> tuple[str, ...]:
        """A sentence for each pair of arms in accuracy; they hold for all of them together."""
        return self._comparison.verdicts

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        return self._comparison.notes

    @property
    def arms(self) -> "pd.DataFrame":
        """A row per arm: measures on test and validation (mean and standard deviation), cost, chosen settings."""
        return self._table("arms_table")

    @property
    def pairs(self) -> "pd.DataFrame":
        """A row per pair of arms and measure: the difference a less b, its interval, p-values and verdict."""
        return self._table("pairs_table")

    @property
    def phonemes(self) -> "pd.DataFrame":
        """A row per arm and phoneme: precision, recall, F1, support; pooled over seeds."""
        return self._table("phonemes_table")

    @property
    def speakers(self) -> "pd.DataFrame":
        """A row per arm, seed and test speaker: frames and accuracy."""
        return self._table("speakers_table")

    @property
    def seeds(self) -> "pd.DataFrame":
        """A row per arm, seed and measure on test."""
        return self._table("seeds_table")

    @property
    def trials(self) -> "pd.DataFrame":
        """A row per trial of the searches: state, validation accuracy, cost, and its settings."""
        return self._table("trials_table")

    @property
    def curves(self) -> "pd.DataFrame":
        """A row per arm, seed and epoch: losses in nats, accuracies, learning rate."""
        return self._table("curves_table")

    @property
    def checks(self) -> "pd.DataFrame":
        """A row per finding about the study itself: code, severity, sentence, advice."""
        return self._table("checks_table")

    def confusion(self, arm: str) -> "pd.DataFrame":
        """(C, C) counts of frames pooled over seeds, rows true, columns predicted.

        Raises:
            UserError: there is no such arm.
        """
        from harness.report.tables import confusion_table

        arms = {own.arm: own for own in self._comparison.arms}
        if arm not in arms:
            raise UserError(f"{arm}: study {self.name} has no such arm; there are: {', '.join(arms)}")
        return confusion_table(arms[arm]).set_index("true")

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures of its page."""
        return tuple(self._figures())

    def figure(self, name: str) -> Any:
        """A figure of its page, a `plotly.graph_objects.Figure`.

        Raises:
            UserError: there is no such figure.
        """
        from harness.report.figures import as_plotly

        found = self._figures()
        if name not in found:
            raise UserError(f"{name}: study {self.name} has no such figure; there are: {', '.join(found)}")
        return as_plotly(found[name])

    def to_html(self, path: str | Path) -> Path:
        """Write its page, one file that needs no others; gives the path."""
        from harness.files import write_text
        from harness.report.page import page

        target = Path(path).expanduser()
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, page(self._comparison))
        return target

    def model(self, arm: str, seed: int | None = None) -> Model:
        """A trained model.

        Args:
            seed: of the final; the first of the comparison if None.

        Raises:
            UserError: there is no such arm or seed.
        """
        from harness.prediction.model import load

        return Model(load(self._root, self.name, arm, seed))

    def __repr__(self) -> str:
        return "\n".join([f"Study {self.name}: {self.question}", *self.verdicts])

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdicts, and what each arm reached and cost."""
        from harness.display.wording import count, spread

        columns = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
        head = "".join(f"<th>{title}</th>" for title in ("arm", *columns.values(), "parameters"))
        rows = "".join(
            f"<tr><th>{html.escape(arm.arm)}</th>"
            + "".join(f"<td>{spread(arm.test[key])}</td>" for key in columns)
            + f"<td>{count(round(arm.mean_parameters))}</td></tr>"
            for arm in self._comparison.arms
        )
        sentences = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.verdicts)
        title = f"<b>{html.escape(self.name)}</b>: {html.escape(self.question)}"
        caption = "<p>Test, in percent: mean ± standard deviation over seeds.</p>"
        return f"<p>{title}</p><ul>{sentences}</ul><table><tr>{head}</tr>{rows}</table>{caption}"

    def _table(self, name: str) -> "pd.DataFrame":
        from harness.report import tables

        table: pd.DataFrame = getattr(tables, name)(self._comparison)
        return table

    def _figures(self) -> "dict[str, Any]":
        from harness.report.outline import figures

        return {figure.key: figure for _, figure in figures(self._comparison)}
