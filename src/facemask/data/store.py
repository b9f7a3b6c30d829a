"""Decoded images of a data set as one array on disk, shared by all folds, jobs and workers."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock, Timeout
from rich.progress import track

from facemask.data.pictures import read_image
from facemask.data.preprocessing import Pixels, square
from facemask.errors import DataError
from facemask.terminal import SafeConsole

FORMAT = 2  # increment when the stored pixels of an unchanged file change
CHUNK = 512  # images decoded ahead of the writer; bounds memory
SMALL = 20_000  # mean file size, bytes, below which decoding in threads is slower than in one
IMAGES, SAMPLES, DIGEST = "images.npy", "samples.parquet", "sha256"


@dataclass(frozen=True)
class Store:
    """The decoded images.

    Attributes:
        images: uint8[N, S, S, 3], RGB, memory-mapped read-only; an unreadable file's row is black.
        samples: one row per image, in the same order: ``path``, ``width`` and ``height`` in pixels as decoded, and
            ``error``, empty for readable files.
        digest: SHA-256 of the pixels, independent of where the files are.
    """

    images: npt.NDArray[np.uint8]
    samples: pd.DataFrame
    digest: str


def open_store(root: Path, paths: Sequence[str], size: int, folder: Path) -> Store:
    """Open the store of these files; build it first if it does not exist.

    The key is a hash of paths, file sizes, modification times and ``size``. If several processes open the same store,
    the first builds it and the others wait. A store gets its name only when it is complete, so a killed build leaves no
    usable store.

    Args:
        root: the data set.
        paths: files below root, sorted.
        size: side of the stored squares, pixels.
        folder: folder of all stores; any of them may be deleted at any time.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    target = folder / _key(root, paths, size)
    if store := _read(target, len(paths), size):
        return store
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        with FileLock(_lock_of(target)):
            store = _read(target, len(paths), size)  # another process may have built it while this one waited
            if store is None:
                _build(root, paths, size, target)
                store = _read(target, len(paths), size)
    except OSError as error:
        needed = len(paths) * size * size * 3 / 1e6
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DataError(
                f"not enough disk space: the decoded images need {needed:,.0f} MB in data.store_dir={folder}. Free "
                "some space, use another data.store_dir, or lower data.store_size or data.fraction."
            ) from error
        raise DataError(
            f"data.store_dir={folder} cannot be written ({error.strerror}); choose a writable folder."
        ) from error
    if store is None:
        raise DataError(f"{target} was damaged during building; run again, or choose another data.store_dir.")
    return store


def check_readable(store: Store, allowed: float) -> pd.DataFrame:
    """Return the unreadable files (``path``, ``error``).

    Raises:
        DataError: their fraction is above ``allowed``.
    """
    bad = store.samples.loc[store.samples["error"] != "", ["path", "error"]].reset_index(drop=True)
    fraction = len(bad) / len(store.samples)
    if fraction > allowed:
        raise DataError(
            f"{len(bad)} of {len(store.samples)} images ({fraction:.1%}) cannot be read, more than "
            f"data.max_unreadable={allowed:g} allows; the first is {bad['path'].iloc[0]}: replace or delete them, or "
            "raise data.max_unreadable."
        )
    return bad


def _key(root: Path, paths: Sequence[str], size: int) -> str:
    digest = hashlib.sha256(f"{FORMAT} {size}".encode())
    for path in paths:
        status = (root / path).stat()
        digest.update(f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()[:24]


def _lock_of(target: Path) -> Path:
    return target.with_suffix(".lock")


def _partial_of(target: Path) -> Path:
    return target.with_suffix(".partial")


def _read(target: Path, n: int, size: int) -> Store | None:
    """Return the store, or None if it is missing or truncated by a power failure."""
    try:
        images = np.load(target / IMAGES, mmap_mode="r")
        samples = pd.read_parquet(target / SAMPLES)
        digest = (target / DIGEST).read_text()
    except (OSError, ValueError):  # pyarrow raises either for damaged files
        return None
    if images.shape != (n, size, size, 3) or len(samples) != n:
        return None
    return Store(images, samples, digest)


def _remove_abandoned(folder: Path) -> None:
    """Remove the remains of killed builds; a running build holds its lock."""
    for partial in folder.glob("*.partial"):
        try:
            with FileLock(_lock_of(partial), timeout=0):
                shutil.rmtree(partial, ignore_errors=True)
        except Timeout:
            continue


def _build(root: Path, paths: Sequence[str], size: int, target: Path) -> None:
    partial = _partial_of(target)
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)  # exists only if damaged
    partial.mkdir()
    try:
        digest, samples = _decode(root, paths, size, partial / IMAGES)
        samples.to_parquet(partial / SAMPLES, index=False)
        (partial / DIGEST).write_text(digest)
        for file in partial.iterdir():
            _flush(file)
        partial.rename(target)
        _flush(target.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _decode(root: Path, paths: Sequence[str], size: int, file: Path) -> tuple[str, pd.DataFrame]:
    """Write the array; return the digest of its pixels and the samples table."""

    def decode(path: str) -> tuple[Pixels, tuple[str, int, int, str]]:
        try:
            image = read_image(root / path)
        except DataError as error:
            return np.zeros((size, size, 3), np.uint8), (path, 0, 0, str(error.__cause__ or error))
        return square(image, size), (path, image.shape[1], image.shape[0], "")

    rows: list[tuple[str, int, int, str]] = []
    digest = hashlib.sha256()
    starts = range(0, len(paths), CHUNK)
    is_small = sum((root / path).stat().st_size for path in paths) < SMALL * len(paths)
    # Plain writes instead of a writable memory map: on a full disk a map kills the process, a write raises.
    with file.open("wb") as stream, ThreadPoolExecutor(os.cpu_count()) as pool:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), size, size, 3)}
        np.lib.format.write_array_header_1_0(stream, header)
        title = f"Decoding {len(paths):,} images, once"
        console = SafeConsole(stderr=True)
        for start in track(starts, title, console=console, transient=console.is_terminal):
            chunk = paths[start : start + CHUNK]
            for image, row in map(decode, chunk) if is_small else pool.map(decode, chunk):
                stream.write(image.tobytes())
                digest.update(image.tobytes())
                rows.append(row)
    return digest.hexdigest(), pd.DataFrame(rows, columns=["path", "width", "height", "error"])


def _flush(path: Path) -> None:
    """Flush a file to disk, so that it is complete after a power failure that follows the rename."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fingerprint(store: Store, table: pd.DataFrame) -> str:
    """Return a short hash of the data of a run: pixels and each image's label, group and split."""
    return _short_hash(store.digest, table)


def samples_digest(store: Store, table: pd.DataFrame) -> str:
    """Return a short hash like :func:`fingerprint`, but with the images' original sizes instead of their pixels."""
    sizes = store.samples[["path", "width", "height"]].to_numpy().tolist()
    return _short_hash(json.dumps(sizes), table)


def _short_hash(images: str, table: pd.DataFrame) -> str:
    digest = hashlib.sha256(images.encode())
    columns = table[["path", "label", "group", "split"]]
    digest.update(json.dumps(columns.to_numpy().tolist()).encode())
    return digest.hexdigest()[:16]
