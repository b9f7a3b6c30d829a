"""Altered copies: images that are rotated, mirrored, enlarged or recoloured versions of others.

Each image is compared with all turned, mirrored and enlarged versions of every other, by the correlation of the grey
values in a disc, which brightness, contrast and most changes of colour leave as it is.
"""

from itertools import product

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_matrix

from facemask.data.preprocessing import Pixels

CORRELATION = 0.97  # minimum; on 1,000 faces with 200 copies, 0 of the pairs above it were of different faces
ANGLES = tuple(range(-25, 26, 5))  # degrees
ZOOMS = (1.0, 1.12, 1.25)  # 1.25 shows the middle 80 % of an image
SIDE, DISC = 32, 20  # sides of the compared images and of their disc, pixels
BLUR = 0.6  # pixels; half of what the disc samples more coarsely
CHUNK_SIZE = 512  # images compared at a time; bounds memory

Floats = npt.NDArray[np.float32]


def middle(image: Pixels) -> Floats:
    """Return the grey middle square of an image, float32[SIDE, SIDE]."""
    height, width = image.shape[:2]
    if not image.size:
        return np.zeros((SIDE, SIDE), np.float32)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    grey = image[top : top + side, left : left + side].mean(axis=2, dtype=np.float32)
    interpolation = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=interpolation), np.float32)


def altered_copies(greys: Floats) -> pd.DataFrame:
    """Find pairs of images of which one is an altered copy of the other.

    Args:
        greys: float32[N, SIDE, SIDE] from :func:`middle`.

    Returns:
        One row per pair, most similar first: ``first`` and ``second`` (positions, ``first`` < ``second``),
        ``correlation``, and how the first must be changed to equal the second: ``degrees``, ``zoom``, ``is_mirrored``.
    """
    n = len(greys)
    flat = np.stack([cv2.GaussianBlur(grey, (0, 0), BLUR).ravel() for grey in greys]) if n else np.zeros((0, SIDE**2))
    versions = list(product((False, True), ANGLES, ZOOMS))
    samplers = [_sampler(*version) for version in versions]
    originals = _standardised(samplers[versions.index((False, 0, 1.0))] @ flat.T)
    found: dict[tuple[int, int], tuple[float, int, int]] = {}
    for start in range(0, n, CHUNK_SIZE):
        chunk = flat[start : start + CHUNK_SIZE].T
        best = np.full((chunk.shape[1], n), -1, np.float32)
        which = np.zeros(best.shape, np.int16)
        for number, sampler in enumerate(samplers):
            alike = _standardised(sampler @ chunk).T @ originals
            is_better = alike > best
            best[is_better], which[is_better] = alike[is_better], number
        for i, j in np.argwhere(best >= CORRELATION).tolist():
            pair, value = (min(i + start, j), max(i + start, j)), float(best[i, j])
            if pair[0] != pair[1] and value > found.get(pair, (-1.0,))[0]:
                found[pair] = value, int(which[i, j]), 1 if i + start == pair[0] else -1
    rows = [
        (*pair, value, direction * versions[v][1], versions[v][2] ** direction, versions[v][0])
        for pair, (value, v, direction) in found.items()
    ]
    columns = ["first", "second", "correlation", "degrees", "zoom", "is_mirrored"]
    table = pd.DataFrame(rows, columns=columns).astype({"first": int, "second": int})
    return table.sort_values("correlation", ascending=False, ignore_index=True)


def _sampler(is_mirrored: bool, degrees: int, zoom: float) -> csr_matrix:
    """Return the weights, [points of the disc, SIDE²], that sample a version of a flattened image."""
    step = SIDE / DISC
    places = (np.arange(DISC) + 0.5) * step - SIDE / 2
    x, y = (axis.ravel() for axis in np.meshgrid(places, places))
    inside = x**2 + y**2 <= (SIDE / 2) ** 2
    x, y = x[inside] / zoom, y[inside] / zoom
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, y = cos * x - sin * y, sin * x + cos * y
    x = -x if is_mirrored else x
    column, row = ((axis + SIDE / 2 - 0.5).clip(0, SIDE - 1) for axis in (x, y))
    left, top = (np.minimum(np.floor(axis), SIDE - 2).astype(int) for axis in (column, row))
    right, below = column - left, row - top
    weights = [(1 - right) * (1 - below), right * (1 - below), (1 - right) * below, right * below]
    corners = [top * SIDE + left + shift for shift in (0, 1, SIDE, SIDE + 1)]
    points = np.tile(np.arange(len(x)), 4)
    values = np.concatenate(weights).astype(np.float32)
    return csr_matrix((values, (points, np.concatenate(corners))), shape=(len(x), SIDE**2))


def _standardised(columns: npt.NDArray[np.floating]) -> Floats:
    """Return columns of mean 0 and length 1; zeros for constant ones, which are like nothing."""
    columns = columns - columns.mean(axis=0)
    lengths = np.linalg.norm(columns, axis=0)
    return np.asarray(np.where(lengths > 1e-3, columns / np.maximum(lengths, 1e-3), 0), np.float32)
