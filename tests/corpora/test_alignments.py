"""Alignments in every form that people have them in: the segments that were written, and refusals in words."""

from pathlib import Path

import numpy as np
import pytest

from harness.corpora.alignments import columns, ctm, index, textgrid
from harness.corpora.alignments.index import AlignmentFile, Segment
from harness.corpora.alignments.segments import check

SAID = [Segment(0.0, 0.25, ""), Segment(0.25, 0.4, "HH"), Segment(0.4, 0.55, "AY1"), Segment(0.55, 1.0, "")]

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.0
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.0
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1.0
            text = "he said ""hi"" ! 3 <exists>"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 1.0
        points: size = 1
        points [1]:
            number = 0.3
            mark = "x"
    item [3]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.0
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.25
            text = ""
        intervals [2]:
            xmin = 0.25
            xmax = 0.4
            text = "HH"
        intervals [3]:
            xmin = 0.4
            xmax = 0.55
            text = "AY1"
        intervals [4]:
            xmin = 0.55
            xmax = 1.0
            text = ""
"""

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
1
<exists>
3
"IntervalTier"
"words"
0
1
1
0
1
"he said ""hi"" ! 3 <exists>"
"TextTier"
"clicks"
0
1
1
0.3
"x"
"IntervalTier"
"phones"
0
1
4
0
0.25
""
0.25
0.4
"HH" ! a comment with 7 and "text"
0.4
0.55
"AY1"
0.55
1
""
"""


def written(path: Path, text: str, encoding: str = "utf-8") -> AlignmentFile:
    path.write_bytes(text.encode(encoding))
    return AlignmentFile(path)


def read(path: Path, text: str, rate: int = 16000) -> list[Segment]:
    return index.read(written(path, text), rate=rate)


@pytest.mark.parametrize("text", [LONG, SHORT, LONG.replace("\n", "\r\n")], ids=["long", "short", "windows"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_both_forms_of_a_textgrid_in_both_encodings(tmp_path: Path, text: str, encoding: str) -> None:
    source = written(tmp_path / "a.TextGrid", text, encoding)
    assert index.read(source, rate=16000) == SAID
    words = index.read(source, rate=16000, tier="words")
    assert words == [Segment(0.0, 1.0, 'he said "hi" ! 3 <exists>')]


def test_utf_16_of_both_orders(tmp_path: Path) -> None:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        (tmp_path / "a.TextGrid").write_bytes(mark + LONG.replace("HH", "ə").encode(encoding))
        assert index.read(AlignmentFile(tmp_path / "a.TextGrid"), rate=1)[1].symbol == "ə"


def test_the_tier_of_phones_is_found_by_its_name_or_by_being_alone() -> None:
    assert textgrid.read(LONG.replace('"phones"', '"19 - phones"')) == SAID
    lone = SHORT.replace('"IntervalTier"\n"words"\n0\n1\n1\n0\n1\n"he said ""hi"" ! 3 <exists>"\n', "")
    assert textgrid.read(lone.replace("\n3\n", "\n2\n", 1).replace('"phones"', '"MAU"')) == SAID
    with pytest.raises(ValueError, match=r"no tier of phones.*'words', 'segments'"):
        textgrid.read(LONG.replace('"phones"', '"segments"'))
    with pytest.raises(ValueError, match=r"no interval tier 'clicks'; its interval tiers: 'words', 'phones'"):
        textgrid.read(LONG, "clicks")


@pytest.mark.parametrize("text", [LONG, SHORT])
def test_a_truncated_textgrid_is_refused(text: str) -> None:
    for n in range(1, len(text.splitlines()) - 1):
        with pytest.raises(ValueError, match=r"truncated|expected"):
            textgrid.read("\n".join(text.splitlines()[:n]))


def test_timits_phn_counts_samples_and_one_with_points_seconds(tmp_path: Path) -> None:
    said = [Segment(0.0, 0.25, "h#"), Segment(0.25, 0.4, "hh"), Segment(0.4, 0.55, "ay"), Segment(0.55, 1.0, "h#")]
    assert read(tmp_path / "A.PHN", "0 4000 h#\n4000 6400 hh\n6400 8800 ay\n8800 16000 h#\n") == said
    assert read(tmp_path / "b.phn", "0 2000 h#\n2000 3200 hh\n3200 4400 ay\n4400 8000 h#\n", rate=8000) == said
    assert read(tmp_path / "c.phn", "0.0 0.25 h#\n0.25 0.4 hh\n\n0.40 0.55 ay\n0.55 1 h#\n") == said


def test_lab_of_htk_of_hts_and_of_festival(tmp_path: Path) -> None:
    said = [Segment(0.0, 0.25, "pau"), Segment(0.25, 0.4, "hh"), Segment(0.4, 1.0, "ay")]
    assert read(tmp_path / "htk.lab", "0 2500000 pau\n2500000 4000000 hh -31.5\n4000000 10000000 ay\n") == said
    full = "0 2500000 x^x-pau+hh=ay@1/A:0\n2500000 4000000 x^pau-hh+ay=x@2\n4000000 10000000 pau^hh-ay+x=x@1_2\n"
    assert read(tmp_path / "hts.lab", full) == said
    header = "separator ;\nnfields 1\n#\n"
    assert read(tmp_path / "f.lab", header + "    0.25000 26 pau ;\n    0.4 26 hh\n 1.0 26 ay\n") == said
    assert read(tmp_path / "s.lab", "0.0\t0.25\tpau\n0.25\t0.4\thh\n0.4\t1.0\tay\n") == said


CTM = """;; made by hand
19-198-0000 1 0.00 0.25 SIL
19-198-0000 1 0.25 0.15 HH_B 0.98
19-198-0001 A 0.10 0.30 AH0_S
19-198-0001 A 0.00 0.10 SIL
"""


def test_a_ctm_gives_each_utterance_its_lines(tmp_path: Path) -> None:
    (tmp_path / "all.ctm").write_text(CTM)
    for found in (index.find(tmp_path), index.find(tmp_path / "all.ctm")):
        first, second = (found.of(Path(f"19/198/19-198-000{i}.flac"))[0] for i in range(2))
        assert index.read(first, rate=1) == [Segment(0.0, 0.25, "SIL"), Segment(0.25, 0.4, "HH_B")]
        assert index.read(second, rate=1) == [Segment(0.0, 0.1, "SIL"), Segment(0.1, 0.4, "AH0_S")]
        assert found.of(Path("19-198-0002.flac")) == []
    (tmp_path / "bad.ctm").write_text(CTM.replace("19-198-0001 A 0.00", "19-198-0000 A 0.00"))
    with pytest.raises(ValueError, match="line 5: 19-198-0000 again"):
        ctm.ranges(tmp_path / "bad.ctm")


def test_an_alignment_is_found_at_the_same_place_else_by_its_name(tmp_path: Path) -> None:
    for place in ("a/x.phn", "b/x.phn", "c/Y.PHN"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("0 1 h#\n")
    found = index.find(tmp_path)
    assert found.of(Path("b/X.wav")) == [AlignmentFile(tmp_path / "b/x.phn")]
    assert found.of(Path("elsewhere/y.wav")) == [AlignmentFile(tmp_path / "c/Y.PHN")]
    assert len(found.of(Path("elsewhere/x.wav"))) == 2
    (tmp_path / "c/Y.PHN").unlink()
    with pytest.raises(ValueError, match="no alignment in it"):
        index.find(tmp_path / "c")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0 100 h#\n100 hh\n", "line 2: '100 hh' is not 'START END SYMBOL'"),
        ("0 100 h#\n100 2oo hh\n", "line 2: '2oo' is not a time"),
        ("", "no segment in it"),
        ("0 100 h#\n200 100 hh\n", "'hh' at 0.0125 s ends before that, at 0.00625 s"),
        ("0 1600 h#\n1000 3200 hh\n", "'hh' starts at 0.0625 s, before 'h#' ends at 0.1 s"),
        ("-5 1600 h#\n", "'h#' starts at -0.0003125 s, before the recording"),
    ],
)
def test_what_is_no_alignment_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        read(tmp_path / "a.phn", text)
    assert str(refusal.value) == told


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.lab").write_bytes("0 1 ä\n".encode("latin-1"))
    with pytest.raises(ValueError, match="neither UTF-8 nor UTF-16"):
        index.read(AlignmentFile(tmp_path / "a.lab"), rate=1)


def test_a_frame_has_the_segment_that_holds_its_centre() -> None:
    rng = np.random.default_rng(0)
    ends = np.sort(rng.choice(160 * np.arange(1, 200) + 200, 40, replace=False)) / 16000  # on centres: the hard case
    segments = [Segment(a, b, str(i)) for i, (a, b) in enumerate(zip([0.05, *ends], ends, strict=False)) if i % 7]
    check(segments)
    times = (160 * np.arange(210) + 200) / 16000
    slow = [next((i for i, s in enumerate(segments) if s.start <= t < s.end), -1) for t in times]
    assert index.covering(segments, times).tolist() == slow
    assert -1 in slow


def test_columns_name_the_line_of_festival() -> None:
    with pytest.raises(ValueError, match=r"line 3: '0\.4 26' is not 'END COLOUR SYMBOL'"):
        columns.read_lab("#\n0.2 26 pau\n0.4 26\n")
