"""Merge classes: rename them, and sum the probabilities of those that get the same name."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from facemask.errors import ConfigError, did_you_mean

NOT, WRONG = "no_mask", "wrong_mask"
# Names of the same class in the sets of two and of three classes.
SYNONYMS = {"compliant": "mask", "non-compliant": "no_mask", "mask": "compliant", "no_mask": "non-compliant"}


def read_merge(values: Mapping[str, str | None] | None) -> dict[str, str]:
    """Return the key ``merge`` of a configuration: new name by class; empty if it is not set."""
    return {name: str(other) for name, other in (values or {}).items()}


def merged_names(names: Sequence[str], merge: Mapping[str, str]) -> list[str]:
    """Return the class names after merging, in the order of their first class.

    Args:
        names: class names.
        merge: new name by class; others keep theirs.

    Raises:
        ConfigError: a merged class does not exist, or only one class is left.

    Example:
        >>> merged_names(["mask", "no_mask", "wrong_mask"], {"wrong_mask": "no_mask"})
        ['mask', 'no_mask']
    """
    for name in merge:
        if name not in names:
            raise ConfigError(f"merge names {name!r}, which is not a class of the model{did_you_mean(name, names)}")
    merged = list(dict.fromkeys(merge.get(name, name) for name in names))
    if len(merged) < 2:
        raise ConfigError(f"merge leaves only the class {merged[0]!r}; at least two classes are needed.")
    return merged


def merge_probabilities(
    probabilities: npt.NDArray[np.floating], names: Sequence[str], merge: Mapping[str, str]
) -> npt.NDArray[np.float32]:
    """Return the summed probabilities, float32[N, M], of probabilities, float[N, C]."""
    columns = merged_names(names, merge)
    found = np.zeros((len(probabilities), len(columns)), dtype=np.float32)
    for c, name in enumerate(names):
        found[:, columns.index(merge.get(name, name))] += probabilities[:, c]
    return found


def matched_classes(
    names: Sequence[str], present: Sequence[str], known: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Match the classes of a model with those of a data set that names or divides them in another way.

    If only one side has ``wrong_mask``, it counts as ``no_mask``: either way the mask is not worn as it should be.

    Args:
        names: classes of the model.
        present: classes of the data set.
        known: ``mask``, ``no_mask`` or ``wrong_mask`` for each name that means one of these.

    Returns:
        Classes of the model that count as another, see :func:`merged_names`; and the class of the model for each class
        of the data set.

    Raises:
        ConfigError: a class of the data set has no counterpart.

    Example:
        >>> known = {"compliant": "mask", "non-compliant": "no_mask"}
        >>> matched_classes(["mask", "no_mask", "wrong_mask"], ["compliant", "non-compliant"], known)
        ({'wrong_mask': 'no_mask'}, {'compliant': 'mask', 'non-compliant': 'no_mask'})
    """
    own = {known.get(name, name): name for name in names}
    meanings = {name: known.get(name, name) for name in present}
    merge, labels = {}, {}
    if WRONG in own and NOT in own and WRONG not in meanings.values():
        merge[own[WRONG]] = own[NOT]
    for name, meaning in meanings.items():
        label = own.get(meaning) or (own.get(NOT) if meaning == WRONG else None)
        if label is None:
            raise ConfigError(f"the class {name!r} has no counterpart among the model's: {', '.join(names)}.")
        labels[name] = label
    return merge, labels


def advised_merge(names: Sequence[str], present: Sequence[str]) -> str:
    """Return how to count a model's ``wrong_mask`` in data without it, as typed; empty if that does not apply."""
    if WRONG in names and WRONG not in present and NOT in names:
        return "'merge={wrong_mask: no_mask}'"
    return ""
