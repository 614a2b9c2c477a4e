"""Differences between two results: JSON, CSV, arrays, printed text and pages. Used by `same_results.py`; runs nothing.

Between two trainings times and places are left out; an exact comparison leaves out next to nothing.
"""

import csv
import difflib
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

TIMES = {"seconds", "seconds_training", "search_seconds", "frames_per_second", "peak_bytes"}
"""Keys of measured values: they differ between two runs of the same code."""
PLACES = {"host", "started", "commit", "dirty"}
"""Keys that say where and when a result was made."""

_MEASURED = [  # of a text, in any comparison
    (r"[\d.]+( s in (?:fp32|bf16))", r"…\1"),  # how long a prediction took
    (r"[\d,]+ bytes", "… bytes"),  # an exported file holds the names of modules
    (r"/experiments/\d+", "/experiments/…"),  # MLflow counts them
]
_TIMED = [  # of a text, between two trainings
    (r"[\d.]+( times its training time)", r"…\1"),
    (r"(?m)^(\| (?:started|commit|host|seconds|frames per second)\b[^|]*\|).*", r"\1 …"),
]


@dataclass(frozen=True)
class Difference:
    """One place where two results are not the same."""

    place: str
    text: str
    is_wording: bool = False
    """Words alone differ; every number in them is the same."""


def differences(old: Any, new: Any, place: str = "", exact: bool = False) -> list[Difference]:
    """Where two JSON documents differ: keys and their order, types, and values, floats to the last bit.

    Args:
        exact: compare times and places too.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        if list(old) != list(new):
            lines = difflib.unified_diff(list(old), list(new), "keys before", "keys now", n=1, lineterm="")
            found.append(Difference(place, "\n".join(lines)))
        for key in old:
            if key in new and (exact or key.rpartition("/")[2] not in TIMES | PLACES):
                found += differences(old[key], new[key], f"{place}.{key}", exact)
        return found
    if isinstance(old, list) and isinstance(new, list):
        found = [] if len(old) == len(new) else [Difference(place, f"{len(old)} items -> {len(new)}")]
        pairs = enumerate(zip(old, new, strict=False))
        return found + [one for i, pair in pairs for one in differences(*pair, f"{place}[{i}]", exact)]
    if type(old) is type(new) and repr(old) == repr(new):
        return []
    is_sentence = isinstance(old, str) and isinstance(new, str) and " " in old
    return [Difference(place, f"{old!r}\n-> {new!r}", is_sentence and _numbers(old) == _numbers(new))]


def array_differences(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> list[Difference]:
    """Which arrays differ, in name, type, shape or any bit."""
    found = [Difference(name, "only in one of the two") for name in sorted(old.keys() ^ new.keys())]
    for name in sorted(old.keys() & new.keys()):
        a, b = old[name], new[name]
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            found.append(Difference(name, f"{a.dtype} {a.shape} -> {b.dtype} {b.shape}"))
        elif a.tobytes() != b.tobytes():
            found.append(Difference(name, f"{int((a != b).sum())} of {a.size} values differ"))
    return found


def text_differences(old: str, new: str, exact: bool = False) -> list[Difference]:
    """The unified diff of two texts as one difference; of wording where the numbers are the same, in the same order."""
    old, new = masked(old, exact), masked(new, exact)
    if old == new:
        return []
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "before", "now", n=0, lineterm="")
    return [Difference("", "\n".join(lines), _numbers(old) == _numbers(new))]


def _numbers(text: str) -> list[str]:
    return re.findall(r"[-+]?\d(?:[\d.,]*\d)?", text)


def masked(text: str, exact: bool = False) -> str:
    """A text without what is measured anew each time; unless exact, also without the times of a training.

    In a table these stand below headings with "seconds": of the terminal at the heading's right end, of the page in
    the same cell.
    """
    for pattern, replacement in _MEASURED + ([] if exact else _TIMED):
        text = re.sub(pattern, replacement, text)
    if exact:
        return text
    lines: list[str] = []
    ends: list[int] = []
    cells: list[int] = []
    for line in text.splitlines():
        if "───" in line and lines:
            ends = [match.end() for match in re.finditer("seconds", lines[-1])]
        elif not line.strip():
            ends = []
        for end in ends:
            line = re.sub(r"\S+$", lambda m: "…".rjust(len(m[0])), line[:end]) + line[end:]
        parts = line.split(" |")
        if not line.startswith("| "):
            cells = []
        elif not lines or not lines[-1].startswith("| "):
            cells = [i for i, heading in enumerate(parts) if "seconds" in heading]
        else:
            parts = [" …" if i in cells else part for i, part in enumerate(parts)]
        lines.append(" |".join(parts))
    return "\n".join(re.sub(r" {2,}", "  ", line) for line in lines)


class _Page(HTMLParser):
    """The text of a page that a reader sees: a line per block, a row of a table as `| cell | cell`."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._invisible = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._invisible += tag in ("script", "style")
        if tag in ("td", "th", "dd"):
            self.text += " | "
        elif tag == "dt":
            self.text += "\n | "
        elif tag == "table":
            self.text += "\n[table]\n"  # so that no table takes the one above for its headings
        elif tag not in ("b", "strong", "em", "i", "a", "code", "span", "sub", "sup", "br"):
            self.text += "\n"

    def handle_endtag(self, tag: str) -> None:
        self._invisible -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        self.text += "" if self._invisible else re.sub(r"\s+", " ", data)


def visible(page: str) -> str:
    """What is read of a page, without its scripts and styles."""
    parser = _Page()
    parser.feed(page)
    return "\n".join(line for line in (" ".join(line.split()) for line in parser.text.splitlines()) if line)


def file_differences(old: Path, new: Path, exact: bool = False) -> list[Difference]:
    """Where two files differ, by what they hold."""
    if not (old.exists() and new.exists()):
        return [Difference("", f"the file is only {'before' if old.exists() else 'now'}")]
    if old.read_bytes() == new.read_bytes():
        return []
    if old.suffix == ".npz":
        with np.load(old) as a, np.load(new) as b:
            return array_differences(dict(a), dict(b))
    if old.suffix not in (".json", ".csv", ".html", ".txt", ".md", ".tex"):
        return [Difference("", "the bytes differ")]
    a, b = old.read_text(encoding="utf-8"), new.read_text(encoding="utf-8")
    if old.suffix == ".json":
        return differences(json.loads(a), json.loads(b), exact=exact)
    if old.suffix == ".csv":
        return differences(list(csv.DictReader(a.splitlines())), list(csv.DictReader(b.splitlines())), exact=exact)
    if old.suffix == ".html":
        found = text_differences(visible(a), visible(b), exact)
        unseen = Difference("", "markup, style or figures differ", is_wording=_numbers(a) == _numbers(b))
        return found or ([unseen] if exact else [])
    return text_differences(a, b, exact)


def folder_differences(old: Path, new: Path, patterns: list[str], exact: bool = False) -> tuple[int, list[Difference]]:
    """How many files match in either folder, and where they differ."""
    names = sorted(
        {path.relative_to(top) for top in (old, new) for p in patterns for path in top.glob(p) if path.is_file()}
    )
    found = [(name, one) for name in names for one in file_differences(old / name, new / name, exact)]
    return len(names), [
        Difference(f"{name}{one.place and ': '}{one.place}", one.text, one.is_wording) for name, one in found
    ]
