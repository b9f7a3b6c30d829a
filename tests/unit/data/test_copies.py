"""Copies that were turned, mirrored, enlarged or recoloured are found, and different faces are not taken for copies."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from skimage.data import lfw_subset

from facemask.data.copies import altered_copies, middle
from facemask.data.preprocessing import Pixels

Change = Callable[[Pixels, np.random.Generator], Pixels]


@pytest.fixture(scope="module")
def faces() -> list[Pixels]:
    """A hundred real faces of a hundred persons, of different sizes."""
    rng = np.random.default_rng(0)
    found = []
    for grey in lfw_subset()[:100]:
        side = int(rng.integers(24, 90))
        larger = cv2.resize((grey * 255).astype(np.float32), (side, side + side // 8), interpolation=cv2.INTER_CUBIC)
        found.append((larger[..., None] * rng.uniform(0.6, 1, 3)).clip(0, 255).astype(np.uint8))
    return found


def turned(image: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), float(rng.uniform(-25, 25)), 1)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.uint8)


def enlarged(image: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    inner = image[height // 10 : height - height // 10, width // 10 : width - width // 10]
    return np.asarray(cv2.resize(inner, (width, height)), np.uint8)


def recoloured(image: Pixels, rng: np.random.Generator) -> Pixels:
    swapped = image[..., rng.permutation(3)] * rng.uniform(0.7, 1.1) + rng.uniform(-15, 15)
    return swapped.clip(0, 255).astype(np.uint8)


def mirrored(image: Pixels, rng: np.random.Generator) -> Pixels:
    return image[:, ::-1]


@pytest.mark.parametrize("change", [turned, enlarged, recoloured, mirrored])
def test_copies_among_faces_are_found_and_nothing_else(faces: list[Pixels], change: Change) -> None:
    rng = np.random.default_rng(1)
    copied = rng.permutation(len(faces))[:25]
    images = [*faces, *(change(faces[i], rng) for i in copied)]
    found = altered_copies(np.stack([middle(image) for image in images]))
    pairs = set(zip(found["first"], found["second"], strict=True))
    truth = {(int(i), len(faces) + n) for n, i in enumerate(copied)}
    assert len(pairs & truth) >= 0.95 * len(truth)
    assert len(pairs - truth) <= 0.01 * len(truth)


def test_the_change_is_told(faces: list[Pixels]) -> None:
    matrix = cv2.getRotationMatrix2D((31.5, 31.5), 15, 1.0)
    first = np.asarray(cv2.resize(faces[0], (64, 64)), np.uint8)
    second = np.asarray(cv2.warpAffine(first, matrix, (64, 64)), np.uint8)
    (row,) = altered_copies(np.stack([middle(first), middle(second)])).to_dict(orient="records")
    assert (row["first"], row["second"], abs(row["degrees"]), row["zoom"], row["is_mirrored"]) == (0, 1, 15, 1, False)


def test_black_and_missing_images_are_like_nothing() -> None:
    black = middle(np.zeros((9, 5, 3), np.uint8))
    assert altered_copies(np.stack([black, black, middle(np.zeros((0, 0, 3), np.uint8))])).empty
    assert altered_copies(np.zeros((0, 32, 32), np.float32)).empty
