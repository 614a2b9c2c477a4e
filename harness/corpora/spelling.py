"""Which letter of its word a phone stands for: TIMIT's flap dx is the T of "water" and the D of "ready".

Phones and letters are aligned with the fewest differences (Needleman and Wunsch 1970): a vowel goes with any vowel
letter, a consonant with the letter its symbol begins with. So the flap of "credited" before its last vowel is a T.
"""

from collections.abc import Sequence
from functools import lru_cache

from harness.corpora.alignments import Segment

_VOWELS = "aeiouy"


def letter_at(segments: Sequence[Segment], i: int, words: Sequence[Segment], among: str) -> str:
    """The letter of segment i, one of `among`; "" if no word there has any of them."""
    here = segments[i]
    for word in words:
        letters = word.symbol.lower()
        if word.start < here.end and here.start < word.end and set(letters) & set(among):
            inside = [n for n, s in enumerate(segments) if s.start < word.end and word.start < s.end]
            return _aligned(letters, tuple(segments[n].symbol.lower() for n in inside), inside.index(i), among)
    return ""


@lru_cache(maxsize=4096)
def _aligned(letters: str, phones: tuple[str, ...], at: int, among: str) -> str:
    # best[p][n]: cost of the first p phones with the first n letters, and the letter that phone `at` got on the way
    best = [[(float(n), "") for n in range(len(letters) + 1)]]
    for p, phone in enumerate(phones, start=1):
        row = [(best[-1][0][0] + (9.0 if p - 1 == at else 1.0), "")]
        for n, letter in enumerate(letters, start=1):
            is_asked = p - 1 == at
            fits = letter in among if is_asked else _fits(phone, letter)
            together = (best[-1][n - 1][0] + (0.0 if fits else 1.5), letter if is_asked else best[-1][n - 1][1])
            if is_asked and not fits:
                together = (together[0] + 9.0, "")
            without_letter = (best[-1][n][0] + (9.0 if is_asked else 1.0), "" if is_asked else best[-1][n][1])
            without_phone = (row[-1][0] + 1.0, row[-1][1])
            row.append(min(together, without_letter, without_phone, key=lambda way: way[0]))
        best.append(row)
    return best[-1][-1][1]


def _fits(phone: str, letter: str) -> bool:
    return letter in _VOWELS if phone[0] in _VOWELS[:5] else letter == phone[0]
