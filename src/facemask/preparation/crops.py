"""Cut the faces out of photos: each photo once, several at a time, and the manifest when all are done."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from rich.console import Console
from rich.progress import track

from facemask.config.compose import Settings
from facemask.data.index import MANIFEST, read_manifest
from facemask.data.pictures import read_image
from facemask.data.preprocessing import Pixels
from facemask.detection.crop import cut, widen
from facemask.detection.detectors import SIDES, Boxes
from facemask.errors import DataError
from facemask.files import replaced, write_atomically
from facemask.preparation.journal import Cropped, Journal
from facemask.preparation.photos import Photo
from facemask.sweeps.configurations import flatten

PHOTOS = "photos.csv"  # what has become of each photo
COLUMNS = ["file", "photo", "label", "split", *SIDES, "score"]


@dataclass(frozen=True)
class Found:
    """The faces of a photo.

    Attributes:
        boxes: float32[N, 4], left, top, right and bottom in pixels.
        labels: the class folder of each.
        scores: of each; None where a person has drawn the box.
    """

    boxes: Boxes
    labels: Sequence[str]
    scores: Sequence[float | None]


Find = Callable[[Photo, Pixels], Found]
Job = tuple[Photo, str]  # with what its crops are made from


def crop_photos(photos: Sequence[Job], find: Find, settings: Settings, out: Journal) -> None:
    """Cut the faces out of all photos that have not been done, and write the manifest of all.

    Crops of photos that have gone since stay.

    Args:
        photos: all there are, each with a word that changes when its crops are to be cut anew.
        find: where the faces of a photo are; called by several threads.
        settings: with ``crop``, ``workers`` and ``max_unreadable``.
        out: the folder of crops.

    Raises:
        DataError: the share of photos that cannot be read is above ``max_unreadable``.
    """
    out.forget_unreadable({photo.name for photo, _ in photos})
    pending = [job for job in photos if not out.has(*job)]
    if pending:
        if not (out.folder / MANIFEST).exists():  # crops without their photos are not to be trained on
            _write_manifest(out.folder, [])
        console, title = Console(stderr=True), f"Cropping {len(pending):,} photos"
        crop = partial(_crop, find=find, settings=settings["crop"], out=out.folder)
        with closing(_at_once(crop, pending, settings["workers"])) as jobs:
            for cropped in track(jobs, title, len(pending), console=console, transient=console.is_terminal):
                out.add(cropped)
    done = [out.done[name] for name in sorted(out.done)]
    _check_readable(done, settings["max_unreadable"])
    table = [(c.photo, len(c.faces), c.left_out, c.error) for c in done]
    header = ["photo", "faces", "left_out", "error"]
    write_atomically(out.folder / PHOTOS, pd.DataFrame(table, columns=header).to_csv(index=False))
    _write_manifest(out.folder, done)


def made_with(settings: Settings, **more: object) -> Settings:
    """Return what crops depend on, by dotted key: the photos, how they are cut, and how faces are found."""
    places = [str(Path(place).expanduser().resolve()) for place in settings["photos"]]
    return dict(flatten({"photos": places, "crop": settings["crop"]} | more))


def _at_once(do: Callable[[Job], Cropped], jobs: Sequence[Job], n: int) -> Generator[Cropped]:
    """Yield what the jobs come to, in order, n of them being done at a time; jobs not begun end with the caller."""
    pool = ThreadPoolExecutor(n)
    try:
        yield from pool.map(do, jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _crop(job: Job, find: Find, settings: Settings, out: Path) -> Cropped:
    photo, stamp = job
    try:
        image = read_image(photo.file)
    except DataError as error:
        return Cropped(photo.name, stamp, [], error=str(error.__cause__ or error))
    found = find(photo, image)
    height, width = image.shape[:2]
    inside = found.boxes.clip(0, [width, height] * 2)
    sides = (inside[:, 2:] - inside[:, :2]).min(axis=1)
    is_box = np.isfinite(found.boxes).all(axis=1) & (sides > 0)
    kept = np.flatnonzero(is_box & (sides >= settings["min_side"])).tolist()
    corners = widen(inside[kept], settings["margin"], settings["square"], width, height)
    faces = []
    for i, pixels in zip(kept, cut(image, corners), strict=True):
        file = f"{found.labels[i]}/{photo.stem}_{i:03d}.png"
        (out / file).parent.mkdir(parents=True, exist_ok=True)
        with replaced(out / file) as stream:
            Image.fromarray(pixels).save(stream, "png")
        row: dict[str, Any] = {"file": file, "photo": photo.name, "label": found.labels[i], "split": photo.split}
        box = dict(zip(SIDES, (round(float(side), 1) for side in found.boxes[i]), strict=True))
        faces.append(row | box | {"score": found.scores[i]})
    return Cropped(photo.name, stamp, faces, left_out=len(found.boxes) - len(kept))


def _check_readable(done: Sequence[Cropped], allowed: float) -> None:
    bad = [cropped for cropped in done if cropped.error]
    if len(bad) > allowed * len(done):
        raise DataError(
            f"{len(bad)} of {len(done)} photos ({len(bad) / len(done):.1%}) cannot be read, more than "
            f"max_unreadable={allowed:g} allows; the first is {bad[0].photo}: replace or delete them, or raise "
            "max_unreadable."
        )


def _write_manifest(out: Path, done: Sequence[Cropped]) -> None:
    """Write the manifest; what has been said of a face there since, such as its part, stays."""
    made = [row for cropped in done for row in cropped.faces]
    places = where_now([str(row["file"]) for row in made], out)
    rows = [
        row | {"file": file, "label": file.partition("/")[0]} for row, file in zip(made, places, strict=True) if file
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    if (file := out / MANIFEST).exists():
        before = read_manifest(file)
        before.index = pd.Index([PurePosixPath(name).name for name in before["file"]])  # its folder may have changed
        before = before[~before.index.duplicated()]
        known = [PurePosixPath(now).name for now in places if now]
        for name in [name for name in before if name == "split" or name not in COLUMNS]:
            said = before[name].reindex(known).reset_index(drop=True)
            table[name] = said.fillna(table.get(name, ""))
    write_atomically(file, table.to_csv(index=False))


def where_now(files: Sequence[str], out: Path) -> list[str]:
    """Return where each crop is, as people sort them by hand: in another class folder, or nowhere (empty)."""
    made = set(files)
    paths = [path.relative_to(out).as_posix() for path in out.glob("*/**/*.png")]
    moved = {PurePosixPath(path).name: path for path in paths if path not in made}
    return [file if (out / file).is_file() else moved.get(PurePosixPath(file).name, "") for file in files]
