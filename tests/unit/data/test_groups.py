"""Groups from file names: what an expression finds, and which expression is proposed."""

import pandas as pd
import pytest

from facemask.data.groups import groups_from_names, propose_groups
from facemask.errors import ConfigError, DataError


def test_the_first_group_of_the_expression_or_the_whole_match_in_the_name() -> None:
    paths = ["1/7_a.jpg", "1/8_b.jpg", "1/x.jpg"]  # the folder does not count
    assert groups_from_names(paths, r"^(\d)_") == ["7", "8", None]
    assert groups_from_names(paths, r"^\d_") == ["7_", "8_", None]


def test_a_wrong_expression_is_named() -> None:
    with pytest.raises(ConfigError, match=r"data.groups=\( is not a regular expression: missing \)"):
        groups_from_names(["a.jpg"], "(")
    with pytest.raises(DataError, match=r"matches none of 1 file names, the first is a.jpg; correct the expression"):
        groups_from_names(["x/a.jpg"], r"^\d")


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["{i:03d}.png", "{i:03d}_Uq7.png", "{i:03d}_k0Z.png"], 20),
        (["face{i}_jpg.rf.0a{i}.jpg", "face{i}_jpg.rf.0b{i}.jpg"], 20),
        (["ann {i}.jpg", "ann {i} (1).jpg", "ann {i} (2).jpg"], 20),
        (["ann-{i}.jpg", "ann-{i}-flipped.jpg"], None),  # also ann-1 and ann-2 may belong together
        (["street_{i}_0.png", "street_{i}_1.png"], 20),
        (["face_{i}.png"], None),
        (["{i:03d}.png"], None),
        (["IMG{i}.png"], None),
    ],
)
def test_names_that_repeat_within_a_class_are_proposed(names: list[str], groups: int | None) -> None:
    paths = [(f"{label}/{name.format(i=i)}", label) for label in "ab" for i in range(20) for name in names]
    table = pd.DataFrame(paths, columns=["path", "label"])
    pattern = propose_groups(table)
    assert bool(pattern) == (groups is not None)
    if pattern:
        found = groups_from_names(table["path"].tolist(), pattern)
        assert None not in found
        assert len(set(found)) == groups
