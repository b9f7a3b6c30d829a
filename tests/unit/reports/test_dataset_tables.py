"""The tables describe the data set as it is."""

from pathlib import Path

import pandas as pd
import pytest

from facemask.reports.dataset_tables import count_table, size_table, source_table, sources

INDEX = pd.DataFrame(
    {
        "path": ["a/x_1.png", "a/x_2.png", "b/street/7.png", "b/y.png", "b/9.png"],
        "label": ["a", "a", "b", "b", "b"],
        "group": ["p", "p", "p", "q", "r"],
        "split": ["train", "test", "train", "train", "train"],
        "width": [10, 20, 30, 8, 8],
        "height": [12, 10, 31, 9, 64],
    }
)


def test_images_and_groups_are_counted_by_class_and_split() -> None:
    table = count_table(INDEX).set_index("class")
    assert table.loc["a"].to_dict() == {"train": 1, "test": 1, "images": 2, "fraction": 0.4, "groups": 1}
    assert table.loc["all"].to_dict() == {"train": 4, "test": 1, "images": 5, "fraction": 1.0, "groups": 3}


def test_a_set_without_a_test_part_says_so() -> None:
    assert count_table(INDEX.assign(split="train"))["test"].tolist() == [0, 0, 0]


def test_sizes_are_of_the_longer_side() -> None:
    table = size_table(INDEX).set_index(["class", "split"])
    assert table.loc[("a", "train"), "median"] == 12
    assert table.loc[("b", "train"), ["n", "least", "most"]].tolist() == [3, 9, 64]


def test_the_source_comes_from_the_manifest_then_the_folder_then_the_name(tmp_path: Path) -> None:
    assert sources(INDEX, tmp_path).tolist() == ["x", "x", "street", "y", "not known"]
    manifest = pd.DataFrame({"file": INDEX["path"], "source": ["web", "web", "web", "", "film"]})
    manifest.to_csv(tmp_path / "manifest.csv", index=False)
    found = sources(INDEX, tmp_path)
    assert found.tolist() == ["web", "web", "web", "not known", "film"]
    table = source_table(INDEX, found).set_index("source")
    assert table.loc["web", ["a", "b", "all classes"]].tolist() == [2, 1, 3]
    assert table["fraction of all"].sum() == pytest.approx(1)
    assert table.index[0] == "web"


def test_the_split_folder_is_no_source() -> None:
    table = INDEX.assign(path=["train/a/x.png", "test/a/film/x.png", "train/b/7.png", "val/b/q1.png", "train/b/z9.png"])
    assert sources(table, Path("nowhere")).tolist() == ["x", "film", "not known", "q", "z"]
