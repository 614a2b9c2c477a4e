"""NIST's CTM: `UTTERANCE CHANNEL START DURATION SYMBOL [CONFIDENCE]`, seconds, many utterances in one file.

A corpus' file is large: `ranges` finds where each utterance's lines lie, and `read` takes those alone.
"""

from pathlib import Path

from harness.corpora import text as text_file
from harness.corpora.alignments.segments import Segment


def ranges(path: Path) -> dict[str, tuple[int, int]]:
    """Utterance -> (first byte, number of bytes) of its lines.

    Raises:
        ValueError: an utterance's lines do not stand together.
    """
    places: dict[str, tuple[int, int]] = {}
    last, first, position = "", 0, 0
    if not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            name = line.split(None, 1)[0].decode("utf-8", "replace") if line.strip() else ""
            if name and not name.startswith(";;") and name != last:
                if last:
                    places[last] = (first, position - first)
                if name in places:
                    raise ValueError(f"line {number}: {name} again; the lines of an utterance must stand together")
                last, first = name, position
            position += len(line)
    if last:
        places[last] = (first, position - first)
    return places


def read(text: str) -> list[Segment]:
    """The lines of one utterance, in order of time.

    Raises:
        ValueError: a line that is something else, or two channels.
    """
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith(";;")]
    channels = {row[1] for row in rows if len(row) > 1}
    if len(channels) > 1:
        raise ValueError(f"channels {', '.join(sorted(channels))} for one utterance; one is allowed")
    segments = []
    for row in rows:
        try:
            start, duration = text_file.time(row[2]), text_file.time(row[3])
            segments.append(Segment(start, round(start + duration, 6), row[4]))
        except (ValueError, IndexError):
            raise ValueError(f"{' '.join(row)[:60]!r} is not 'UTTERANCE CHANNEL START DURATION SYMBOL'") from None
    return sorted(segments)
