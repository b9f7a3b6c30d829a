"""Merged classes get the sum of their probabilities, and names that are not classes are refused."""

import numpy as np
import pytest

from facemask.data.classes import advised_merge, merge_probabilities, merged_names
from facemask.errors import ConfigError

THREE = ["mask", "no_mask", "wrong_mask"]


def test_probabilities_of_merged_classes_are_summed() -> None:
    probabilities = np.array([[0.5, 0.2, 0.3], [0.1, 0.3, 0.6]], dtype=np.float32)
    merged = merge_probabilities(probabilities, THREE, {"wrong_mask": "no_mask"})
    np.testing.assert_allclose(merged, [[0.5, 0.5], [0.1, 0.9]], atol=1e-7)
    assert merged.dtype == np.float32
    np.testing.assert_array_equal(merge_probabilities(probabilities, THREE, {}), probabilities)


def test_a_merged_class_may_get_a_new_name() -> None:
    assert merged_names(THREE, {"wrong_mask": "bare", "no_mask": "bare"}) == ["mask", "bare"]
    assert merged_names(THREE, {}) == THREE


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        (
            {"wrongmask": "no_mask"},
            "merge names 'wrongmask', which is not a class of the model; did you mean wrong_mask",
        ),
        ({"mask": "face", "no_mask": "face", "wrong_mask": "face"}, "merge leaves only the class 'face'"),
    ],
)
def test_invalid_merges_raise(merge: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        merged_names(THREE, merge)


def test_a_merge_is_advised_where_the_data_have_two_of_three_classes() -> None:
    assert advised_merge(THREE, ["mask", "no_mask"]) == "'merge={wrong_mask: no_mask}'"
    assert advised_merge(THREE, THREE) == ""
    assert advised_merge(["compliant", "non-compliant"], ["compliant"]) == ""
