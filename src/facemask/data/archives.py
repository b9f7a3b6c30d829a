"""Unpack a data set from a zip or tar archive, safely and once."""

import hashlib
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from filelock import FileLock

from facemask.data.index import is_hidden, subfolders_of
from facemask.data.parts import SPLIT_OF_FOLDER
from facemask.errors import DataError, first_line
from facemask.files import is_below

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_GROWTH = 20  # unpacked bytes per packed byte; images hardly compress, so more is not an archive of images
MAX_SMALL = 1_000_000_000  # bytes that any archive may unpack to


def is_archive(file: Path) -> bool:
    """Return whether a file is named as an archive that can be unpacked."""
    return file.is_file() and file.name.lower().endswith(ARCHIVES)


def unpacked(archive: Path, place: Path) -> Path:
    """Unpack an archive if that has not been done yet, and return its folder of classes or parts.

    Args:
        archive: the archive.
        place: folder of unpacked archives.

    Raises:
        DataError: the archive cannot be unpacked, is suspiciously large, or contains a path outside its folder.
    """
    status = archive.stat()
    key = hashlib.sha256(f"{archive.resolve()}\0{status.st_size}\0{status.st_mtime_ns}".encode()).hexdigest()[:12]
    target = place / f"{archive.name.partition('.')[0]}-{key}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            if not target.is_dir():
                _unpack(archive, target)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError, RuntimeError) as error:  # RuntimeError: encrypted
        raise DataError(f"{archive} cannot be unpacked into {place}: {first_line(error)}.") from error
    while len(folders := subfolders_of(target)) == 1 and folders[0].name.lower() not in SPLIT_OF_FOLDER:
        if not subfolders_of(folders[0]):
            break  # a folder of one class
        target = folders[0]  # the folder that was packed
    return target


def _unpack(archive: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    limit = MAX_SMALL + MAX_GROWTH * archive.stat().st_size
    total = 0
    for name, size, stream in _members(archive):
        if not is_below(name, partial):
            raise DataError(
                f"{archive} contains the path {name!r}, which is outside its folder; do not use this archive."
            )
        total += size
        if total > limit:
            raise DataError(
                f"{archive} would unpack to more than {limit / 1e9:.1f} GB; if this is right, unpack it by hand."
            )
        file = partial / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with stream, file.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
    partial.mkdir(parents=True, exist_ok=True)  # the archive may be empty
    partial.rename(target)


def _members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Yield name, size and content of the regular files of an archive; links and hidden files are left out."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                if not info.is_dir() and not _has_hidden_part(info.filename):
                    yield info.filename, info.file_size, packed.open(info)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isfile() and not _has_hidden_part(name) and (stream := tar.extractfile(member)) is not None:
                yield name, member.size, stream


def _has_hidden_part(name: str) -> bool:
    return any(is_hidden(part) for part in Path(name).parts if part != "..")
