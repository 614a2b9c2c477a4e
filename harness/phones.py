"""The classes of a frame: silence and the 39 ARPAbet phonemes of CMUdict, in the order of HW1P2."""

SILENCE = "[SIL]"

PHONEMES: tuple[str, ...] = (
    SILENCE, "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY",
    "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
"""The 40 classes; the index is the label."""

MOST_CLASSES = 255
"""Of any corpus: labels are uint8."""

_MEMBERS = {
    "silence": (SILENCE,),
    "vowel": ("AA", "AE", "AH", "AO", "EH", "ER", "IH", "IY", "UH", "UW"),
    "diphthong": ("AW", "AY", "EY", "OW", "OY"),
    "plosive": ("B", "D", "G", "K", "P", "T"),
    "fricative": ("DH", "F", "HH", "S", "SH", "TH", "V", "Z", "ZH"),
    "affricate": ("CH", "JH"),
    "nasal": ("M", "N", "NG"),
    "liquid/glide": ("L", "R", "W", "Y"),
}

BROAD: dict[str, str] = {phoneme: broad for broad, members in _MEMBERS.items() for phoneme in members}
"""Phoneme to broad class."""
