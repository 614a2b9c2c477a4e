"""ARPAbet to espeak-ng's mnemonics (American English), and its phoneme events back to ARPAbet.

Labels follow the events, not what the engine was asked to say: it links words (an R between vowels), flaps T, and makes
an N before K an NG.
"""

import numpy as np

from harness.phones import BROAD, PHONEMES, SILENCE

_MNEMONIC = {
    "AA": "A:", "AE": "a", "AH": "V", "AO": "O:", "AW": "aU", "AY": "aI", "B": "b", "CH": "tS", "D": "d", "DH": "D",
    "EH": "E", "ER": "3:", "EY": "eI", "F": "f", "G": "g", "HH": "h", "IH": "I", "IY": "i:", "JH": "dZ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "N", "OW": "oU", "OY": "OI", "P": "p", "R": "r", "S": "s", "SH": "S", "T": "t",
    "TH": "T", "UH": "U", "UW": "u:", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "Z",
}  # fmt: skip
_UNSTRESSED = {"AH": "@", "ER": "3"}
_COLOURED = {"AA": "A@", "AO": "O@", "EH": "e@", "IH": "i@3", "UH": "U@"}
"""A vowel and the R that ends its syllable are one phoneme to the engine."""
_STRESS = {"0": "", "1": "'", "2": ","}

_PHONEME = {mnemonic: phoneme for phoneme, mnemonic in _MNEMONIC.items()} | {
    "@": "AH", "@2": "AH", "3": "ER", "I2": "IH", "I#": "IH", "i": "IY", "aI@": "AY", "aI3": "AY", "r-": "R", "R": "R",
    "t#": "T", "n-": "N", "@L": "L", "_": SILENCE, "_:": SILENCE,
}  # fmt: skip
_SECOND_HALF = {mnemonic: (vowel, "R") for vowel, mnemonic in _COLOURED.items()}
_NO_PHONEME = (";", "?")  # glides and glottal stops between vowels: part of the phoneme before
_VOWELS = frozenset(p for p, broad in BROAD.items() if broad in ("vowel", "diphthong"))
_STOPS = frozenset(p for p, broad in BROAD.items() if broad in ("plosive", "affricate"))


def mnemonics(pronunciation: list[str]) -> str:
    """One word, CMUdict's phonemes with stress digits -> espeak mnemonics: [HH, AH0, L, OW1] -> "h|@|l|'oU"."""
    plain = [phoneme.rstrip("012") for phoneme in pronunciation]
    words = []
    for i, phoneme in enumerate(plain):
        stress = pronunciation[i][len(phoneme) :]
        if phoneme == "R" and _ends_syllable(plain, i) and plain[i - 1] in _COLOURED:
            continue
        if phoneme in _COLOURED and plain[i + 1 : i + 2] == ["R"] and _ends_syllable(plain, i + 1):
            mnemonic = _COLOURED[phoneme]
        else:
            mnemonic = _UNSTRESSED.get(phoneme, _MNEMONIC[phoneme]) if stress == "0" else _MNEMONIC[phoneme]
        words.append(_STRESS.get(stress, "") + mnemonic)
    return "|".join(words)


def _ends_syllable(plain: list[str], i: int) -> bool:
    return i > 0 and plain[i + 1 : i + 2] not in [[vowel] for vowel in _VOWELS]


def label(samples: np.ndarray, events: tuple[tuple[int, str], ...]) -> np.ndarray:
    """Classes (N,) uint8 of (N,) samples, by the phoneme events in them.

    Before the first event is silence. A stop's event comes at its burst; the closure, exact zeros, is the stop's
    too, but not after silence, where nobody can hear it begin. An L or R that no vowel follows has little or no time
    of its own, since it colours the vowel: it gets the second half of what is before it.
    """
    segments = _segments(events, len(samples))
    labels = np.zeros(len(samples), np.uint8)
    for i, (first, last, phoneme) in enumerate(segments):
        before = segments[i - 1] if i else (0, first, SILENCE)
        after = segments[i + 1][2] if i + 1 < len(segments) else SILENCE
        if phoneme in _STOPS and before[2] != SILENCE:
            first = _closure(samples, before[0], first)
        elif phoneme in ("L", "R") and after not in _VOWELS and before[2] in _VOWELS | {"R"}:
            first = (before[0] + before[1]) // 2
        labels[first:last] = PHONEMES.index(phoneme)
    return labels


def _segments(events: tuple[tuple[int, str], ...], n_samples: int) -> list[tuple[int, int, str]]:
    """[(first sample, one past the last, phoneme)] in order; r-coloured vowels as two."""
    names = [(at, name.strip("',%=")) for at, name in events]
    names = [(at, name) for at, name in names if name not in _NO_PHONEME]
    segments: list[tuple[int, int, str]] = []
    for i, (first, name) in enumerate(names):
        last = names[i + 1][0] if i + 1 < len(names) else n_samples
        if name in _SECOND_HALF:
            vowel, second = _SECOND_HALF[name]
            middle = (first + last) // 2
            segments += [(first, middle, vowel), (middle, last, second)]
        else:
            segments.append((first, last, _PHONEME[name]))
    return segments


def _closure(samples: np.ndarray, earliest: int, burst: int) -> int:
    """The first of the zeros that end at `burst`, not before `earliest`."""
    sounding = np.flatnonzero(samples[earliest:burst])
    return earliest + int(sounding[-1]) + 1 if len(sounding) else earliest
