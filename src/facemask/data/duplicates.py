"""Pictures that are almost the same: what a training part must not share with a test part."""

import imagehash
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from facemask.data.preprocessing import Pixels

Hashes = npt.NDArray[np.uint64]
BITS = 12  # of the 64 of a perceptual hash, which near-duplicates may differ in
CORRELATION = 0.95  # of their grey values, at least: small faces have like hashes by chance
CHUNK_SIZE = 512  # images compared with all others: bounds memory


def perceptual_hashes(images: Pixels) -> Hashes:
    """Return a hash, uint64[N], of each of some images, uint8[N, S, S, 3], that survives scaling and compression.

    The low frequencies of a discrete cosine transform against their median (``imagehash.phash``).
    """
    bits = [imagehash.phash(Image.fromarray(np.asarray(image))).hash.reshape(-1) for image in images]
    return np.packbits(np.array(bits, dtype=bool).reshape(-1, 64), axis=1).view(np.uint64)[:, 0]


def near_duplicates(first: Pixels, second: Pixels | None = None) -> pd.DataFrame:
    """Find the pairs, one of each of two sets of images, that are the same picture but for scaling and compression.

    Args:
        first: uint8[N, S, S, 3].
        second: uint8[M, S, S, 3]; None finds the pairs within the first set, each once.

    Returns:
        One row a pair: ``first`` and ``second`` (their positions), ``bits`` (in which their hashes differ) and
        ``correlation`` (of their grey values), the most alike first.
    """
    is_one_set = second is None
    second = first if second is None else second
    hashes = perceptual_hashes(first)
    others = hashes if is_one_set else perceptual_hashes(second)
    found: list[tuple[int, int, int, float]] = []
    for start in range(0, len(hashes), CHUNK_SIZE):
        before = start if is_one_set else 0  # pairs with these have been looked at
        bits = np.bitwise_count(hashes[start : start + CHUNK_SIZE, None] ^ others[None, before:])
        for i, j in np.argwhere(bits <= BITS) + (start, before):
            if is_one_set and j <= i:
                continue
            correlation = _correlation(first[i], second[j])
            if correlation >= CORRELATION:
                found.append((int(i), int(j), int(bits[i - start, j - before]), correlation))
    table = pd.DataFrame(found, columns=["first", "second", "bits", "correlation"])
    return table.sort_values("correlation", ascending=False, ignore_index=True)


def _correlation(one: Pixels, other: Pixels) -> float:
    """Return the correlation of the grey values of two images; 0 where one is of a single value."""
    a, b = (np.asarray(image, dtype=np.float64).mean(axis=2).ravel() for image in (one, other))
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else 0.0
