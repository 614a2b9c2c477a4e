"""The files of a report: `comparison.json`, `arms.csv`, `phonemes.csv`, `speakers.csv`,
`confusion_<arm>.csv` and `index.html`."""

import json
from pathlib import Path

import pandas as pd

from harness.comparison.model import Comparison, to_json
from harness.files import write_text
from harness.report import page
from harness.report.tables import arms_table, confusion_table, phonemes_table, speakers_table


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write a comparison's files into a folder, replacing earlier ones whole; gives their paths."""
    texts = {
        "comparison.json": as_json(comparison),
        "arms.csv": _csv(arms_table(comparison)),
        "phonemes.csv": _csv(phonemes_table(comparison)),
        "speakers.csv": _csv(speakers_table(comparison)),
        "index.html": page.page(comparison),
        **{_confusion_file(arm.arm): _csv(confusion_table(arm)) for arm in comparison.arms},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _confusion_file(arm: str) -> str:
    """The file of an arm's confusions. Of several studies an arm may be STUDY/ARM, of runs have spaces in its name."""
    return f"confusion_{arm.replace('/', '+').replace(' ', '_')}.csv"


def as_json(comparison: Comparison) -> str:
    """The same comparison gives the same bytes; no NaN."""
    return json.dumps(to_json(comparison), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _csv(table: pd.DataFrame) -> str:
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text
