"""Index a folder of images: a table of files with class, group and split."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pandas as pd

from facemask.config.roots import LAYOUT, no_folder
from facemask.data.groups import groups_from_names
from facemask.data.manifest import MANIFEST, apply_manifest
from facemask.data.parts import SPLIT_OF_FOLDER
from facemask.data.pictures import is_picture_name, open_image
from facemask.errors import DataError
from facemask.files import normal, relative_to_cwd

CLASS_WORDS = re.compile("mask|complian", re.IGNORECASE)  # words in the names of the usual classes
UNLABELLED = "unlabelled"  # folder of faces without a class


def index(
    root: Path,
    hint: str = "",
    for_training: bool = True,
    groups: str | None = None,
    listed: pd.DataFrame | None = None,
    is_whole: bool = True,
) -> pd.DataFrame:
    """List the images of a data set, or of one of its places.

    Args:
        root: folder laid out as ``root/{class}/**`` or ``root/{train,test}/{class}/**``. An optional ``manifest.csv``
            gives ``group`` (or ``photo``), ``split`` and ``source`` per ``file`` (path below root) and takes precedence
            over the folders.
        hint: where to get this data set; added to the error if it is missing.
        for_training: require at least two classes and a training part; evaluation needs neither.
        groups: regular expression that finds the group of an image in its file name, if the manifest does not give it.
        listed: ``path``, ``label``, ``group``, ``split`` and ``source`` of the images, instead of folders and manifest.
        is_whole: whether the set has no other places, which could hold the other classes and the training part.

    Returns:
        One row per image, sorted by path: ``path`` (below root, with forward slashes), ``label`` (class name),
        ``group`` (images of one group stay on one side of every split; the path itself if unknown),
        ``split`` (``train``, ``test``, or empty if the set does not define it), ``source`` (name of the set that the
        image comes from, or empty).

    Raises:
        ConfigError: groups is no regular expression.
        DataError: root is missing, holds no image, only one class or an empty class, or the manifest contradicts it.
    """
    if not root.is_dir():
        raise no_folder(root, hint)
    if listed is None:
        table = _in_folders(root, hint, for_training, is_whole)
    else:
        table = listed.drop_duplicates("path")
        check_class_count(table, f"the table of data.root={root}", 2 if for_training and is_whole else 1)
    return with_groups(table.sort_values("path", ignore_index=True), groups)


def with_groups(table: pd.DataFrame, groups: str | None) -> pd.DataFrame:
    """Return an index in which images without a known group get that of their file name.

    Args:
        table: an index.
        groups: regular expression, see :func:`facemask.data.groups.groups_from_names`; None changes nothing.

    Raises:
        ConfigError: groups is no regular expression.
    """
    if groups is None:
        return table
    found = pd.Series(groups_from_names(table["path"].tolist(), groups), table.index, dtype=object)
    is_new = (table["group"] == table["path"]) & found.notna()
    return table.assign(group=table["group"].mask(is_new, found))


def check_class_count(table: pd.DataFrame, place: str, at_least: int) -> None:
    """Raise if a table lists images of too few classes.

    Raises:
        DataError: it does.
    """
    classes = sorted(table["label"].unique())
    if len(classes) < at_least:
        raise DataError(f"{place} contains only the class {', '.join(classes)}; add another.")


def _in_folders(root: Path, hint: str, for_training: bool, is_whole: bool) -> pd.DataFrame:
    folders = _class_folders(root, for_training and is_whole)
    if for_training:
        _check_level(root, [folder for folder, _, _ in folders])
    rows = [
        (path, label, path, split)
        for folder, label, split in folders
        for path in images_below(folder, root)
        if is_text(path)
    ]
    if not rows:
        raise DataError(f"data.root={root} contains no images in class folders; {hint or LAYOUT}.{_meant(root)}")
    table = pd.DataFrame(rows, columns=["path", "label", "group", "split"], dtype=str).assign(source="")
    if for_training and (table["label"] == UNLABELLED).any():
        raise DataError(
            f"data.root={root} contains unlabelled images (in {UNLABELLED}/); move them into class folders, "
            "or out of the data set."
        )
    folders = [folder for folder in folders if folder[1] != UNLABELLED]  # an empty folder is left over from sorting
    _check_capitals(root, folders)
    _check_classes(table, folders, root, at_least=2 if for_training and is_whole else 1)
    if (root / MANIFEST).is_file():
        table = apply_manifest(table, root / MANIFEST)
    return table


def left_out(root: Path) -> list[str]:
    """Return a sentence for each kind of image below a data set that :func:`index` leaves out.

    These are images beside the class folders, and those whose names are not text.
    """
    folders = [root, *(f for f in subfolders_of(root) if f.name.lower() in SPLIT_OF_FOLDER)]
    notes = []
    for folder in folders:
        loose = [file.name for file in _files(folder) if is_picture_name(file.name)]
        if loose:
            where = f"{folder.relative_to(root)}/" if folder != root else "the folder itself"
            has, are, s = ("have", "are", "s") if len(loose) > 1 else ("has", "is", "")
            notes.append(f"{len(loose):,} image{s} in {where} {has} no class, and {are} not used.")
    names = [path for folder, _, _ in _class_folders(root, False) for path in images_below(folder, root)]
    if unreadable := [name for name in names if not is_text(name)]:
        first = os.fsencode(unreadable[0]).decode(errors="backslashreplace")
        n = f"{len(unreadable):,} image name{'s' * (len(unreadable) > 1)}"
        notes.append(f"{n} cannot be used, not being UTF-8; rename {first}")
    return notes


def is_text(name: str) -> bool:
    """Return whether a file name is valid in UTF-8, so that tables and reports can contain it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _class_folders(root: Path, for_training: bool) -> list[tuple[Path, str, str]]:
    """Return (folder, class name, split) of every class folder; split is empty in the flat layout."""
    folders = subfolders_of(root)
    splits = {f: SPLIT_OF_FOLDER[f.name.lower()] for f in folders if f.name.lower() in SPLIT_OF_FOLDER}
    if not splits:
        return [(folder, folder.name, "") for folder in folders]
    if for_training and "train" not in splits.values():
        raise DataError(f"data.root={root} contains a folder {min(splits).name!r} but no training folder; {LAYOUT}.")
    return [(below, below.name, split) for folder, split in splits.items() for below in subfolders_of(folder)]


def subfolders_of(folder: Path) -> list[Path]:
    """List the folders directly in a folder, sorted, without hidden ones."""
    return sorted(child for child in folder.iterdir() if child.is_dir() and not is_hidden(child.name))


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden, or a copy that macOS adds to archives."""
    return name.startswith(".") or name == "__MACOSX"


def files_below(folder: Path) -> list[Path]:
    """List the files below a folder, sorted, without hidden files and folders."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]  # os.walk does not enter the others
        found += [Path(place, name) for name in names if not is_hidden(name)]
    return sorted(found)


def images_below(folder: Path, root: Path) -> Iterator[str]:
    """Yield the paths, below root and with forward slashes, of all images in a folder, without hidden files."""
    seen: set[str] = set()  # stops at symbolic links to a parent folder
    for directory, subfolders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(directory)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = [name for name in subfolders if not is_hidden(name)]
        below = Path(directory).relative_to(root).as_posix()
        for name in names:
            if not is_hidden(name) and _is_image(directory, name):
                yield f"{below}/{name}"


def _is_image(directory: str, name: str) -> bool:
    """Return whether a file is an image: by its suffix if that is known, else by its content."""
    if is_picture_name(name):
        return True
    try:
        with open_image(os.path.join(directory, name)):
            return True
    except Exception:  # Pillow's plugins raise many types of errors for other files
        return False


def _check_classes(table: pd.DataFrame, folders: list[tuple[Path, str, str]], root: Path, at_least: int) -> None:
    counts = table["label"].value_counts()
    for _, label, _ in folders:
        if label not in counts:
            raise DataError(
                f"class folder {label!r} of data.root={root} contains no images; add images or delete it.{_meant(root)}"
            )
    if len(counts) < at_least:
        raise DataError(
            f"data.root={root} contains only the class {counts.index[0]!r}; a classifier needs at least two: {LAYOUT}."
            f"{_meant(root)}"
        )


def _check_capitals(root: Path, folders: Sequence[tuple[Path, str, str]]) -> None:
    """Raise if two class folders differ only in capital letters: one class would become two."""
    names: dict[str, Path] = {}
    for folder, label, split in sorted(folders, key=lambda each: each[2] == "test"):
        other = names.setdefault(normal(label).casefold(), folder)
        if other.name != label:
            raise DataError(
                f"{folder.relative_to(root)} of data.root={root} would be a class of its own"
                f"{', without training images' * (split == 'test')}, because {other.relative_to(root)} is written "
                f"differently; did you mean {other.name}? Give both folders the same name."
            )


def _check_level(root: Path, folders: Sequence[Path]) -> None:
    """Raise if the classes are one folder below: those of a mask are, and these are not."""
    if any(CLASS_WORDS.search(folder.name) for folder in folders):
        return
    for folder in folders:
        below = [child.name for child in subfolders_of(folder) if CLASS_WORDS.search(child.name)]
        if len(below) > 1 and _is_data_set(folder):
            raise DataError(
                f"data.root={root} would have classes {', '.join(sorted(f.name for f in folders)[:3])}, but {folder} "
                f"contains the classes {', '.join(below[:3])}. Did you mean data.root={relative_to_cwd(folder)}?"
            )


def _meant(root: Path) -> str:
    """Return a question that names a data set at most two folders below root, or the one that root is a class of."""
    below = [folder for child in subfolders_of(root) for folder in (child, *subfolders_of(child))]
    if any(_is_image(str(root), path.name) for path in _files(root)):  # loose images: perhaps a class folder
        below.append(root.resolve().parent)
    found = next((folder for folder in below if _is_data_set(folder)), None)
    return "" if found is None else f" Did you mean data.root={relative_to_cwd(found)}?"


def _is_data_set(folder: Path) -> bool:
    """Return whether a folder has two class folders with images, or a training folder that has."""
    children = [child for child in subfolders_of(folder) if SPLIT_OF_FOLDER.get(child.name.lower()) != "test"]
    if any(SPLIT_OF_FOLDER.get(child.name.lower()) == "train" and _is_data_set(child) for child in children):
        return True
    with_images = (any(_is_image(str(child), path.name) for path in _files(child)) for child in children)
    return sum(islice(filter(None, with_images), 2)) == 2


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_file() and not is_hidden(path.name))
