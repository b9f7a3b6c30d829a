"""Annotated names become classes, in any script."""

from pathlib import Path

import numpy as np
import pytest

from facemask.annotations.naming import to_classes
from facemask.annotations.table import CROWD, DIFFICULT, AnnotatedPhoto
from facemask.errors import DataError

BOXES = np.arange(16, dtype=np.float32).reshape(4, 4)


def test_names_become_classes_and_unknown_ones_are_listed() -> None:
    photos = [AnnotatedPhoto(Path("1.png"), ["With Mask", "hat", "no-mask", "hat"], BOXES)]
    classes = {"with_mask": "mask", "no mask": "no_mask", "hat": None}
    (renamed,) = to_classes(photos, classes)
    assert renamed.names == ["mask", "no_mask"]
    assert renamed.boxes.tolist() == BOXES[[0, 2]].tolist()
    with pytest.raises(
        DataError, match=r"unknown names of faces: hat \(2 faces\), no_mask \(1 faces\);.*\+classes.hat=mask"
    ):
        to_classes(photos, {"with_mask": "mask"})


def test_flagged_faces_are_left_out_or_get_a_class_of_their_own() -> None:
    photos = [AnnotatedPhoto(Path("1.png"), ["mask", "unknown", "mask", "crowd"], BOXES, ["", DIFFICULT, "", CROWD])]
    (kept,) = to_classes(photos, {"mask": "mask"})
    assert (kept.names, kept.boxes.tolist()) == (["mask", "mask"], BOXES[[0, 2]].tolist())
    (ignored,) = to_classes(photos, {"mask": "mask"}, flagged="")
    assert ignored.names == ["mask", "", "mask", ""]


def test_accents_are_compared_in_one_form() -> None:
    (renamed,) = to_classes([AnnotatedPhoto(Path("1.png"), ["masque\u0301"], BOXES[:1])], {"masqu\u00e9": "mask"})
    assert renamed.names == ["mask"]
