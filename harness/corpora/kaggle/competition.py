"""The data of a Kaggle competition (HW1P2 of CMU 11-785, of any year) as a corpus: download, unpack, check."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.corpora import check, destination, layout
from harness.corpora.kaggle import archive, client
from harness.errors import UserError
from harness.files import Report, put_in_place


@dataclass(frozen=True)
class Imported:
    """A corpus that is there now."""

    root: Path
    labelled: tuple[str, ...]
    """Splits with transcripts."""
    unlabelled: tuple[str, ...]
    refused: list[str]
    """Refusals, as `harness data check` has them; empty if all is sound."""
    fine: str
    """The content, in words."""


def name_of(text: str) -> str:
    """A competition's name, from itself or from its address.

    Raises:
        UserError: it is neither.
    """
    name = re.sub(r"^(https?://)?(www\.)?kaggle\.com/(competitions|c)/", "", text).split("/")[0].split("?")[0]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise UserError(
            f"{text!r} is no competition of Kaggle; one is named like 11785-hw1p2-f23, the end of its address"
        )
    return name


def from_kaggle(competition: str, root: Path, progress: Report) -> Imported:
    """A corpus from Kaggle's client. What an earlier call left is used; `root` appears when it is whole.

    Raises:
        UserError: no client or credentials, Kaggle refuses, no room, or there is no corpus in it.
        RunFailed: the download broke off.
    """
    destination.check_absent(root)
    api = client.connect(competition)
    with destination.reserve(root):
        n_bytes = client.n_bytes(api, competition, progress)
        downloads = root.with_name(f"{root.name}.download")
        n_there = destination.n_bytes(downloads) + destination.n_bytes(_unfinished(root))
        # The archive is hardly smaller than what is in it: MFCC do not compress.
        destination.check_room(root, max(2 * n_bytes - n_there, 0), f"{competition} (the archive, and unpacked)")
        zip_file = client.download(api, competition, downloads, n_bytes, progress)
        _unpack(zip_file, root, progress)
        shutil.rmtree(downloads)
    return examine(root, progress)


def from_zip(zip_file: Path, root: Path, progress: Report) -> Imported:
    """A corpus from an archive that was downloaded by hand, which stays.

    Raises:
        UserError: there is no such file, no room, or no corpus in it.
    """
    with destination.reserve(root):
        _unpack(zip_file, root, progress)
    return examine(root, progress)


def examine(root: Path, progress: Report) -> Imported:
    """A corpus that is there, checked.

    Raises:
        UserError: there is none.
    """
    refused, fine = check.check(root, progress)
    splits = layout.splits(root)
    labelled = tuple(split for split in splits if (root / split / "transcript").is_dir())
    return Imported(root, labelled, tuple(split for split in splits if split not in labelled), refused, fine)


def _unpack(zip_file: Path, root: Path, progress: Report) -> None:
    archive.unpack(zip_file, _unfinished(root), progress)
    put_in_place(_unfinished(root), root)


def _unfinished(root: Path) -> Path:
    return root.with_name(f"{root.name}.unfinished")
