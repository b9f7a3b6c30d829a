"""Splits into training, validation and test data. Pure functions of tables, independent of the row order.

Tables have at least the columns ``path``, ``label``, ``group`` and ``split`` of :func:`facemask.data.index.index`.
"""

from fractions import Fraction
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from facemask.errors import ConfigError, DataError
from facemask.seeding import BALANCE, SUBSET, derive_seed

MAX_PARTS = 20  # largest denominator of a rounded fraction
Balance = Literal["none", "undersample", "oversample", "weighted"]


def hold_out_test(table: pd.DataFrame, fraction: float, seed: int, key: str = "data.test_fraction") -> pd.DataFrame:
    """Fill ``split`` with ``train`` or ``test``, keeping an existing test part.

    Args:
        table: an index.
        fraction: fraction of images to hold out if the set has no test part, rounded to the nearest fraction with a
            denominator of at most 20; 0 holds out none.
        seed: the split's seed.
        key: configuration key of the fraction, for errors.

    Returns:
        The table sorted by path with ``split`` filled. Groups stay whole, class proportions are kept.

    Raises:
        DataError: a group is on both sides of the existing split, or a class cannot be on both sides.
    """
    table = table.sort_values("path", ignore_index=True)
    if (table["split"] == "test").any():
        table["split"] = table["split"].replace("", "train")
        check_groups_whole(table, "split")
        only_test = sorted(set(table["label"]) - set(table["label"][table["split"] == "train"]))
        if only_test:
            raise DataError(f"class {only_test[0]!r} has images only in the test part; add training images of it.")
        return table
    table["split"] = "train"
    table.loc[hold_out(table, fraction, seed, key), "split"] = "test"
    return table


def hold_out_source(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Make the images of one source the test part, to measure how a model carries over to another set.

    Images of other sources whose group has an image in the test part are left out.

    Args:
        table: an index.
        source: name of the source.

    Raises:
        DataError: the source does not exist, or all images come from it.
    """
    names = sorted(set(table["source"]) - {""})
    if source not in names:
        wrong = f"data.test_source={source} is not a source of this set" if source else "data.test_source has no value"
        advice = f"choose one of: {', '.join(names)}" if names else "no source is known: give several places"
        raise DataError(f"{wrong}; {advice}. Sources are data.root=A data.root=B, or the manifest's column source.")
    is_test = (table["source"] == source).to_numpy()
    if is_test.all():
        raise DataError(f"all images come from data.test_source={source}; add another set: data.root=FOLDER")
    table = table.assign(split=np.where(is_test, "test", "train"))
    is_shared = table["group"].isin(table.loc[is_test, "group"]).to_numpy()
    return table[is_test | ~is_shared].reset_index(drop=True)


def hold_out(table: pd.DataFrame, fraction: float, seed: int, key: str) -> npt.NDArray[np.bool_]:
    """Choose a fraction of the images. Groups stay whole, class proportions are kept.

    Args:
        table: any part of an index.
        fraction: fraction of images, rounded to the nearest fraction with a denominator of at most 20; 0 holds out
            none.
        seed: the split's seed.
        key: configuration key of the fraction, for errors.

    Returns:
        bool[N], True for the rows of ``table`` that are held out.

    Raises:
        ConfigError: the fraction is too small.
        DataError: a class has too few groups to be on both sides.
    """
    if fraction == 0:
        return np.zeros(len(table), dtype=bool)
    ratio = Fraction(fraction).limit_denominator(MAX_PARTS)
    if ratio == 0:
        raise ConfigError(f"{key} must be 0 or at least 0.05, got {fraction}.")
    return assign_folds(table, ratio.denominator, seed, key) < ratio.numerator


def deal_parts(table: pd.DataFrame, val: float, test: float, seed: int) -> pd.DataFrame:
    """Fill ``split`` with ``train``, ``val`` and ``test``; the test part is that of :func:`hold_out_test`.

    Args:
        table: an index.
        val: fraction of all images for validation.
        test: fraction of all images for testing if the set has no test part.
        seed: the split's seed.

    Returns:
        The table sorted by path with ``split`` filled.

    Raises:
        DataError: a class cannot be in every part, or the existing test part leaves too few images.
    """
    table = hold_out_test(table, test, seed, "test")
    rest = np.flatnonzero(table["split"] == "train")
    fraction = val * len(table) / len(rest)
    if fraction > 0.9:
        raise DataError(f"val={val} is more than the existing test part leaves; lower it.")
    fewest = int(table.iloc[rest].groupby("label")["group"].nunique().min())
    near = Fraction(fraction).limit_denominator(min(MAX_PARTS, fewest))  # so that small classes can be split
    is_val = hold_out(table.iloc[rest], float(near) if 0 < near < 1 else fraction, seed, "val")
    table.loc[rest[is_val], "split"] = "val"
    return table


def subset(table: pd.DataFrame, fraction: float, seed: int) -> pd.DataFrame:
    """Keep a random fraction of each class, at least one image of each.

    Args:
        table: any part of an index.
        fraction: fraction to keep, in (0, 1].
        seed: the split's seed.
    """
    table = table.sort_values("path", ignore_index=True)
    if fraction >= 1:
        return table
    rng = np.random.default_rng(derive_seed(SUBSET, seed))
    kept: list[int] = []
    for _, rows in table.groupby("label", sort=True):
        n = max(1, round(fraction * len(rows)))
        kept.extend(rng.permutation(rows.index.to_numpy())[:n])
    return table.loc[sorted(kept)].reset_index(drop=True)


def drop_small(table: pd.DataFrame, min_side: int) -> pd.DataFrame:
    """Drop images whose shorter side (columns ``width`` and ``height``, pixels) is below ``min_side``."""
    small = table[["width", "height"]].min(axis=1) < min_side
    lost = sorted(set(table["label"]) - set(table["label"][~small]))
    if lost:
        raise ConfigError(f"data.min_side={min_side} leaves no images of class {lost[0]!r}; lower it.")
    return table[~small].reset_index(drop=True)


def assign_folds(table: pd.DataFrame, k: int, seed: int, key: str = "k") -> npt.NDArray[np.int64]:
    """Assign rows to k folds, stratified by class; every group is in one fold.

    Args:
        table: any part of an index.
        k: number of folds.
        seed: the split's seed.
        key: configuration key of the number, for errors.

    Returns:
        int64[N], the validation fold of each row of ``table``.

    Raises:
        DataError: a class has too few groups to be in every fold.
    """
    order = np.argsort(table["path"].to_numpy(), kind="stable")
    folds = np.empty(len(table), dtype=np.int64)
    folds[order] = _grouped_folds(table.iloc[order], k, seed, key)
    return folds


def balance_rows(labels: npt.NDArray[np.int64], method: Balance, seed: int) -> npt.NDArray[np.int64]:
    """Return the positions to train on after class balancing.

    Args:
        labels: int64[N], class of each training image.
        method: ``undersample`` reduces every class to the size of the smallest, ``oversample`` repeats images up to the
            size of the largest; ``none`` and ``weighted`` (which acts on the loss) keep every image once.
        seed: the split's seed.

    Returns:
        int64[M], positions in ``labels``, ascending.
    """
    if method not in get_args(Balance):
        raise ConfigError(f"data.balance must be one of {', '.join(get_args(Balance))}, got {method}.")
    if method in ("none", "weighted"):
        return np.arange(len(labels))
    rng = np.random.default_rng(derive_seed(BALANCE, seed))
    classes, counts = np.unique(labels, return_counts=True)
    target = counts.min() if method == "undersample" else counts.max()
    picked = []
    for label in classes:
        rows = rng.permutation(np.flatnonzero(labels == label))
        picked.append(np.resize(rows, target))  # truncates, or repeats from the start
    return np.sort(np.concatenate(picked))


def class_weights(labels: npt.NDArray[np.int64], num_classes: int) -> npt.NDArray[np.float32]:
    """Return float32[C] loss weights, inversely proportional to class frequency, with mean 1 over the images."""
    counts = np.bincount(labels, minlength=num_classes)
    return (len(labels) / (num_classes * np.maximum(counts, 1))).astype(np.float32)


def check_groups_whole(table: pd.DataFrame, column: str) -> None:
    """Raise DataError if a group has rows with different values of ``column``."""
    sides = table.groupby("group")[column].nunique()
    torn = sides[sides > 1]
    if len(torn):
        raise DataError(
            f"{len(torn)} groups are on both sides of the existing {column}, the first is {torn.index[0]!r}: images of "
            "one photo or person would be both trained and tested on; move them to one side or correct manifest.csv."
        )


def _grouped_folds(table: pd.DataFrame, k: int, seed: int, key: str) -> npt.NDArray[np.int64]:
    labels, groups = table["label"].to_numpy(), table["group"].to_numpy()
    for label, count in table.groupby("label")["group"].nunique().items():
        if count < k:
            raise DataError(
                f"class {label!r} has {count} groups of images, too few for {k} parts ({key}); "
                "add images or use fewer parts."
            )
    folds = _deal(tuple(labels), tuple(groups), k, seed)
    for fold in range(k):
        missing = sorted(set(labels) - set(labels[folds == fold]))
        if missing:
            raise DataError(
                f"class {missing[0]!r} has too few groups to be in each of {k} parts ({key}); add images, use "
                "fewer parts, or try another split_seed."
            )
    return folds


@lru_cache(maxsize=4)  # every fold of every job uses the same split
def _deal(labels: tuple[str, ...], groups: tuple[str, ...], k: int, seed: int) -> npt.NDArray[np.int64]:
    if len(set(groups)) < len(groups):
        parts = StratifiedGroupKFold(k, shuffle=True, random_state=seed).split(labels, labels, groups)
    else:  # without groups the simpler splitter balances better and is faster
        parts = StratifiedKFold(k, shuffle=True, random_state=seed).split(labels, labels)
    folds = np.empty(len(labels), dtype=np.int64)
    for fold, (_, held_out) in enumerate(parts):
        folds[held_out] = fold
    return folds
