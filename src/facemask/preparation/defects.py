"""Defects of a data set. Pure functions: tables in, a table of findings out."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

DARK, FLAT = 24, 2.0  # brightest value and standard deviation below which nothing can be seen, of 255
PAIRS = ("exact_duplicates", "near_duplicates", "altered_copies")
COLUMNS = ["finding", "file", "label", "split", "group", "other", "other_label", "other_split", "other_group", "detail"]


def find_defects(
    table: pd.DataFrame,
    near: pd.DataFrame,
    altered: pd.DataFrame,
    min_side: int,
    max_aspect: float,
    max_imbalance: float,
) -> pd.DataFrame:
    """Return all defects.

    Args:
        table: an index with ``width`` and ``height`` in pixels, ``error`` (empty for readable files) and ``digest`` (of
            the file's bytes) and ``brightest`` and ``contrast`` (maximum and standard deviation of the grey values,
            0 to 255).
        near: pairs of near-duplicates: ``first`` and ``second`` (rows of the table), ``bits`` and ``correlation``.
        altered: pairs of altered copies, from :func:`facemask.data.copies.altered_copies`.
        min_side: images with a shorter side are tiny, pixels.
        max_aspect: maximum ratio of the longer to the shorter side.
        max_imbalance: maximum ratio of the largest class to another, in images.

    Returns:
        One row per finding: its kind, the image, for pairs the other image, and details.
    """
    table = table.reset_index(drop=True)
    if (table["split"] == "test").any():  # everything else is then training data
        table = table.assign(split=table["split"].replace("", "train"))
    whole = table[table["error"] == ""]
    pairs = pd.concat([_exact_pairs(whole), _near_pairs(whole, near)], ignore_index=True)
    pairs = pd.concat([pairs, _altered_pairs(whole, altered, pairs)], ignore_index=True)
    one, other = (table.loc[pairs[side]].reset_index(drop=True) for side in ("first", "second"))
    parts = [
        _findings("unreadable", table[table["error"] != ""], detail=table["error"]),
        *(_pairs(kind, one, other, pairs, pairs["kind"] == kind) for kind in PAIRS),
        _pairs("label_conflicts", one, other, pairs, one["label"] != other["label"]),
        _pairs("duplicates_across_splits", one, other, pairs, one["split"] != other["split"]),
        _pairs("duplicates_across_groups", one, other, pairs, one["group"] != other["group"]),
        _torn_groups(table),
        *_odd_shapes(whole, min_side, max_aspect),
        _flat(whole),
        _imbalance(whole, max_imbalance),
    ]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)[COLUMNS].fillna("")


def _exact_pairs(whole: pd.DataFrame) -> pd.DataFrame:
    """Return all pairs of files with the same bytes."""
    pairs = [pair for rows in whole.groupby("digest").groups.values() for pair in combinations(rows, 2)]
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    return pd.DataFrame({"kind": PAIRS[0], "first": first, "second": second, "detail": "same bytes"})


def _near_pairs(whole: pd.DataFrame, near: pd.DataFrame) -> pd.DataFrame:
    near = near[near["first"].isin(whole.index) & near["second"].isin(whole.index)]
    digests = (whole["digest"].reindex(near[side]).to_numpy() for side in ("first", "second"))
    near = near[np.not_equal(*digests)]
    detail = [f"{b} of 64 bits, correlation {c:.3f}" for b, c in zip(near["bits"], near["correlation"], strict=True)]
    return pd.DataFrame({"kind": PAIRS[1], "first": near["first"], "second": near["second"], "detail": detail})


def _altered_pairs(whole: pd.DataFrame, altered: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of altered copies that are not known as duplicates."""
    altered = altered[altered["first"].isin(whole.index) & altered["second"].isin(whole.index)]
    is_known = set(map(frozenset, zip(known["first"], known["second"], strict=True)))
    is_new = [frozenset(pair) not in is_known for pair in zip(altered["first"], altered["second"], strict=True)]
    altered = altered[np.array(is_new, bool)]
    detail = [
        f"{', mirrored' * mirrored}, turned by {degrees:g} degrees, scaled by {zoom:.2f}, correlation {alike:.3f}"[2:]
        for alike, degrees, zoom, mirrored in zip(
            *(altered[name] for name in ("correlation", "degrees", "zoom", "is_mirrored")), strict=True
        )
    ]
    return pd.DataFrame({"kind": PAIRS[2], "first": altered["first"], "second": altered["second"], "detail": detail})


def _findings(kind: str, rows: pd.DataFrame, detail: "pd.Series[str]") -> pd.DataFrame:
    named = rows[["path", "label", "split", "group"]].rename(columns={"path": "file"})
    empty = {name: "" for name in COLUMNS if name.startswith("other")}
    return named.assign(finding=kind, detail=detail.reindex(rows.index), **empty)


def _pairs(
    kind: str, one: pd.DataFrame, other: pd.DataFrame, pairs: pd.DataFrame, which: "pd.Series[bool]"
) -> pd.DataFrame:
    found = _findings(kind, one[which], pairs["detail"])
    theirs = other[which]
    return found.assign(
        other=theirs["path"], other_label=theirs["label"], other_split=theirs["split"], other_group=theirs["group"]
    )


def _torn_groups(table: pd.DataFrame) -> pd.DataFrame:
    """Return one finding per group with images in two parts: the first image of each."""
    first = table.drop_duplicates(["group", "split"])
    torn = first[first.duplicated("group", keep=False)]
    one = torn.drop_duplicates("group", keep="first").reset_index(drop=True)
    other = torn.drop_duplicates("group", keep="last").reset_index(drop=True)
    counts = table.groupby("group")["split"].value_counts()
    detail = [", ".join(f"{n} in {split}" for split, n in sorted(counts[group].items())) for group in one["group"]]
    return _pairs("groups_across_splits", one, other, pd.DataFrame({"detail": detail}), one["path"].notna())


def _odd_shapes(whole: pd.DataFrame, min_side: int, max_aspect: float) -> Iterator[pd.DataFrame]:
    sides = whole[["width", "height"]]
    shorter, longer = sides.min(axis=1), sides.max(axis=1)
    size = whole["width"].astype(str) + " x " + whole["height"].astype(str) + " pixels"
    yield _findings("tiny", whole[shorter < min_side], size)
    yield _findings("extreme_aspect", whole[longer > max_aspect * shorter], size)


def _flat(whole: pd.DataFrame) -> pd.DataFrame:
    """Return one finding per image in which nothing can be seen."""
    rows = whole[(whole["brightest"] < DARK) | (whole["contrast"] < FLAT)]
    detail = [f"brightest {b:.0f}, contrast {c:.1f} of 255" for b, c in rows[["brightest", "contrast"]].to_numpy()]
    return _findings("flat", rows, pd.Series(detail, rows.index, dtype=str))


def _imbalance(whole: pd.DataFrame, at_most: float) -> pd.DataFrame:
    """Return one finding per class that is too small compared with the largest."""
    counts = whole["label"].value_counts()
    small = counts[counts * at_most < counts.max()]
    rows = pd.DataFrame({"path": "", "label": small.index, "split": "", "group": ""})
    detail = [f"{n:,} images; {counts.index[0]} has {counts.max():,}" for n in small]
    return _findings("imbalance", rows, pd.Series(detail, dtype=str))
