"""Near-duplicate images, which must not be on both sides of a split."""

from typing import Any

import imagehash
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from facemask.data.preprocessing import Pixels

Hashes = npt.NDArray[np.uint64]
BITS = 12  # maximum Hamming distance of the 64-bit perceptual hashes of near-duplicates
CORRELATION = 0.95  # minimum correlation of grey values, because small faces can have similar hashes by chance
SIDE = 64  # side at which an audit compares images, pixels
CHUNK_SIZE = 512  # images compared at a time; bounds memory


def perceptual_hashes(images: Pixels) -> Hashes:
    """Return perceptual hashes, uint64[N], of images, uint8[N, S, S, 3].

    Low frequencies of a discrete cosine transform, thresholded at their median (``imagehash.phash``). The hash is
    robust against scaling and compression.
    """
    bits = [imagehash.phash(Image.fromarray(np.asarray(image))).hash.reshape(-1) for image in images]
    return np.packbits(np.array(bits, dtype=bool).reshape(-1, 64), axis=1).view(np.uint64)[:, 0]


def near_duplicates(first: Pixels, second: Pixels | None = None) -> pd.DataFrame:
    """Find pairs of images that differ only by scaling and compression.

    Args:
        first: uint8[N, S, S, 3].
        second: uint8[M, S, S, 3]; None finds pairs within ``first``, each once.

    Returns:
        One row per pair, most similar first: ``first`` and ``second`` (positions), ``bits`` (Hamming distance of the
        hashes) and ``correlation`` (of the grey values).
    """
    is_one_set = second is None
    second = first if second is None else second
    hashes = perceptual_hashes(first)
    others = hashes if is_one_set else perceptual_hashes(second)
    found: list[tuple[int, int, int, float]] = []
    for start in range(0, len(hashes), CHUNK_SIZE):
        before = start if is_one_set else 0  # earlier images have been compared already
        bits = np.bitwise_count(hashes[start : start + CHUNK_SIZE, None] ^ others[None, before:])
        for i, j in np.argwhere(bits <= BITS) + (start, before):
            if is_one_set and j <= i:
                continue
            alike = correlation(first[i], second[j])
            if alike >= CORRELATION:
                found.append((int(i), int(j), int(bits[i - start, j - before]), alike))
    table = pd.DataFrame(found, columns=["first", "second", "bits", "correlation"])
    return table.sort_values("correlation", ascending=False, ignore_index=True)


def correlation(one: Pixels, other: Pixels) -> float:
    """Return the correlation of the grey values of two images, uint8[H, W, 3]; 0 if one of them is constant."""
    return grey_correlation(*(np.asarray(image, dtype=np.float64).mean(axis=2) for image in (one, other)))


def grey_correlation(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Do the same for grey images, [H, W]."""
    a, b = (np.asarray(image, dtype=np.float64).ravel() for image in (one, other))
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else 0.0
