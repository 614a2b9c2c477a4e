"""Symbols to classes: the tables that come with the project, one's own, and what no table knows."""

from pathlib import Path

import pytest

from harness.corpora.alignments.index import Segment
from harness.corpora.importing import phone_table
from harness.errors import UserError
from harness.phones import PHONEMES

TIMIT = """
iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr ax-h jh ch b d g p t k dx s sh z zh f th v dh m n ng em
en eng nx l r w y hh hv el bcl dcl gcl pcl tcl kcl q pau epi h#
""".split()  # noqa: SIM905


def classes(table: str, symbols: str, word: str = "") -> str:
    """Symbols of 0.1 s each -> their classes."""
    found = phone_table.load(table)
    segments = [Segment(0.1 * i, 0.1 * (i + 1), symbol) for i, symbol in enumerate(symbols.split())]
    words = [Segment(0.0, segments[-1].end, word)] if word else []
    return " ".join(found.classes[i] for i in found.labels(segments, words))


def test_the_tables_know_all_of_timits_phones_and_give_every_class() -> None:
    assert len(set(TIMIT)) == 61
    for name, n in (("timit-40", 40), ("timit-39", 39)):
        table = phone_table.load(name)
        assert len(table.classes) == n
        assert set(table.rules) == set(TIMIT)
        assert {rule.phoneme for rules in table.rules.values() for rule in rules} - {"=next"} == set(table.classes)
    assert phone_table.load("timit-40").classes == phone_table.load("arpabet").classes == PHONEMES


def test_the_39_are_those_of_lee_and_hon() -> None:
    """Their foldings, besides which every phone is itself."""
    folded = "ao>aa ax>ah ax-h>ah axr>er hv>hh ix>ih el>l em>m en>n nx>n eng>ng zh>sh ux>uw".split()  # noqa: SIM905
    silent = "bcl dcl gcl pcl tcl kcl q pau epi h#".split()  # noqa: SIM905
    wanted = dict.fromkeys(silent, "[SIL]") | {a: b.upper() for a, _, b in (f.partition(">") for f in folded)}
    for phone in TIMIT:
        assert classes("timit-39", phone) == wanted.get(phone, phone.upper())


def test_closures_go_with_what_follows_them() -> None:
    assert classes("timit-40", "tcl t iy") == "T T IY"
    assert classes("timit-40", "tcl ch iy dcl jh iy") == "CH CH IY JH JH IY"
    assert classes("timit-40", "dcl ch tcl jh kcl t pcl h# tcl") == "D CH T JH K T P [SIL] T"


def test_a_glottal_stop_is_the_vowel_after_it_or_a_t() -> None:
    assert classes("timit-40", "q ae q axr q en tcl q w q") == "AE AE ER ER T N T T W T"


@pytest.mark.parametrize(
    ("word", "phones", "flap"),
    [
        ("water", "w ao dx axr", "T"),
        ("ready", "r eh dx iy", "D"),
        ("today's", "tcl t ix dx ey z", "D"),
        ("data", "dcl d ey dx ix", "T"),
        ("exhibited", "ix gcl z ih bcl b ix dx ih dcl d", "T"),
        ("unappreciated", "ah n ax pcl p r iy sh iy ey dx ix dcl d", "T"),
        ("credited", "kcl k r eh dx ix tcl t ix dcl d", "D"),
        ("straightforward", "s tcl t r ey tcl t f ao r w axr dx", "D"),
        ("meditated", "m eh dx ix tcl t ey dx ix dcl d", "D T"),
        ("wow", "w aw dx", "T"),
    ],
)
def test_a_flap_is_the_letter_that_stands_there_in_the_word(word: str, phones: str, flap: str) -> None:
    given = zip(phones.split(), classes("timit-40", phones, word).split(), strict=True)
    assert " ".join(phoneme for phone, phoneme in given if phone == "dx") == flap


def test_arpabet_drops_stress_and_place_and_knows_silence() -> None:
    assert classes("arpabet", "SIL HH AH0 L OW1 sp ax0 AO2_B t_E N_S SIL_S [SIL] h#") == (
        "[SIL] HH AH L OW [SIL] AH AO T N [SIL] [SIL] [SIL]"
    )
    table = phone_table.load("arpabet")
    assert table.labels([Segment(0, 1, "")]) == [0]


def test_unknown_symbols_are_refused_with_their_time() -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011
        classes("arpabet", "sil spn AH0 spn AH3")
    assert (
        str(told.value)
        == "unknown to the phone set arpabet (--phones, --map): 'spn' at 0.100 s (1 more), 'AH3' at 0.400 s"
    )


def test_symbols_of_ones_own() -> None:
    table = phone_table.load("arpabet").extended({"spn": "[SIL]", "DX": "T"})
    assert [table.classes[i] for i in table.labels([Segment(0, 1, "SPN"), Segment(1, 2, "dx")])] == ["[SIL]", "T"]
    with pytest.raises(UserError, match=r"spn=\[NSN\]: no class '\[NSN\]'; the classes: \[SIL\] AA AE"):
        phone_table.load("arpabet").extended({"spn": "[NSN]"})


def test_a_table_of_ones_own_and_all_that_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text('# a comment\nclasses: [SIL] a b\nendings: :\n""\t[SIL]\nA\ta\nx\t=next\tbefore a b\nx\tb\n')
    assert classes(str(path), "a: x a x") == "a a a b"
    path.write_text("classes: [SIL] a\na\tc\nb\ta\tafter x\nq\t=next\n")
    with pytest.raises(UserError) as told:
        phone_table.load(str(path))
    assert [line.split(":")[1] for line in str(told.value).splitlines()] == ["2", "3", "4"]
    with pytest.raises(UserError, match="'timit': there are arpabet, timit-39, timit-40, or a file of your own"):
        phone_table.load("timit")
