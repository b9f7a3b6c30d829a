"""Map the names in annotation files to the classes of a model."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from facemask.annotations.table import AnnotatedPhoto
from facemask.errors import DataError
from facemask.files import normal


def to_classes(
    photos: Sequence[AnnotatedPhoto], classes: Mapping[str, str | None], flagged: str | None = None
) -> list[AnnotatedPhoto]:
    """Map annotated names to classes.

    Args:
        photos: annotated photos; names are compared without case, spaces and hyphens.
        classes: class of each name; None leaves its faces out.
        flagged: class of faces with a flag; None leaves them out.

    Raises:
        DataError: a name of a face without flag is not in ``classes``.
    """
    classes = {plain_name(name): label for name, label in classes.items()}
    named = [[None if flag else plain_name(name) for name, flag in _faces(photo)] for photo in photos]
    unknown = Counter(name for names in named for name in names if name is not None and name not in classes)
    if unknown:
        first = min(unknown)
        listed = ", ".join(f"{name} ({n:,} faces)" for name, n in sorted(unknown.items()))
        known = ", ".join(sorted({label for label in classes.values() if label}))
        raise DataError(
            f"unknown names of faces: {listed}; map each to a class ({known}), for example "
            f"+classes.{first}={known.partition(',')[0]}, or leave its faces out: +classes.{first}=null"
        )
    renamed = []
    for photo, names in zip(photos, named, strict=True):
        labels = [flagged if name is None else classes[name] for name in names]
        kept = photo.chosen([i for i, label in enumerate(labels) if label is not None])
        renamed.append(replace(kept, names=[label for label in labels if label is not None]))
    return renamed


def _faces(photo: AnnotatedPhoto) -> list[tuple[str, str]]:
    return list(zip(photo.names, photo.flags or [""] * len(photo.names), strict=True))


def plain_name(name: str) -> str:
    """Return a name in normal form: ``With Mask`` and ``with-mask`` are ``with_mask``."""
    return re.sub(r"\W+", "_", normal(name).strip().lower())
