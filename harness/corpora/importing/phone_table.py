"""Tables from an alignment's symbols to classes, which are data: `phonesets/*.tsv`, or a file of one's own.

A table names its `classes:` and perhaps the `endings:` that symbols may drop (stress, place in the word). A row is a
symbol, its class and perhaps when: `before SYMBOL ...` (the next symbol is one of these) or `spelled LETTER` (the word
has this letter at this place). The first row of a symbol that holds counts; the class `=next` is that of the symbol
after it; the symbol `""` is an empty one. Symbols are compared without regard to case.

Which letter of its word a phone stands for (TIMIT's flap dx is the T of "water" and the D of "ready") is told by
aligning phones and letters with the fewest differences (Needleman and Wunsch 1970): a vowel goes with any vowel letter,
a consonant with the letter its symbol begins with. So the flap of "credited" before its last vowel is a T.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.corpora import text
from harness.corpora.alignments.index import Segment
from harness.errors import UserError
from harness.phones import MOST_CLASSES

_FOLDER = Path(__file__).with_name("phonesets")
_VOWELS = "aeiouy"


def letter_at(segments: Sequence[Segment], i: int, words: Sequence[Segment], among: str) -> str:
    """The letter of segment i, one of `among`; "" if no word there has any of them."""
    here = segments[i]
    for word in words:
        letters = word.symbol.lower()
        if word.start < here.end and here.start < word.end and set(letters) & set(among):
            inside = [n for n, s in enumerate(segments) if s.start < word.end and word.start < s.end]
            return _align(letters, tuple(segments[n].symbol.lower() for n in inside), inside.index(i), among)
    return ""


@lru_cache(maxsize=4096)
def _align(letters: str, phones: tuple[str, ...], at: int, among: str) -> str:
    # best[p][n]: cost of the first p phones with the first n letters, and the letter that phone `at` got on the way
    best = [[(float(n), "") for n in range(len(letters) + 1)]]
    for p, phone in enumerate(phones, start=1):
        row = [(best[-1][0][0] + (9.0 if p - 1 == at else 1.0), "")]
        for n, letter in enumerate(letters, start=1):
            is_here = p - 1 == at
            fits = letter in among if is_here else _fits(phone, letter)
            together = (best[-1][n - 1][0] + (0.0 if fits else 1.5), letter if is_here else best[-1][n - 1][1])
            if is_here and not fits:
                together = (together[0] + 9.0, "")
            without_letter = (best[-1][n][0] + (9.0 if is_here else 1.0), "" if is_here else best[-1][n][1])
            without_phone = (row[-1][0] + 1.0, row[-1][1])
            row.append(min(together, without_letter, without_phone, key=lambda way: way[0]))
        best.append(row)
    return best[-1][-1][1]


def _fits(phone: str, letter: str) -> bool:
    return letter in _VOWELS if phone[0] in _VOWELS[:5] else letter == phone[0]


@dataclass(frozen=True)
class Rule:
    """A row of a table."""

    phoneme: str
    before: frozenset[str] = frozenset()
    spelled: str = ""

    def holds(self, segments: Sequence[Segment], i: int, words: Sequence[Segment]) -> bool:
        if self.before:
            return i + 1 < len(segments) and segments[i + 1].symbol.lower() in self.before
        return not self.spelled or letter_at(segments, i, words, "dt") == self.spelled


@dataclass(frozen=True)
class PhoneTable:
    """Symbols and their classes."""

    name: str
    classes: tuple[str, ...]
    """[SIL] first."""
    rules: Mapping[str, tuple[Rule, ...]]
    endings: tuple[str, ...] = ()

    @property
    def needs_words(self) -> bool:
        """Whether a class depends on the word."""
        return any(rule.spelled for rules in self.rules.values() for rule in rules)

    def as_json(self) -> dict[str, Any]:
        rules = {symbol: [[r.phoneme, sorted(r.before), r.spelled] for r in rs] for symbol, rs in self.rules.items()}
        return {"name": self.name, "classes": self.classes, "endings": self.endings, "rules": rules}

    def labels(self, segments: Sequence[Segment], words: Sequence[Segment] = ()) -> list[int]:
        """Classes (S,) of segments.

        Args:
            words: the words of the utterance, where the table needs them.

        Raises:
            ValueError: unknown symbols, each with its first time.
        """
        phonemes = [self._class(segments, i, words) for i in range(len(segments))]
        unknown: dict[str, list[Segment]] = {}
        for segment, phoneme in zip(segments, phonemes, strict=True):
            if phoneme is None:
                unknown.setdefault(segment.symbol, []).append(segment)
        if unknown:
            lines = [f"{symbol!r} at {at[0].start:.3f} s{_also(len(at) - 1)}" for symbol, at in unknown.items()]
            raise ValueError(f"unknown to the phone set {self.name} (--phones, --map): {', '.join(lines)}")
        index = {phoneme: i for i, phoneme in enumerate(self.classes)}
        return [index[phoneme] for phoneme in phonemes if phoneme is not None]

    def extended(self, classes: Mapping[str, str]) -> "PhoneTable":
        """The table with symbols of the user's own, {symbol: class}.

        Raises:
            UserError: a class that is not one of the table's.
        """
        wrong = [f"{s}={c}: no class {c!r}; the classes: {' '.join(self.classes)}" for s, c in classes.items()
                 if c not in self.classes]  # fmt: skip
        if wrong:
            raise UserError("\n".join(wrong))
        return replace(self, rules={**self.rules, **{s.lower(): (Rule(c),) for s, c in classes.items()}})

    def _class(self, segments: Sequence[Segment], i: int, words: Sequence[Segment]) -> str | None:
        for rule in self._rules_of(segments[i].symbol):
            if rule.holds(segments, i, words):
                return self._class(segments, i + 1, words) if rule.phoneme == "=next" else rule.phoneme
        return None

    def _rules_of(self, symbol: str) -> tuple[Rule, ...]:
        spellings = (spelling for spelling in self._spellings(symbol.lower()) if spelling in self.rules)
        return next((self.rules[spelling] for spelling in spellings), ())

    def _spellings(self, symbol: str) -> Iterator[str]:
        """The symbol, and without one or two of its endings: AH0_B, AH0, AH."""
        yield symbol
        for ending in self.endings:
            if symbol.endswith(ending):
                stem = symbol.removesuffix(ending)
                yield from (stem, *(stem.removesuffix(second) for second in self.endings))


def names() -> list[str]:
    """The tables that come with the project."""
    return sorted(path.stem for path in _FOLDER.glob("*.tsv"))


def load(name: str) -> PhoneTable:
    """A table by its name, or of one's own by its path.

    Raises:
        UserError: there is no such table, or lines of it that are something else.
    """
    path = _FOLDER / f"{name}.tsv"
    if name not in names():
        path = Path(name).expanduser()
        if not path.is_file():
            raise UserError(f"phone set {name!r}: there are {', '.join(names())}, or a file of your own (.tsv)")
    return _parse(path)


def _parse(path: Path) -> PhoneTable:
    heads: dict[str, list[str]] = {"classes": [], "endings": []}
    rules: dict[str, tuple[Rule, ...]] = {}
    wrong = []
    try:
        lines = text.read(path).splitlines()
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    for number, line in enumerate(lines, start=1):
        head, colon, rest = line.partition(":")
        if not line.strip() or line.startswith("# "):
            continue
        if colon and head in heads:
            heads[head] = rest.split()
            continue
        try:
            symbol, rule = _row(line, heads["classes"])
        except ValueError as error:
            wrong.append(f"{path}:{number}: {error}")
            continue
        rules[symbol] = (*rules.get(symbol, ()), rule)
    if not wrong and not 2 <= len(set(heads["classes"])) == len(heads["classes"]) <= MOST_CLASSES:
        wrong = [f"{path}: its line 'classes:' has to name 2 to {MOST_CLASSES} distinct classes, above the rows"]
    if wrong:
        raise UserError("\n".join(wrong))
    return PhoneTable(path.stem, tuple(heads["classes"]), rules, tuple(e.lower() for e in heads["endings"]))


def _row(line: str, classes: Sequence[str]) -> tuple[str, Rule]:
    symbol, phoneme, when, *_ = [*line.split(None, 2), "", "", ""]
    if phoneme not in (*classes, "=next"):
        raise ValueError(f"{phoneme!r} is no class of the table; they are {' '.join(classes)}")
    kind, *of = when.split() or [""]
    if kind not in ("", "before", "spelled") or bool(kind) != bool(of):
        raise ValueError(f"{when!r}: nothing, 'before SYMBOL ...' or 'spelled LETTER' is allowed")
    if phoneme == "=next" and kind != "before":
        raise ValueError("'=next' needs 'before SYMBOL ...'")
    spelled = of[0] if kind == "spelled" else ""
    before = frozenset(name.lower() for name in of) if kind == "before" else frozenset()
    return symbol.lower().replace('""', ""), Rule(phoneme, before, spelled)


def _also(n: int) -> str:
    return f" ({n} more)" if n else ""
