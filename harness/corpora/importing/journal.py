"""The folder in which an imported corpus grows: its journal, what of that still holds, and how it is made whole.

A journal has a line for each recording that is done, with its files' sizes and times of change. What was done with
other settings, or from files that have changed since, is done again.
"""

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from harness.corpora import features
from harness.corpora.importing.plan import Imported, Plan, Recipe, Recording
from harness.phones import PHONEMES

REFUSED = "refused.txt"
"""A line for each recording that is refused."""

_JOURNAL = "journal.jsonl"
_SETTINGS = "settings.json"
_KINDS = ("mfcc", "transcript")


class Journal:
    """The journal of an import: a line for each recording, once its files are written."""

    def __init__(self, growing: Path) -> None:
        self._file = (growing / _JOURNAL).open("a", encoding="utf-8")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, recording: Recording, outcome: Imported) -> None:
        self._file.write(json.dumps([recording.name, recording.split, recording.stamp(), asdict(outcome)]) + "\n")
        self._file.flush()


def prepare(growing: Path, plan: Plan, recipe: Recipe) -> None:
    """Make the folder; empty it unless an import with the same settings was stopped in it."""
    settings = json.dumps({"corpus": plan.corpus} | recipe.as_json())
    file = growing / _SETTINGS
    if not file.exists() or file.read_text(encoding="utf-8") != settings:
        shutil.rmtree(growing, ignore_errors=True)
    for split in plan.splits():
        for kind in _KINDS:
            (growing / split / kind).mkdir(parents=True, exist_ok=True)
    growing.mkdir(parents=True, exist_ok=True)
    file.write_text(settings, encoding="utf-8")


def outcomes_so_far(growing: Path, plan: Plan) -> dict[str, Imported]:
    """Outcomes of an import that was stopped, as far as they still hold: by name of the recording."""
    journal = growing / _JOURNAL
    if not journal.exists():
        return {}
    recordings = {(recording.name, recording.split): recording for recording in plan.recordings}
    outcomes = {}
    for line in journal.read_text(encoding="utf-8").splitlines():
        try:
            name, split, stamp, outcome = json.loads(line)
        except ValueError:  # a kill in the middle of the line
            continue
        recording = recordings.get((name, split))
        files = [growing / split / kind / f"{name}.npy" for kind in _KINDS]
        if recording and recording.stamp() == stamp and all(file.exists() for file in files):
            outcomes[name] = Imported(**outcome)
    return outcomes


def finish(growing: Path, plan: Plan, recipe: Recipe, imported: Mapping[str, Imported]) -> None:
    """Write the files beside the splits, and remove what is not of this corpus."""
    recordings = [recording for recording in plan.recordings if recording.name in imported]
    names = {(recording.split, f"{recording.name}.npy") for recording in recordings}
    for path in growing.glob("*/*/*.npy"):
        if (path.parts[-3], path.name) not in names:
            path.unlink()
    for folder in [*growing.glob("*/*/"), *growing.glob("*/")]:
        if not any(folder.iterdir()):
            folder.rmdir()
    with (growing / "speakers.csv").open("w", encoding="utf-8", newline="") as table:
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["utterance", "speaker"])
        rows.writerows(sorted((recording.name, recording.speaker) for recording in recordings))
    features.write(growing, recipe.features)
    if recipe.phones.classes != PHONEMES:
        (growing / "phonemes.txt").write_text("\n".join(recipe.phones.classes) + "\n", encoding="utf-8")
    facts = {"corpus": plan.corpus, "notes": plan.notes} | recipe.as_json()
    (growing / "recipe.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (growing / _JOURNAL).unlink(missing_ok=True)
    (growing / _SETTINGS).unlink()
