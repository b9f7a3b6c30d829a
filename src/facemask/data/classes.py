"""Merge classes: rename them, and sum the probabilities of those that get the same name."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from facemask.errors import ConfigError, did_you_mean

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


def advised_merge(names: Sequence[str], present: Sequence[str]) -> str:
    """Return how to count a model's ``wrong_mask`` in data without it, as typed; empty if that does not apply."""
    if "wrong_mask" in names and "wrong_mask" not in present and "no_mask" in names:
        return "'merge={wrong_mask: no_mask}'"
    return ""
