"""The key ``data.root``: where a data set lies, in one place or in several."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from facemask.errors import ConfigError, DataError
from facemask.files import not_a_folder

Root: TypeAlias = str | Path | Sequence[str | Path]  # folder, archive or table; several are read as one set
LAYOUT = "expected ROOT/CLASS/** or ROOT/train/CLASS/** with ROOT/test/CLASS/**, one folder per class"
PLACES = "give a folder with one subfolder per class, an archive of one, or a table (CSV, Parquet)"
MAX_NAMED = 3  # number of places that the name of a set lists


def check_root(root: Root, hint: str = "") -> None:
    """Raise if a place of a data set does not exist.

    Args:
        root: places of the data set.
        hint: where to get it, for the error.

    Raises:
        ConfigError: as :func:`to_places`.
        DataError: a place does not exist.
    """
    for place in to_places(root):
        if not place.exists():
            raise no_folder(place, hint)


def no_folder(place: Path, hint: str = "") -> DataError:
    """Return the error for a data set that is not there."""
    return DataError(f"data.root={not_a_folder(place)}; {hint or (LAYOUT if place.exists() else PLACES)}.")


def to_places(root: Root) -> tuple[Path, ...]:
    """Return the places of a data set.

    Raises:
        ConfigError: root has another type, or is an empty list.
    """
    given = [root] if isinstance(root, str | Path) else root
    if not (isinstance(given, Sequence) and given and all(isinstance(place, str | Path) for place in given)):
        raise ConfigError(f"data.root must be a folder, an archive or a table, or a list of them, got {root!r}.")
    return tuple(Path(place).expanduser() for place in given)


def shown_places(root: Root) -> str:
    """Return the places of a data set for messages, as typed.

    Example:
        >>> shown_places(["first", "second.zip"])
        'first, second.zip'
    """
    return ", ".join(map(str, to_places(root)))


def name_of_place(place: Path) -> str:
    """Return the name of a folder, an archive or a table, without path and suffix."""
    place = place.resolve()
    name = place.name.partition(".")[0] if place.is_file() else place.name
    return name or "folder"


def base_name(root: Root) -> str:
    """Return the name of a data set: the names of its places.

    Example:
        >>> base_name(["faces/first", "faces/second"])
        'first+second'
    """
    names = [name_of_place(place) for place in to_places(root)]
    more = [f"{len(names) - MAX_NAMED}-more"] if len(names) > MAX_NAMED else []
    return "+".join([*names[:MAX_NAMED], *more])
