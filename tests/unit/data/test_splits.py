"""No group straddles a split, class proportions are kept, and the order of the rows does not matter."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import write_faces
from facemask.data.datamodule import FaceDataModule
from facemask.data.index import index
from facemask.data.splits import (
    assign_folds,
    balance_rows,
    check_groups_whole,
    class_weights,
    deal_parts,
    drop_small,
    hold_out_source,
    hold_out_test,
    subset,
)
from facemask.errors import ConfigError, DataError


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Random data sets: 2 to 4 classes, groups of 1 to 6 images that may hold several classes."""
    n_classes = draw(st.integers(2, 4))
    sizes = draw(st.lists(st.integers(1, 6), min_size=12 * n_classes, max_size=80))
    mixed = draw(st.booleans())
    rows = []
    for group, size in enumerate(sizes):
        for i in range(size):
            label = (group + (i if mixed else 0)) % n_classes
            rows.append((f"img{len(rows):04d}.png", f"class{label}", f"photo{group:03d}", ""))
    return pd.DataFrame(rows, columns=["path", "label", "group", "split"])


seeds = st.integers(0, 2**32 - 1)


def shuffled(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(2, 5), seeds, seeds)
def test_same_photo_never_straddles_folds(table: pd.DataFrame, k: int, seed: int, order: int) -> None:
    try:
        folds = assign_folds(table, k, seed)
    except DataError:
        return  # too few groups of a class for k folds is an answer, too
    by_group = table.assign(fold=folds).groupby("group")["fold"]
    assert (by_group.nunique() == 1).all()
    assert set(folds) == set(range(k))
    for fold in range(k):
        assert set(table["label"][folds == fold]) == set(table["label"])
    mixed = shuffled(table, order)
    again = dict(zip(mixed["path"], assign_folds(mixed, k, seed), strict=True))
    assert again == dict(zip(table["path"], folds, strict=True))


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from([0.1, 0.2, 0.25, 0.5]), seeds, seeds)
def test_same_photo_never_straddles_training_and_test(
    table: pd.DataFrame, fraction: float, seed: int, order: int
) -> None:
    try:
        split = hold_out_test(table, fraction, seed)
    except DataError:
        return
    check_groups_whole(split, "split")
    assert set(split["split"]) == {"train", "test"}
    assert set(split["label"][split["split"] == "test"]) == set(table["label"])
    pd.testing.assert_frame_equal(split, hold_out_test(shuffled(table, order), fraction, seed))


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from([0, 0.1, 0.25]), st.sampled_from([0, 0.1, 0.2]), seeds, seeds)
def test_same_photo_never_straddles_two_of_three_parts(
    table: pd.DataFrame, val: float, test: float, seed: int, order: int
) -> None:
    try:
        dealt = deal_parts(table, val, test, seed)
    except DataError:
        return
    check_groups_whole(dealt, "split")
    wanted = {"train": 1 - val - test, "val": val, "test": test}
    assert set(dealt["split"]) == {part for part, fraction in wanted.items() if fraction}
    for part in set(dealt["split"]):
        assert set(dealt["label"][dealt["split"] == part]) == set(table["label"])
    pd.testing.assert_frame_equal(dealt, deal_parts(shuffled(table, order), val, test, seed))
    held_out = hold_out_test(table, test, seed)
    assert (held_out["split"] == "test").equals(dealt["split"] == "test")  # as training would hold it out


def test_three_parts_have_the_requested_sizes() -> None:
    rows = [(f"{i:04d}", "ab"[i % 2], f"{i:04d}", "") for i in range(1000)]
    table = pd.DataFrame(rows, columns=["path", "label", "group", "split"])
    counts = deal_parts(table, 0.15, 0.2, 0)["split"].value_counts()
    assert abs(counts["val"] - 150) <= 15
    assert abs(counts["test"] - 200) <= 5
    table.loc[table.index[:950], "split"] = "test"
    with pytest.raises(DataError, match="val=0.1 is more than the existing test part leaves"):
        deal_parts(table, 0.1, 0.2, 0)


@settings(max_examples=40, deadline=None)
@given(tables(), st.floats(0.05, 1.0), seeds, seeds)
def test_a_subset_keeps_the_fraction_of_every_class(
    table: pd.DataFrame, fraction: float, seed: int, order: int
) -> None:
    part = subset(table, fraction, seed)
    for label, count in table["label"].value_counts().items():
        assert (part["label"] == label).sum() == max(1, round(fraction * count))
    pd.testing.assert_frame_equal(part, subset(shuffled(table, order), fraction, seed))


def test_a_set_with_its_own_test_part_keeps_it() -> None:
    table = pd.DataFrame(
        {"path": list("abcd"), "label": ["x", "y", "x", "y"], "group": list("abcd"), "split": ["", "", "test", "train"]}
    )
    assert hold_out_test(table, 0.2, 0)["split"].tolist() == ["train", "train", "test", "train"]


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.15, 0.2, 0.3, 0.5])
def test_the_test_part_has_the_requested_size(fraction: float) -> None:
    rows = [(f"{i:04d}", "ab"[i % 2], f"{i:04d}", "") for i in range(400)]
    table = pd.DataFrame(rows, columns=["path", "label", "group", "split"])
    assert (hold_out_test(table, fraction, 0)["split"] == "test").mean() == pytest.approx(fraction, abs=0.01)
    with pytest.raises(ConfigError, match="data.test_fraction must be 0 or at least 0.05, got 0.001"):
        hold_out_test(table, 0.001, 0)


def test_a_group_that_straddles_the_sets_own_split_is_refused() -> None:
    table = pd.DataFrame(
        {
            "path": list("abcd"),
            "label": list("xyxy"),
            "group": list("ppqq"),
            "split": ["train", "test", "train", "train"],
        }
    )
    with pytest.raises(DataError, match="1 groups are on both sides of the existing split, the first is 'p'"):
        hold_out_test(table, 0.2, 0)


def test_a_class_that_only_the_test_part_has_is_refused() -> None:
    table = pd.DataFrame(
        {"path": list("abc"), "label": list("xyz"), "group": list("abc"), "split": ["train", "train", "test"]}
    )
    with pytest.raises(DataError, match="class 'z' has images only in the test part"):
        hold_out_test(table, 0.2, 0)


def test_too_few_groups_for_k_folds_is_refused() -> None:
    table = pd.DataFrame({"path": list("abcdef"), "label": list("xxxxyy"), "group": list("abcdee"), "split": ""})
    with pytest.raises(DataError, match="class 'y' has 1 groups of images, too few for 3 parts"):
        assign_folds(table, 3, 0)


def test_split_seed_decides_the_folds() -> None:
    table = pd.DataFrame({"path": [f"{i:03d}" for i in range(200)], "label": ["x", "y"] * 100, "split": ""})
    table["group"] = table["path"]
    assert (assign_folds(table, 5, 0) == assign_folds(table, 5, 0)).all()
    assert (assign_folds(table, 5, 0) != assign_folds(table, 5, 1)).any()


def test_small_images_are_dropped_but_no_class() -> None:
    table = pd.DataFrame({"label": list("xxy"), "width": [8, 20, 20], "height": [20, 20, 30]})
    assert drop_small(table, 10)["label"].tolist() == ["x", "y"]
    with pytest.raises(ConfigError, match="data.min_side=25 leaves no images of class 'x'"):
        drop_small(table, 25)


@given(st.lists(st.integers(0, 2), min_size=3), seeds)
def test_balancing_evens_out_the_classes(values: list[int], seed: int) -> None:
    labels = np.array([0, 1, 2, *values])
    counts = np.bincount(labels)
    under = balance_rows(labels, "undersample", seed)
    assert (np.bincount(labels[under]) == counts.min()).all()
    assert len(set(under)) == len(under)
    over = balance_rows(labels, "oversample", seed)
    assert (np.bincount(labels[over]) == counts.max()).all()
    assert set(over) == set(range(len(labels)))
    assert (balance_rows(labels, "weighted", seed) == np.arange(len(labels))).all()


def test_class_weights_average_to_one_over_the_images() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2])
    weights = class_weights(labels, 3)
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[2] == pytest.approx(6 * weights[0])


@pytest.mark.parametrize("name", ["sfmask_small", "faces3"])
def test_no_photo_of_the_real_sets_straddles_any_split(real_data: Path, name: str) -> None:
    table = index(real_data / name)
    assert table["group"].nunique() < len(table)  # the manifest's photos are in use
    split = hold_out_test(table, 0.2, 0)
    check_groups_whole(split, "split")
    train = split[split["split"] == "train"].reset_index(drop=True)
    train["fold"] = assign_folds(train, 5, 0)
    check_groups_whole(train, "fold")
    assert set(train["fold"]) == set(range(5))


def ungrouped(n: int, labels: str = "ab") -> pd.DataFrame:
    """Return an index of ``n`` images per class, every image a group of its own."""
    rows = [(f"{label}{i:03d}.png", label, f"{label}{i:03d}", "") for label in labels for i in range(n)]
    return pd.DataFrame(rows, columns=["path", "label", "group", "split"])


def test_every_random_choice_depends_on_its_seed() -> None:
    table, labels = ungrouped(40), np.repeat([0, 1], [30, 10])
    parts = [hold_out_test(table, 0.2, seed)["split"].tolist() for seed in (0, 1, 0)]
    assert parts[0] == parts[2] != parts[1]
    dealt = [deal_parts(table, 0.2, 0.2, seed)["split"].tolist() for seed in (0, 1, 0)]
    assert dealt[0] == dealt[2] != dealt[1]
    kept = [subset(table, 0.5, seed)["path"].tolist() for seed in (0, 1, 0)]
    assert kept[0] == kept[2] != kept[1]
    balanced = [balance_rows(labels, "undersample", seed).tolist() for seed in (0, 1, 0)]
    assert balanced[0] == balanced[2] != balanced[1]


def test_subsets_and_balancing_of_a_seed_do_not_change() -> None:
    assert subset(ungrouped(6), 0.5, 0)["path"].tolist() == [
        "a001.png",
        "a002.png",
        "a004.png",
        "b001.png",
        "b002.png",
        "b005.png",
    ]
    assert balance_rows(np.repeat([0, 1], [6, 2]), "undersample", 0).tolist() == [3, 5, 6, 7]


def test_rows_of_a_subset_are_renumbered() -> None:
    table = ungrouped(6)[::-1].assign(width=20, height=20)
    table.loc[table["path"] == "a000.png", "height"] = 9
    assert subset(table, 0.5, 0).index.tolist() == list(range(6))
    assert subset(table, 1.0, 0)["path"].tolist() == sorted(table["path"])
    kept = drop_small(table, 10)
    assert kept.index.tolist() == list(range(11))
    assert len(drop_small(table, 9)) == 12  # the minimum itself is large enough


def test_errors_name_the_key_that_asked_for_the_parts() -> None:
    with pytest.raises(
        DataError, match=r"class 'a' has 4 groups of images, too few for 5 parts \(k\); add images or use"
    ):
        assign_folds(ungrouped(4), 5, 0)
    assert set(assign_folds(ungrouped(5), 5, 0)) == set(range(5))
    with pytest.raises(DataError, match=r"\(data\.test_fraction\)"):
        hold_out_test(ungrouped(4), 0.2, 0)
    with pytest.raises(DataError, match=r"too few for 5 parts \(test\)"):
        deal_parts(ungrouped(4), 0.2, 0.2, 0)
    with pytest.raises(ConfigError, match=r"^val must be 0 or at least 0.05, got 0.01"):
        deal_parts(ungrouped(100), 0.01, 0.0, 0)
    with pytest.raises(ConfigError, match=r"one of none, undersample, oversample, weighted, got smote"):
        balance_rows(np.array([0, 1]), "smote", 0)  # type: ignore[arg-type]


def test_validation_must_leave_images_for_training() -> None:
    table = ungrouped(20)
    table.loc[table["path"].str[1:4] < "010", "split"] = "test"
    with pytest.raises(DataError, match=r"val=0.46 is more than the existing test part leaves"):
        deal_parts(table, 0.46, 0.2, 0)
    assert (deal_parts(table, 0.45, 0.2, 0)["split"] == "val").sum() == 18  # 0.9 of the other half


def test_a_class_that_shares_few_groups_is_in_every_fold() -> None:
    rows = [(f"a{i:03d}.png", "a", f"g{i % 5}", "") for i in range(40)]
    rows += [(f"b{i:03d}.png", "b", f"g{i % 5 if i < 5 else 0}", "") for i in range(30)]
    table = pd.DataFrame(rows, columns=["path", "label", "group", "split"])
    assert set(table["label"][assign_folds(table, 5, 0) == 0]) == {"a", "b"}


def test_class_weights_have_a_place_for_every_class() -> None:
    weights = class_weights(np.array([0, 0, 0, 1]), 3)
    assert weights.dtype == np.float32
    assert weights.tolist() == pytest.approx([4 / 9, 4 / 3, 4 / 3])


def test_a_source_is_held_out_with_the_groups_that_it_shares() -> None:
    table = pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(8)],
            "label": ["a", "b"] * 4,
            "group": ["0", "1", "2", "shared", "shared", "5", "6", "7"],
            "split": ["train", "test"] * 4,
            "source": ["first"] * 4 + ["second"] * 4,
        }
    )
    found = hold_out_source(table, "second")
    assert found["path"].tolist() == [f"{i}.png" for i in (0, 1, 2, 4, 5, 6, 7)]  # 3 shares a group with 4
    assert found["split"].tolist() == ["train"] * 3 + ["test"] * 4
    with pytest.raises(
        DataError, match=r"data.test_source=third is not a source of this set; choose one of: first, sec"
    ):
        hold_out_source(table, "third")
    with pytest.raises(DataError, match="data.test_source has no value; no source is known"):
        hold_out_source(table.assign(source=""), "")
    with pytest.raises(DataError, match="all images come from data.test_source=first"):
        hold_out_source(table[table["source"] == "first"], "first")


def test_a_place_of_several_can_be_the_test_part(tmp_path: Path) -> None:
    roots = [write_faces(tmp_path / name, {"a": 12, "b": 12}, seed=i) for i, name in enumerate(("first", "second"))]
    data = FaceDataModule(roots, store_dir=tmp_path / "store", test_source="second", k=3)
    data.setup("test")
    assert data.samples is not None
    assert data.samples["source"].unique().tolist() == ["first"]
    assert data.test_samples["source"].unique().tolist() == ["second"]
    assert len(data.test_samples) == 24
    assert data.to_record()["test_source"] == "second"


def test_parts_are_numbered_from_zero_and_have_no_other_columns() -> None:
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(12)], "label": ["a", "b"] * 6, "width": 9, "height": 9})
    table.loc[0, "width"] = 2
    sources = table.assign(group=table["path"], split="", source=["one", "other"] * 6)
    for found in (subset(table, 0.5, 0), drop_small(table, 5), hold_out_source(sources.iloc[2:], "one")):
        assert found.index.tolist() == list(range(len(found)))
        assert "index" not in found
    assert len(drop_small(table, 5)) == 11
    assert subset(table, 1.0, 3).equals(table.sort_values("path", ignore_index=True))  # sorted, as every part


def test_the_validation_part_follows_from_the_seed() -> None:
    table = pd.DataFrame({"path": [f"{i:03d}.png" for i in range(60)], "label": ["a", "b", "c"] * 20, "split": ""})
    table["group"] = table["path"]
    fixed = table.assign(split=["test" if i % 5 == 0 else "" for i in range(60)])  # the test part does not move
    parts = [deal_parts(fixed, 0.2, 0.2, seed)["split"].tolist() for seed in (1, 1, 2)]
    assert parts[0] == parts[1] != parts[2]
    assert parts[0].count("val") == 12


def test_no_balancing_keeps_every_row() -> None:
    assert balance_rows(np.array([0, 0, 0, 1]), "none", 0).tolist() == [0, 1, 2, 3]


def test_a_class_that_a_fold_would_lack_is_named() -> None:
    labels, groups = [2, 1, 2, 1, 2, 2, 2, 1, 2, 2], [5, 4, 1, 0, 1, 1, 5, 1, 4, 1]
    rows = {"path": [f"{i}.png" for i in range(10)], "label": [f"class{c}" for c in labels], "split": ""}
    table = pd.DataFrame(rows).assign(group=[f"photo{g}" for g in groups])
    expected = (
        "class 'class2' has too few groups to be in each of 3 parts (k); add images, use fewer parts, or try another "
        "split_seed."
    )
    with pytest.raises(DataError) as error:
        assign_folds(table, 3, 0)
    assert str(error.value) == expected
