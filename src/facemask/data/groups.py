"""Groups of images that belong together, from their file names."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

from facemask.errors import ConfigError, DataError

# Names of copies and of frames, most particular first: the group is what is left without the rest.
USUAL = (r"^(.+)\.rf\.[0-9a-f]+", r"^(.+?)(?: ?\(\d+\))?\.\w+$", r"^(\d+)", r"^(.+?)(?:[_-][^_-]+)?\.\w+$")
LARGEST = 30  # images of a group; more look like a name that all images share
SHARED = 0.5  # smallest fraction of images that share their name with another, for a proposal


def groups_from_names(paths: Sequence[str], pattern: str) -> list[str | None]:
    r"""Return the group of each image: what a regular expression finds in its file name.

    Args:
        paths: paths of the images.
        pattern: regular expression; its first group if it has one, else all that it matches.

    Returns:
        The groups; None for names without a match.

    Raises:
        ConfigError: the pattern is no regular expression.
        DataError: it matches no name.

    Example:
        >>> groups_from_names(["mask/12_a.jpg", "mask/12_b.jpg", "mask/x.jpg"], r"^(\d+)")
        ['12', '12', None]
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"data.groups={pattern} is not a regular expression: {error}.") from error
    found = [expression.search(PurePosixPath(path).name) for path in paths]
    if paths and not any(found):
        raise DataError(
            f"data.groups={pattern} matches none of {len(paths):,} file names, the first is "
            f"{PurePosixPath(paths[0]).name}; correct the expression, or remove it."
        )
    return [match[min(1, expression.groups)] if match else None for match in found]


def propose_groups(table: pd.DataFrame) -> str:
    r"""Return a regular expression for ``data.groups`` if the names of most images repeat within their class.

    Args:
        table: an index with ``path`` and ``label``.

    Returns:
        The expression; empty if names do not repeat, or all images share one.

    Example:
        >>> paths = [f"mask/{i}_{copy}.png" for i in range(9) for copy in "ab"]
        >>> propose_groups(pd.DataFrame({"path": paths, "label": "mask"}))
        '^(\\d+)'
    """
    for pattern in USUAL:
        try:
            groups = groups_from_names(table["path"].tolist(), pattern)
        except DataError:
            continue
        sizes = pd.Series(groups).groupby([table["label"].to_numpy(), groups]).transform("size").fillna(1)
        if (sizes > 1).mean() >= SHARED and sizes.max() <= min(LARGEST, len(table) / 8):
            return pattern
    return ""
