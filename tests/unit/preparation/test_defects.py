"""Every defect is reported once, and correct data are not reported."""

from typing import Any

import numpy as np
import pandas as pd

from facemask.data.copies import altered_copies
from facemask.preparation.defects import find_defects

LIMITS: dict[str, Any] = {"min_side": 8, "max_aspect": 3.0, "max_imbalance": 10.0}
NONE = pd.DataFrame({"first": [], "second": [], "bits": [], "correlation": []}).astype({"first": int, "second": int})

NO_COPIES = altered_copies(np.zeros((0, 32, 32), np.float32))


def faces(n: int, **changed: list[Any]) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "path": [f"mask/{i}.png" for i in range(n)],
            "label": "mask",
            "group": [f"g{i}" for i in range(n)],
            "split": "",
            "width": 20,
            "height": 24,
            "error": "",
            "digest": [f"d{i}" for i in range(n)],
            "brightest": 200.0,
            "contrast": 40.0,
        }
    )
    return table.assign(**changed)


def near(*pairs: tuple[int, int]) -> pd.DataFrame:
    rows = [(first, second, 3, 0.97) for first, second in pairs]
    return pd.DataFrame(rows, columns=["first", "second", "bits", "correlation"])


def kinds(found: pd.DataFrame) -> dict[str, int]:
    return {str(kind): int(n) for kind, n in found["finding"].value_counts().items()}


def test_a_clean_set_has_no_findings() -> None:
    assert find_defects(faces(5), NONE, NO_COPIES, **LIMITS).empty
    assert find_defects(faces(0), NONE, NO_COPIES, **LIMITS).empty


def test_copies_are_exact_duplicates_and_not_near_ones_too() -> None:
    table = faces(5, digest=["a", "b", "a", "c", "a"], group=["g"] * 5)
    found = find_defects(table, near((0, 2), (0, 4), (2, 4), (1, 3)), NO_COPIES, **LIMITS)
    assert kinds(found) == {"exact_duplicates": 3, "near_duplicates": 1}
    assert found["file"].tolist() == ["mask/0.png", "mask/0.png", "mask/2.png", "mask/1.png"]
    assert found["other"].tolist() == ["mask/2.png", "mask/4.png", "mask/4.png", "mask/3.png"]
    assert found["detail"].iloc[3] == "3 of 64 bits, correlation 0.970"


def test_duplicates_are_judged_by_class_split_and_group() -> None:
    table = faces(4, label=["a", "a", "b", "b"], split=["", "test", "", "test"], group=["g", "g", "h", "i"])
    found = find_defects(table, near((0, 1), (0, 2)), NO_COPIES, **LIMITS)
    assert kinds(found) == {
        "near_duplicates": 2,
        "label_conflicts": 1,
        "duplicates_across_splits": 1,
        "duplicates_across_groups": 1,
        "groups_across_splits": 1,
    }
    conflict = found.set_index("finding").loc["label_conflicts"]
    assert conflict[["label", "other_label", "group", "other_group"]].tolist() == ["a", "b", "g", "h"]
    torn = found.set_index("finding").loc["groups_across_splits"]
    assert torn[["split", "other_split", "detail"]].tolist() == ["train", "test", "1 in test, 1 in train"]


def test_without_a_test_part_no_pair_straddles() -> None:
    found = find_defects(faces(3, group=["g", "g", "h"]), near((0, 1), (1, 2)), NO_COPIES, **LIMITS)
    assert kinds(found) == {"near_duplicates": 2, "duplicates_across_groups": 1}


def test_unreadable_files_are_not_reported_as_other_defects() -> None:
    table = faces(3, error=["cut off", "cut off", ""], digest=["", "", "x"], width=[0, 0, 20], height=[0, 0, 24])
    found = find_defects(table, near((0, 1)), NO_COPIES, **LIMITS)
    assert kinds(found) == {"unreadable": 2}
    assert found["detail"].tolist() == ["cut off", "cut off"]


def test_shapes_and_counts_are_checked_against_limits() -> None:
    found = find_defects(faces(4, width=[7, 8, 60, 72], height=[30, 24, 20, 23]), NONE, NO_COPIES, **LIMITS)
    assert kinds(found) == {"tiny": 1, "extreme_aspect": 2}
    assert found["detail"].tolist() == ["7 x 30 pixels", "7 x 30 pixels", "72 x 23 pixels"]
    labels = ["a"] * 20 + ["b"] * 2 + ["c"]
    found = find_defects(faces(23, label=labels), NONE, NO_COPIES, **LIMITS)
    assert found[["finding", "file", "label", "detail"]].to_numpy().tolist() == [
        ["imbalance", "", "c", "1 images; a has 20"]
    ]


def test_images_in_which_nothing_can_be_seen_are_flat() -> None:
    table = faces(4, brightest=[23.0, 200.0, 200.0, 9.0], contrast=[8.0, 1.9, 8.0, 0.0], error=["", "", "", "damaged"])
    found = find_defects(table, NONE, NO_COPIES, **LIMITS)
    assert kinds(found) == {"flat": 2, "unreadable": 1}
    assert found["detail"].tolist()[1:] == ["brightest 23, contrast 8.0 of 255", "brightest 200, contrast 1.9 of 255"]


def test_altered_copies_are_pairs_unless_they_are_known_as_duplicates() -> None:
    columns = ["first", "second", "correlation", "degrees", "zoom", "is_mirrored"]
    altered = pd.DataFrame([(0, 1, 0.99, 15, 1.0, True), (1, 2, 0.98, 0, 0.8, False)], columns=columns)
    found = find_defects(faces(4, label=["a", "b", "a", "b"]), near((2, 1)), altered, **LIMITS)
    assert kinds(found) == {
        "near_duplicates": 1,
        "altered_copies": 1,
        "label_conflicts": 2,
        "duplicates_across_groups": 2,
    }
    detail = found.set_index("finding").loc["altered_copies", "detail"]
    assert detail == "mirrored, turned by 15 degrees, scaled by 1.00, correlation 0.990"
