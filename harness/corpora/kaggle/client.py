"""Kaggle's own client, held so that nothing it says or raises shows a credential. The only importer of kaggle.

It finds credentials by itself, where Kaggle's users keep them; we hand it none. It prints, may exit, and logs requests
with their headers when told to be verbose: all of that is caught here, and what is passed on is scrubbed.
"""

import contextlib
import io
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import RunFailed, UserError
from harness.files import Report

_PAGE = 200  # files; the most that Kaggle lists at once
_LONGEST_SECRET = 100_000  # bytes of a file
_RETRIES = 5  # for a page of them: some ten seconds
_SECONDS = 0.5  # between two looks at how much has come
_SITE = "https://www.kaggle.com"


def connect(competition: str) -> Any:
    """The client, signed in.

    Raises:
        UserError: it is not installed, or has no credentials.
        RunFailed: Kaggle cannot be reached.
    """
    with _guarded(competition):
        try:
            from kaggle import api
        except ImportError:
            raise UserError(
                f"Kaggle's client is not installed: pip install 'harness[kaggle]', or pip install kaggle\n"
                f"{by_hand(competition)}"
            ) from None
        try:
            api.authenticate()
        except SystemExit:
            raise UserError(
                f"Kaggle's client has no credentials that are valid: make a token at {_SITE}/settings (API) and "
                "put it where the client looks:\n"
                "  the new kind of token in ~/.kaggle/access_token, or in the variable KAGGLE_API_TOKEN\n"
                "  the file kaggle.json in ~/.kaggle/, or its two values in KAGGLE_USERNAME and KAGGLE_KEY\n"
                f"{by_hand(competition)}"
            ) from None
        return api


def by_hand(competition: str) -> str:
    """Instructions for doing without the client."""
    return (
        f"or download it by hand: {_SITE}/competitions/{competition}/data (Download All), then\n"
        f"  harness data import kaggle {competition} --zip {competition}.zip"
    )


def n_bytes(api: Any, competition: str, progress: Report) -> int:
    """Bytes of all files of a competition, unpacked.

    Raises:
        UserError, RunFailed: as `download`.
    """
    token: str | None = None
    total = n_files = 0
    list_files = api.with_retry(api.competition_list_files, max_retries=_RETRIES)
    while True:
        with _guarded(competition):
            page = list_files(competition, page_token=token, page_size=_PAGE)
            total += sum(int(file.total_bytes) for file in page.files)
            n_files += len(page.files)
            token = page.next_page_token
        progress("listing its files", n_files, n_files + (_PAGE if token else 0))
        if not token:
            return total


def download(api: Any, competition: str, folder: Path, expected: int, progress: Report) -> Path:
    """Download all files of a competition as one archive; what is there of it already is kept.

    Args:
        folder: for the archive alone.
        expected: bytes, about; for the progress.

    Raises:
        UserError: Kaggle refuses.
        RunFailed: the connection broke for good, or the disk is full; a later call goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _watched(folder, expected, progress), _guarded(competition):
        api.competition_download_files(competition, path=str(folder), quiet=True)
    archives = _archives(folder)
    if len(archives) != 1:
        raise RunFailed(f"Kaggle's client left {len(archives)} archives in {folder}; 1 was expected")
    return archives[0]


def _archives(folder: Path) -> list[Path]:
    return [file for file in folder.glob("*") if file.is_file() and not file.name.endswith(".kaggle-partial")]


@contextlib.contextmanager
def _watched(folder: Path, expected: int, progress: Report) -> Iterator[None]:
    """Tell the progress of a download by how much of it lies there."""
    over = threading.Event()

    def look() -> None:
        there = sum(file.stat().st_size for file in _archives(folder))
        progress("downloading", min(there, max(expected, 1) - 1), max(expected, 1))

    def keep_looking() -> None:
        while not over.wait(_SECONDS):
            look()

    look()
    watcher = threading.Thread(target=keep_looking, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@contextlib.contextmanager
def _guarded(competition: str) -> Iterator[None]:
    """A context in which nothing that the client prints is seen, and what it raises becomes ours, scrubbed."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    except (UserError, RunFailed):
        raise
    except (Exception, SystemExit) as error:
        raise _as_ours(error, competition) from None


def _as_ours(error: BaseException, competition: str) -> UserError | RunFailed:
    words = scrubbed(f"{type(error).__name__}: {error}")
    status = getattr(getattr(error, "response", None), "status_code", None)
    page = f"{_SITE}/competitions/{competition}"
    match status:
        case 401:
            return UserError(f"Kaggle does not accept the credentials ({words}); make a new token at {_SITE}/settings")
        case 403:
            return UserError(
                f"Kaggle refuses {competition} ({words}); join it and accept its rules first: {page}/rules"
            )
        case 404:
            return UserError(f"Kaggle has no competition {competition!r} ({words}); its name ends its address: {page}")
    return RunFailed(f"Kaggle's client: {words}; the same command resumes the download\n{by_hand(competition)}")


def scrubbed(text: str) -> str:
    """The text without credentials, authorisation headers, and the signed part of addresses."""
    text = re.sub(r"\b(Basic|Bearer)\s+[^\s'\"]+", r"\1 ***", text)
    text = re.sub(r"\?[^\s'\")]+", "?***", text)
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _secrets() -> set[str]:
    """Words that lie where Kaggle's client looks for credentials, and are long or called a key."""
    values = [value for name, value in os.environ.items() if re.fullmatch(r"KAGGLE_\w*(KEY|TOKEN)", name) and value]
    own, configuration = Path.home() / ".kaggle", os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    places = [own, Path(configuration) / "kaggle", *map(Path, filter(None, [os.environ.get("KAGGLE_CONFIG_DIR")]))]
    secrets = set(values)
    for file in [*(file for place in places for file in place.glob("*")), *map(Path, values)]:
        with contextlib.suppress(OSError):  # a token that is no path may be too long for one
            if file.is_file() and file.stat().st_size < _LONGEST_SECRET:
                text = file.read_text(errors="replace")
                secrets |= {text.strip(), *re.findall(r"[^\s\"',:{}]{16,}", text)}
                secrets |= set(re.findall(r'"key"\s*:\s*"([^"]+)"', text))
    return secrets - {""}
