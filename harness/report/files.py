"""The files of a report: `comparison.json`, `arms.csv`, `phonemes.csv`, `confusion_<arm>.csv` and `index.html`."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from harness.files import write_text
from harness.report import page


def write(comparison: dict[str, Any], folder: Path) -> list[Path]:
    """Write a comparison's files into a folder, replacing earlier ones whole; gives their paths."""
    texts = {
        "comparison.json": as_json(comparison),
        "arms.csv": _csv(arms_table(comparison)),
        "phonemes.csv": _csv(phonemes_table(comparison)),
        "index.html": page.page(comparison),
        **{_named(arm["arm"]): _csv(confusion_table(arm)) for arm in comparison["arms"]},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _named(arm: str) -> str:
    """The file of an arm's confusions. Of several studies an arm may be STUDY/ARM, of runs have spaces in its name."""
    return f"confusion_{arm.replace('/', '+').replace(' ', '_')}.csv"


def as_json(comparison: dict[str, Any]) -> str:
    """The same comparison gives the same bytes; no NaN."""
    return json.dumps(comparison, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def arms_table(comparison: dict[str, Any]) -> pd.DataFrame:
    """One row per arm: what it reached, cost and chose."""
    rows = []
    for arm in comparison["arms"]:
        row = {name: arm[name] for name in ("arm", "architecture", "parameters", "flops_per_frame", "trials")}
        row["seeds"] = " ".join(map(str, arm["seeds"]))
        for split in ("test", "validation"):
            for metric, values in arm[split].items():
                row |= {f"{split}_{metric}_mean": values["mean"], f"{split}_{metric}_std": values["std"]}
        row |= {name: arm[name] for name in ("seconds_training", "frames_per_second", "search_frames", "peak_bytes")}
        rows.append(row | {f"chosen.{name}": value for name, value in arm["chosen"].items()})
    return pd.DataFrame(rows)


def phonemes_table(comparison: dict[str, Any]) -> pd.DataFrame:
    """One row per arm and phoneme: precision, recall, F1 and support, pooled over seeds."""
    columns = ("phoneme", "precision", "recall", "f1", "support")
    rows = [{"arm": arm["arm"]} | {c: row[c] for c in columns} for arm in comparison["arms"] for row in arm["phonemes"]]
    return pd.DataFrame(rows)


def confusion_table(arm: dict[str, Any]) -> pd.DataFrame:
    """Counts pooled over seeds, rows true, columns predicted."""
    labels = arm["confusion"]["labels"]
    counts = pd.DataFrame(arm["confusion"]["counts"], index=labels, columns=labels)
    return counts.rename_axis("true").reset_index()


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")
