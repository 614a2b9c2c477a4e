"""The source of an architecture: its file and what it imports of this folder, and a digest of what they do.

The digest is of the syntax tree, without docstrings; comments and layout are not in it. It is the same on every
version of Python that reads the file alike. Texts are those that this process read first: what is edited later is not
what it runs.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib
from pathlib import Path

_OF_ALL = {"__init__", "_registry", "_sources"}  # how architectures are found, not what they compute

_texts: dict[str, str] = {}


def sources(name: str) -> dict[str, str]:
    """File name -> text, of the file of an architecture and of those of this folder that it imports, in turn.

    Raises:
        OSError: there is no such file; SyntaxError, UnicodeDecodeError: it is no Python.

    Example:
        >>> list(sources("linear"))
        ['_initialisation.py', '_layers.py', 'linear.py']
    """
    found, left = {}, [name]
    while left:
        stem = left.pop()
        if stem in found or stem in _OF_ALL:
            continue
        found[stem] = _text(stem)
        left += [own for own in _imported(found[stem]) if file_of(own).exists()]
    return {f"{stem}.py": found[stem] for stem in sorted(found)}


def digest(name: str) -> str:
    """The digest of the sources of an architecture, 16 hexadecimal digits.

    Raises:
        OSError, SyntaxError, UnicodeDecodeError: as `sources`.

    Example:
        >>> digest("linear") == digest("linear") != digest("ffdnn")
        True
    """
    return digest_of(tuple(sources(name).items()))


@functools.cache
def digest_of(texts: tuple[tuple[str, str], ...]) -> str:
    """The digest of (file name, text) pairs.

    Example:
        >>> one = "def f(x):\\n    'Adds one.'\\n    return x+1\\n"
        >>> other = "def f(x):\\n    return (x + 1)  # one more\\n"
        >>> digest_of((("f.py", one),)) == digest_of((("f.py", other),))
        True
        >>> digest_of((("f.py", one),)) == digest_of((("f.py", other.replace("1", "2")),))
        False
    """
    trees = {file: _plain(ast.parse(text)) for file, text in texts}
    return hashlib.sha256(repr(trees).encode()).hexdigest()[:16]


def forget(name: str) -> None:
    """Read the file of an architecture again when it is asked for next.

    Example:
        >>> forget("an architecture that was never read")
    """
    _texts.pop(name, None)


def read_all() -> None:
    """Read every file that was not read yet, as this process is importing them; what cannot be read is left.

    Example:
        >>> read_all()
    """
    for folder in folders():
        for path in folder.glob("*.py"):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                _text(path.stem)


def folders() -> list[Path]:
    """This folder, and those of users that are looked in.

    Example:
        >>> (folders()[0] / "ffdnn.py").exists()
        True
    """
    return [Path(folder) for folder in importlib.import_module(__package__).__path__]


def file_of(stem: str) -> Path:
    """The file of a module, in the first folder that has one; where it would be in this folder if none has.

    Example:
        >>> file_of("ffdnn").name
        'ffdnn.py'
    """
    places = [folder / f"{stem}.py" for folder in folders()]
    return next((place for place in places if place.exists()), places[0])


def has_changed(path: Path) -> bool:
    """Whether a file is no longer what this process has read; False of one that was never read.

    Example:
        >>> has_changed(file_of("ffdnn"))
        False
    """
    return path.stem in _texts and path.read_text(encoding="utf-8", errors="replace") != _texts[path.stem]


def _text(stem: str) -> str:
    if stem not in _texts:
        _texts[stem] = file_of(stem).read_text(encoding="utf-8")
    return _texts[stem]


@functools.cache
def _imported(text: str) -> list[str]:
    """The modules of this folder that a source imports."""
    names = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            package = f"{__package__}.{module}".rstrip(".") if node.level else module
            names += [package, *(f"{package}.{alias.name}" for alias in node.names)]
    return [name.split(".")[1] for name in names if name.startswith(f"{__package__}.")]


def _plain(node: object) -> object:
    """A syntax tree as nested tuples: no places, docstrings, or fields that are empty."""
    if isinstance(node, list):
        return [_plain(own) for own in node]
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    body = fields.get("body")
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
        first = body[0]
        is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        if is_text and isinstance(first.value.value, str):
            fields["body"] = body[1:]
    skipped = {"kind", "type_comment", "ctx"}
    rows = [(key, _plain(value)) for key, value in fields.items() if key not in skipped]
    return (type(node).__name__, [(key, value) for key, value in rows if value not in (None, [])])
