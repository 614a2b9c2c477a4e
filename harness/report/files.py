"""The files of a report: `comparison.json`, `arms.csv`, `phonemes.csv`, `confusion_<arm>.csv` and `index.html`."""

import json
from pathlib import Path

import pandas as pd

from harness.comparison.arm_model import ComparedArm
from harness.comparison.model import Comparison, to_json
from harness.files import write_text
from harness.report import page


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write a comparison's files into a folder, replacing earlier ones whole; gives their paths."""
    texts = {
        "comparison.json": as_json(comparison),
        "arms.csv": _csv(arms_table(comparison)),
        "phonemes.csv": _csv(phonemes_table(comparison)),
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


def arms_table(comparison: Comparison) -> pd.DataFrame:
    """One row per arm: what it reached, cost and chose."""
    rows = []
    for arm in comparison.arms:
        row: dict[str, object] = {
            "arm": arm.arm,
            "architecture": arm.architecture,
            "parameters": arm.parameters,
            "flops_per_frame": arm.flops_per_frame,
            "trials": arm.trials,
            "seeds": " ".join(map(str, arm.seeds)),
        }
        for split, measures in (("test", arm.test), ("validation", arm.validation)):
            for metric, values in measures.items():
                row |= {f"{split}_{metric}_mean": values.mean, f"{split}_{metric}_std": values.std}
        row |= {
            "seconds_training": arm.seconds_training,
            "frames_per_second": arm.frames_per_second,
            "search_frames": arm.search_frames,
            "peak_bytes": arm.peak_bytes,
        }
        rows.append(row | {f"chosen.{name}": value for name, value in arm.chosen.items()})
    return pd.DataFrame(rows)


def phonemes_table(comparison: Comparison) -> pd.DataFrame:
    """One row per arm and phoneme: precision, recall, F1 and support, pooled over seeds."""
    columns = ("phoneme", "precision", "recall", "f1", "support")
    rows = [{"arm": arm.arm} | {c: getattr(row, c) for c in columns} for arm in comparison.arms for row in arm.phonemes]
    return pd.DataFrame(rows)


def confusion_table(arm: ComparedArm) -> pd.DataFrame:
    """Counts pooled over seeds, rows true, columns predicted."""
    labels = list(arm.confusion.labels)
    counts = pd.DataFrame(arm.confusion.counts, index=labels, columns=labels)
    return counts.rename_axis("true").reset_index()


def _csv(table: pd.DataFrame) -> str:
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text
