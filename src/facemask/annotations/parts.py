"""The parts of a data set (train, val, test), as its folders, names and lists tell them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from facemask.annotations.folder import Folder, bare
from facemask.data.parts import PART_OF_FOLDER
from facemask.files import read_text

LISTS = {f"{name}.txt": part for name, part in PART_OF_FOLDER.items()}  # files with one photo per line
MAX_LIST = 100_000_000  # bytes
BETWEEN = re.compile(r"[\W\d_]+")


def part_of(name: str) -> str:
    """Return the part that a name tells: ``train2017``, ``instances_val.json``; empty if it tells none, or several.

    Example:
        >>> part_of("instances_val2017.json")
        'val'
    """
    found = {PART_OF_FOLDER[word] for word in BETWEEN.split(name.lower()) if word in PART_OF_FOLDER}
    return found.pop() if len(found) == 1 else ""


def listed_parts(folder: Folder, others: Iterable[tuple[Path, str]] = ()) -> dict[Path, str]:
    """Return the part of each photo that is named by lists such as ``train.txt``.

    Photos in several parts are left out: the lists do not separate them.

    Args:
        folder: the data set.
        others: further lists, or folders of photos, each with its part.
    """
    parts: dict[Path, set[str]] = defaultdict(set)
    lists = [(file, LISTS[file.name.lower()]) for file in folder.having(".txt") if file.name.lower() in LISTS]
    for file, part in [*lists, *others]:
        for photo in _photos_in(file, folder):
            parts[photo].add(part)
    return {photo: found.pop() for photo, found in parts.items() if len(found) == 1}


def _photos_in(file: Path, folder: Folder) -> Iterator[Path]:
    """Yield the photos of a list: by path, file name, or (Pascal VOC) file name without suffix."""
    if file.is_dir():
        place = file.resolve()
        yield from (photo for photo in folder.photos if photo.resolve().is_relative_to(place))
        return
    try:
        lines = read_text(file, MAX_LIST).splitlines()
    except (OSError, ValueError):  # not a list
        return
    for line in filter(None, map(str.strip, lines)):
        photo = folder.photo(line, [file.parent, folder.root])
        if photo is None and len(found := folder.by_stem.get(bare(line), [])) == 1:
            (photo,) = found
        if photo is not None:
            yield photo
