"""Matches are one to one, and average precision follows its definition."""

import numpy as np
import pytest

from facemask.detection.matching import average_precision, box_iou, match, weighted_average_precision


def test_overlap_is_intersection_over_union() -> None:
    first = np.array([[0, 0, 10, 10], [5, 5, 5, 9]], np.float32)
    second = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    assert np.allclose(box_iou(first, second), [[1, 1 / 3, 0], [0, 0, 0]])
    assert box_iou(first[:0], second).shape == (0, 3)


def test_highest_score_matches_first_and_each_face_matches_once() -> None:
    truth = np.array([[0, 0, 10, 10], [8, 0, 18, 10]], np.float32)
    found = np.array([[1, 0, 11, 10], [0, 0, 10, 10], [9, 0, 19, 10], [40, 40, 50, 50]], np.float32)
    assert match(found, truth).tolist() == [0, -1, 1, -1]
    assert match(found, truth[:0]).tolist() == [-1, -1, -1, -1]
    assert match(found[:0], truth).tolist() == []


def test_average_precision_by_hand() -> None:
    assert average_precision([0.9, 0.8, 0.7], [True, False, True], 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([0.7, 0.9], [False, True], 4) == pytest.approx(0.25)
    assert average_precision([], [], 3) == 0
    assert np.isnan(average_precision([], [], 0))


def test_iou_of_boxes_that_are_not_square_small_or_empty() -> None:
    boxes = np.array([[1, 2, 11, 42], [0, 0, 0.5, 0.5], [3, 3, 3, 9]], np.float32)
    with np.errstate(all="raise"):
        assert box_iou(boxes, boxes).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_match_needs_the_threshold_exactly() -> None:
    truth = np.array([[0, 0, 10, 10]], np.float32)
    half = np.array([[0, 0, 10, 5]], np.float32)
    assert match(half, truth, 0.5).tolist() == [0]
    assert match(half, truth, 0.51).tolist() == [-1]


def test_average_precision_without_faces_is_undefined() -> None:
    assert np.isnan(average_precision([0.5], [False], 0))


def test_each_resample_has_the_average_precision_of_its_own_detections() -> None:
    scores, is_hit = np.array([0.9, 0.5, 0.7, 0.7]), np.array([True, True, False, True])
    weights = np.array([[1, 1, 1, 1], [0, 2, 1, 1], [3, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]], np.float64)
    n_true = np.array([3, 4, 5, 0, 1])
    with np.errstate(all="raise"):
        found = weighted_average_precision(scores, is_hit, weights, n_true)
    for row, n, value in zip(weights.astype(int), n_true, found, strict=True):
        drawn = np.repeat(np.arange(4), row)  # in one resample, equal detections stand together
        expected = average_precision(scores[drawn].tolist(), is_hit[drawn].tolist(), n) if n else np.nan
        assert value == pytest.approx(expected, nan_ok=True)
    assert found[-1] == pytest.approx(2.0)  # two hits of one face: the caller matches each face once


def test_overlap_of_two_empty_boxes_is_zero() -> None:
    empty = np.array([[5, 5, 5, 5]], np.float32)
    assert box_iou(empty, empty).tolist() == [[0.0]]
