"""Crop faces from photos in parallel, each photo once, and write the manifest at the end."""

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image
from rich.progress import track

from facemask.config.keys import Values, flatten
from facemask.config.preparation_schemas import CropConfig, ImportConfig
from facemask.config.schemas import Crop
from facemask.config.typed import to_plain
from facemask.data.manifest import MANIFEST, read_manifest
from facemask.data.pictures import read_image
from facemask.data.preprocessing import Pixels
from facemask.detection.crop import cut, widen
from facemask.detection.detectors import SIDES, Boxes
from facemask.errors import DataError
from facemask.files import open_atomically, to_csv, write_atomically
from facemask.preparation.journal import Cropped, Face, Journal
from facemask.preparation.photos import Photo
from facemask.terminal import SafeConsole

PHOTOS = "photos.csv"  # result of each photo
COLUMNS = ["file", "photo", "label", "split", *SIDES, "score"]


@dataclass(frozen=True)
class Found:
    """The faces of a photo.

    Attributes:
        boxes: float32[N, 4]: left, top, right, bottom in pixels.
        labels: class folder of each face.
        scores: detection score of each face; None for annotated boxes.
    """

    boxes: Boxes
    labels: Sequence[str]
    scores: Sequence[float | None]


Find = Callable[[Photo, Pixels], Found]
Job = tuple[Photo, str]  # with a stamp of what its crops depend on


def crop_photos(photos: Sequence[Job], find: Find, config: CropConfig | ImportConfig, out: Journal) -> pd.DataFrame:
    """Crop the faces of all photos that are not done yet, and write the manifest of all.

    Crops of deleted photos are kept.

    Args:
        photos: all photos, each with a stamp; a changed stamp means that its crops are made again.
        find: function that returns the faces of a photo; called from several threads.
        config: crop shape, number of workers, and tolerated fraction of unreadable photos.
        out: folder of crops.

    Returns:
        One row per photo, as in ``photos.csv``: ``photo``, ``faces``, ``left_out`` and ``error``.

    Raises:
        DataError: the fraction of unreadable photos is above ``max_unreadable``.
    """
    out.forget_unreadable({photo.name for photo, _ in photos})
    pending = [job for job in photos if not out.has(*job)]
    if pending:
        # Without a manifest, crops of one photo could be on both sides of a split.
        if not (out.folder / MANIFEST).exists():
            _write_manifest(out.folder, [])
        console, title = SafeConsole(stderr=True), f"Cropping {len(pending):,} photos"
        crop = partial(_crop, find=find, shape=config.crop, max_faces=config.max_faces, out=out.folder)
        with closing(_in_parallel(crop, pending, n_workers(config))) as jobs:
            for cropped in track(jobs, title, len(pending), console=console, transient=console.is_terminal):
                out.add(cropped)
    done = [out.done[name] for name in sorted(out.done)]
    _check_readable(done, config.max_unreadable)
    rows = [(c.photo, len(c.faces), c.left_out, c.error) for c in done]
    table = pd.DataFrame(rows, columns=["photo", "faces", "left_out", "error"])
    write_atomically(out.folder / PHOTOS, to_csv(table))
    _write_manifest(out.folder, done)
    return table


def made_with(config: CropConfig | ImportConfig, **more: object) -> Values:
    """Return the settings that crops depend on, by dotted key: photos, crop shape and detector."""
    places = [str(Path(place).expanduser().resolve()) for place in config.photos]
    return dict(flatten({"photos": places, "crop": to_plain(config.crop)} | more))


def n_workers(config: CropConfig | ImportConfig) -> int:
    """Return the number of photos processed in parallel."""
    return config.workers or os.cpu_count() or 1


def _in_parallel(do: Callable[[Job], Cropped], jobs: Sequence[Job], n: int) -> Generator[Cropped]:
    """Yield the results of jobs in order, n jobs in parallel; jobs not started are cancelled when the caller stops."""
    pool = ThreadPoolExecutor(n)
    try:
        yield from pool.map(do, jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _crop(job: Job, find: Find, shape: Crop, max_faces: int, out: Path) -> Cropped:
    photo, stamp = job
    if photo.error:
        return Cropped(photo.name, stamp, [], error=photo.error)
    try:
        image = read_image(photo.file)
    except DataError as error:
        return Cropped(photo.name, stamp, [], error=str(error.__cause__ or error))
    found = find(photo, image)
    if len(found.boxes) > max_faces:
        return Cropped(photo.name, stamp, [], error=f"{len(found.boxes):,} faces, more than max_faces={max_faces}")
    height, width = image.shape[:2]
    inside = found.boxes.clip(0, [width, height] * 2)
    sides = (inside[:, 2:] - inside[:, :2]).min(axis=1)
    is_box = np.isfinite(found.boxes).all(axis=1) & (sides > 0)
    kept = np.flatnonzero(is_box & (sides >= shape.min_side)).tolist()
    corners = widen(inside[kept], shape.margin, shape.square, width, height)
    faces = []
    for i, pixels in zip(kept, cut(image, corners), strict=True):
        file = f"{found.labels[i]}/{photo.stem}_{i:03d}.png"
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        with open_atomically(out / file) as stream:
            Image.fromarray(pixels).save(stream, "png")
        left, top, right, bottom = (round(float(side), 1) for side in found.boxes[i])
        box, score = (left, top, right, bottom), found.scores[i]
        faces.append(Face(file, photo.name, found.labels[i], photo.split, *box, score, photo.source))
    return Cropped(photo.name, stamp, faces, left_out=len(found.boxes) - len(kept))


def _check_readable(done: Sequence[Cropped], allowed: float) -> None:
    bad = [cropped for cropped in done if cropped.error]
    if len(bad) > allowed * len(done):
        raise DataError(
            f"{len(bad)} of {len(done)} photos ({len(bad) / len(done):.1%}) cannot be read, more than "
            f"max_unreadable={allowed:g} allows; the first is {bad[0].photo} ({bad[0].error}): replace or delete "
            "them, or raise max_unreadable."
        )


def _write_manifest(out: Path, done: Sequence[Cropped]) -> None:
    """Write the manifest; columns that users added or filled in, such as ``split``, are kept."""
    made = [face for cropped in done for face in cropped.faces]
    places = where_now([face.file for face in made], out)
    rows = [
        asdict(face) | {"file": file, "label": file.partition("/")[0]}
        for face, file in zip(made, places, strict=True)
        if file
    ]
    has_sources = any(face.source for face in made)
    table = pd.DataFrame(rows, columns=[*COLUMNS, "source"] if has_sources else COLUMNS)
    if (file := out / MANIFEST).exists():
        before = read_manifest(file)
        # The user may have moved the file to another class folder.
        before.index = pd.Index([PurePosixPath(name).name for name in before["file"]])
        before = before[~before.index.duplicated()]
        known = [PurePosixPath(now).name for now in places if now]
        for name in [name for name in before if name == "split" or name not in table]:
            kept = before[name].reindex(known).reset_index(drop=True)
            table[name] = kept.fillna(table.get(name, ""))
    write_atomically(file, to_csv(table))


def where_now(files: Sequence[str], out: Path) -> list[str]:
    """Return where each crop is now: users move crops to other class folders or delete them (empty)."""
    made = set(files)
    paths = [path.relative_to(out).as_posix() for path in out.glob("*/**/*.png")]
    moved = {PurePosixPath(path).name: path for path in paths if path not in made}
    return [file if (out / file).is_file() else moved.get(PurePosixPath(file).name, "") for file in files]
