"""Alignment files: which there are, which utterance each is of, and its segments.

TIMIT's `.phn`, Praat's `.TextGrid`, NIST's `.ctm`, HTK's, HTS's and Festival's `.lab`; endings in any case.
"""

from dataclasses import dataclass, field
from pathlib import Path

from harness.corpora import text
from harness.corpora.alignments import columns, ctm, segments, textgrid
from harness.corpora.alignments.segments import Segment, covering

__all__ = ["ENDINGS", "AlignmentFile", "AlignmentIndex", "Segment", "covering", "read"]

ENDINGS = (".phn", ".textgrid", ".ctm", ".lab")


@dataclass(frozen=True)
class AlignmentFile:
    """The place of an utterance's segments."""

    path: Path
    part: tuple[int, int] | None = None
    """(first byte, number of bytes); the whole file unless given."""


@dataclass(frozen=True)
class AlignmentIndex:
    """The alignments below a folder, or in one CTM file."""

    by_place: dict[str, AlignmentFile] = field(default_factory=dict)
    """Alignments by their path below the folder, without its ending, in lower case."""
    by_name: dict[str, list[AlignmentFile]] = field(default_factory=dict)
    """The utterance's name, in lower case."""

    def of(self, place: Path) -> list[AlignmentFile]:
        """Alignments of an utterance, by its path below its folder: that of the same place, else all of its name."""
        here = self.by_place.get(place.with_suffix("").as_posix().lower())
        return [here] if here else self.by_name.get(place.stem.lower(), [])


def find(root: Path) -> AlignmentIndex:
    """An index of all alignments in `root`, a folder or a file.

    Raises:
        ValueError: there are none, or a CTM file that cannot be used.
    """
    if not root.exists():
        raise ValueError(f"{root}: no such file or folder")
    files = [root] if root.is_file() else sorted(root.rglob("*"))
    index = AlignmentIndex()
    for path in files:
        ending = path.suffix.lower()
        if ending == ".ctm" or (path == root and ending not in ENDINGS):
            try:
                parts = ctm.ranges(path)
            except (ValueError, OSError) as error:
                raise ValueError(f"{path}: {error}") from None
            for name, part in parts.items():
                index.by_name.setdefault(name.lower(), []).append(AlignmentFile(path, part))
        elif ending in ENDINGS:
            if path != root:
                index.by_place[path.relative_to(root).with_suffix("").as_posix().lower()] = AlignmentFile(path)
            index.by_name.setdefault(path.stem.lower(), []).append(AlignmentFile(path))
    if not index.by_name:
        raise ValueError(f"{root}: no alignment in it; files that end in {' '.join(ENDINGS)} (any case) are read")
    return index


def read(source: AlignmentFile, *, rate: int, tier: str | None = None) -> list[Segment]:
    """An utterance's segments in order of time.

    Args:
        rate: of its recording, Hz; `.phn` may count its samples.
        tier: of a TextGrid.

    Raises:
        ValueError: it cannot be read, or is no alignment.
    """
    content = text.read(source.path, source.part)
    match source.path.suffix.lower():
        case ".phn":
            rows = columns.read_phn(content, rate)
        case ".lab":
            rows = columns.read_lab(content)
        case ".textgrid":
            rows = textgrid.read(content, tier)
        case _:
            rows = ctm.read(content)
    segments.check(rows)
    return rows
