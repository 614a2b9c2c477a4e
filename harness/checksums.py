"""Checksums of what is written and read again: a bit that was flipped, and a file that was cut short, are seen.

A JSON text carries its own checksum as its last key; of other files it is kept beside their facts. Files of earlier
versions, which have none, are read as they are.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from harness.errors import Damaged

_SEAL = re.compile(r'(?P<body>.*), "(?P<name>[^"]{8})": "(?P<checksum>.{64})"\}\s*', re.DOTALL)


def of_file(path: Path) -> str:
    """The checksum of a file's content, SHA-256 in hexadecimal.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "weights"
        >>> _ = file.write_bytes(b"abc")
        >>> of_file(file)[:8]
        'ba7816bf'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, checksum: str | None) -> None:
    """Refuse a file whose content is another one than when it was written.

    Args:
        checksum: as `of_file` gave it; None of a file of an earlier version, which is not compared.

    Raises:
        Damaged: it is missing, or was changed.
    """
    try:
        if checksum is not None and of_file(path) != checksum:
            raise Damaged(path, "its checksum is not that of what was written")
    except OSError as error:
        raise Damaged(path, error.strerror or str(error)) from None


def seal(facts: dict[str, Any], indent: int | None = None) -> str:
    """JSON text of an object with its checksum.

    Example:
        >>> seal({"a": 1})[:22]
        '{"a": 1, "checksum": "'
    """
    body = json.dumps(facts, indent=indent)[:-1].rstrip()
    return f'{body}, "checksum": "{hashlib.sha256(body.encode()).hexdigest()}"}}'


def unseal(path: Path) -> dict[str, Any]:
    """The object in a JSON file, without its checksum.

    Raises:
        FileNotFoundError: it is not there.
        Damaged: it is no JSON object, or not what was written.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "facts.json"
        >>> _ = file.write_text(seal({"a": 1}))
        >>> unseal(file)
        {'a': 1}
    """
    try:
        text = path.read_text(encoding="utf-8")
        if sealed := _SEAL.fullmatch(text):
            is_equal = hashlib.sha256(sealed["body"].encode()).hexdigest() == sealed["checksum"]
            if is_equal != (sealed["name"] == "checksum"):
                raise Damaged(path, "its checksum is not that of what was written")
            text = sealed["body"] + "}" if is_equal else text
        facts = json.loads(text)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(path, f"not readable as JSON: {error}") from None
    if not isinstance(facts, dict):
        raise Damaged(path, "no JSON object")
    return facts
