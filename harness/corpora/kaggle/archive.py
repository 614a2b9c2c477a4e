"""A corpus in an archive, or in a folder that was unpacked by hand: the HW1P2 layout, wherever in it it lies."""

import re
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import IO

from harness.corpora import destination, features
from harness.errors import UserError
from harness.files import Report, replacing

_MEMBER = re.compile(r"(?P<above>(?:.*/)?)(?P<split>[^/]+)/(?P<kind>mfcc|transcript)/(?P<name>[^/.][^/]*\.npy)")
_LISTS = ("speakers.csv", "phonemes.txt", features.FILE)
_DEEPEST = 4  # folders above the splits of a folder that was unpacked by hand


def unpack(archive: Path, folder: Path, progress: Report | None = None) -> None:
    """Unpack the corpus of a zip file to `folder/<split>/{mfcc,transcript}/NAME.npy`; what is there already stays.

    Raises:
        UserError: it is no zip file, damaged, has no corpus or two of them, or there is no room.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = _members(archive, zipped)
            missing = {target: member for target, member in members.items() if not _is_there(folder / target, member)}
            destination.check_room(folder, sum(member.file_size for member in missing.values()), "the unpacked corpus")
            for done, (target, member) in enumerate(missing.items(), len(members) - len(missing)):
                if progress:
                    progress("unpacking", done, len(members))
                with zipped.open(member) as content:
                    _write(folder / target, content)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # Runtime: it wants a password
        raise UserError(
            f"{archive}: no zip file, or a damaged one ({error}); remove it and download it again"
        ) from None
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror}") from None
    if progress:
        progress("unpacking", 1, 1)


def locate(folder: Path) -> Path:
    """The one folder at or below `folder` whose folders hold `mfcc/`.

    Raises:
        UserError: there is none, or more than one.
    """
    depths = ("/".join(["*"] * n) for n in range(1, _DEEPEST + 2))
    corpora = sorted({path.parent.parent for depth in depths for path in folder.glob(f"{depth}/mfcc") if path.is_dir()})
    if len(corpora) == 1:
        return corpora[0]
    if not corpora:
        raise UserError(f"{folder}: no corpus in it; one has folders <split>/mfcc/*.npy")
    raise UserError(f"{folder}: {len(corpora)} corpora in it; name one of them: {', '.join(map(str, corpora))}")


def _members(archive: Path, zipped: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Targets of the corpus' files and their entries, in the order of the archive."""
    entries = [(member.filename.replace("\\", "/"), member) for member in zipped.infolist() if not member.is_dir()]
    matches = [(_MEMBER.fullmatch(name), member) for name, member in entries if "__MACOSX/" not in name]
    members: dict[str, zipfile.ZipInfo] = {}
    above: dict[str, str] = {}
    for match, member in matches:
        if match is None or match["split"].startswith("."):
            continue
        split = match["split"]
        if above.setdefault(split, match["above"]) != match["above"]:
            raise UserError(
                f"{archive}: two splits {split!r} in it, {above[split]}{split} and {match['above']}{split}; "
                "unpack it by hand, and name the right folder in --zip"
            )
        members[f"{split}/{match['kind']}/{match['name']}"] = member
    if not members:
        raise UserError(f"{archive}: no corpus in it; one has files <split>/mfcc/NAME.npy")
    for name, member in entries:
        folder, _, file = name.rpartition("/")
        if file in _LISTS and (f"{folder}/" if folder else "") in above.values():
            members[file] = member
    return members


def _is_there(file: Path, member: zipfile.ZipInfo) -> bool:
    return file.is_file() and file.stat().st_size == member.file_size and zlib.crc32(file.read_bytes()) == member.CRC


def _write(file: Path, content: IO[bytes]) -> None:
    """Write a file, whole or not at all, and some of it at a time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file, sync=False) as temporary, temporary.open("wb") as written:  # the folder is not yet in place
        shutil.copyfileobj(content, written)
