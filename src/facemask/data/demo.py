"""The demo set: real faces from scikit-image's wheel with drawn masks. Needs no download.

The faces are the first hundred images of ``skimage.data.lfw_subset`` (25 x 25 pixels, grey), a sample of Labeled Faces
in the Wild (Huang et al., 2007). Each face gives ten images in three classes. The set is for trying every command, not
for comparing models, because its masks are drawn.
"""

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock
from PIL import Image
from skimage.data import lfw_subset

from facemask.data.duplicates import CORRELATION, SIDE, correlation, near_duplicates
from facemask.data.manifest import MANIFEST
from facemask.data.preprocessing import Pixels, square
from facemask.errors import DataError

VERSION = "2"  # increment when the images change; sets of another version are regenerated
MARK = "demo-version"
SEED = 20200311  # fixed, so that everybody has the same images
N_FACES = 100
LABELS = ["mask"] * 4 + ["no_mask"] * 4 + ["wrong_mask"] * 2  # labels of the ten images of one face
CANVAS = 100  # side of the drawing, pixels, before it is reduced to its final size

Random = np.random.Generator
Canvas = npt.NDArray[Any]  # float32[CANVAS, CANVAS, 3], 0 to 255

# Cloth colours, RGB: surgical blue, white, black, green, pink, grey, and two close to skin.
CLOTHS = [(120, 175, 215), (232, 234, 236), (35, 36, 42), (110, 185, 150), (215, 150, 170)]
CLOTHS += [(125, 128, 132), (205, 165, 140), (135, 95, 75)]
# Skin tints, RGB factors of the grey face.
TINTS = [(1.12, 0.98, 0.88), (1.08, 0.90, 0.76), (1.02, 0.80, 0.62), (0.80, 0.60, 0.46), (1.10, 0.93, 0.86)]


def make_demo(root: Path) -> None:
    """Write the demo set to ``root/{mask,no_mask,wrong_mask}`` with a manifest, unless it exists.

    Raises:
        DataError: ``root`` contains other data.
    """
    if _is_current(root):
        return
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(root.with_suffix(".lock")):
            if not _is_current(root):
                _write(root)
    except OSError as error:
        raise DataError(f"the demo set cannot be written to data.root={root} ({error.strerror}).") from error


def _is_current(root: Path) -> bool:
    if not root.exists():
        return False
    mark = root / MARK
    if not mark.is_file():
        raise DataError(
            f"data=demo generates its own set, but data.root={root} contains other files; for your own folder use "
            f"data=folder data.root={root}."
        )
    return mark.read_text() == VERSION


def _write(root: Path) -> None:
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    rows = []
    for face, grey in enumerate(lfw_subset()[:N_FACES]):  # type: ignore[no-untyped-call]
        for i, (label, image) in enumerate(zip(LABELS, draw_face(grey, face), strict=True)):
            name = f"{label}/face{face:03d}_{i}.png"
            (partial / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(partial / name)
            rows.append((name, label, f"face{face:03d}"))
    pd.DataFrame(rows, columns=["file", "label", "group"]).to_csv(partial / MANIFEST, index=False)
    (partial / MARK).write_text(VERSION)
    shutil.rmtree(root, ignore_errors=True)  # an older version of the set
    partial.rename(root)


def draw_face(grey: npt.NDArray[np.float64], face: int) -> list[Pixels]:
    """Return the images of a face in the order of ``LABELS``, none a near-duplicate of another."""
    images: list[Pixels] = []
    for i, label in enumerate(LABELS):
        rng = np.random.default_rng([SEED, face, i])
        image = draw(grey, label, rng)
        while _is_repeated(image, images):
            image = draw(grey, label, rng)
        images.append(image)
    return images


def _is_repeated(image: Pixels, others: list[Pixels]) -> bool:
    """Return whether an audit would find an image among others."""
    one, *rest = (square(each, SIDE) for each in (image, *others))
    alike = [other for other in rest if correlation(one, other) >= CORRELATION]  # the hashes take longer
    return bool(alike) and not near_duplicates(one[None], np.stack(alike)).empty


def draw(grey: npt.NDArray[np.float64], label: str, rng: Random) -> Pixels:
    """Return one image, uint8[h, w, 3] with sides of 12 to 48 pixels, from a grey face, float64[25, 25] in [0, 1]."""
    canvas: Canvas = cv2.resize((grey * 255).astype(np.float32), (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC)
    canvas = canvas[..., None] * np.array(TINTS[rng.integers(len(TINTS))], np.float32)
    if label == "mask":
        canvas = _mask(canvas, top=rng.uniform(46, 58), bottom=rng.uniform(92, 104), rng=rng)
    elif label == "wrong_mask" and rng.random() < 0.6:  # under the nose
        canvas = _mask(canvas, top=rng.uniform(66, 74), bottom=rng.uniform(94, 106), rng=rng)
    elif label == "wrong_mask":  # on the chin
        canvas = _mask(canvas, top=rng.uniform(80, 87), bottom=rng.uniform(100, 112), rng=rng)
    elif rng.random() < 0.3:
        canvas = _scarf(canvas, rng)
    if rng.random() < 0.25:
        canvas = _hand(canvas, rng)
    return _photograph(canvas, rng)


def _cloth(rng: Random) -> Canvas:
    """Return a cloth texture: one colour with horizontal shading, and folds or a print."""
    x = np.linspace(-1, 1, CANVAS, dtype=np.float32)
    colour = np.array(CLOTHS[rng.integers(len(CLOTHS))], np.float32) + rng.normal(0, 10, 3)
    shade = 1 - rng.uniform(0.05, 0.3) * (x - rng.uniform(-0.4, 0.4)) ** 2
    folds = 1 + rng.uniform(0, 0.06) * np.sin(np.linspace(0, rng.uniform(15, 30), CANVAS))[:, None]
    cloth = colour * (shade[None, :] * folds)[..., None]
    if rng.random() < 0.2:
        dots = rng.random((CANVAS // 8 + 1, CANVAS // 8 + 1)).astype(np.float32)
        cloth *= 0.8 + 0.4 * cv2.resize(dots, (CANVAS, CANVAS), interpolation=cv2.INTER_LINEAR)[..., None]
    return cloth.astype(np.float32)


def _mask(canvas: Canvas, top: float, bottom: float, rng: Random) -> Canvas:
    """Draw a mask with ear loops from row ``top`` (over the nose) to row ``bottom``."""
    middle, half = rng.normal(50, 2.5), rng.uniform(32, 39)
    edge = top + rng.uniform(5, 11)  # the upper edge is lower at the cheeks than at the nose
    outline = np.array(
        [
            (middle - half, edge),
            (middle - half * 0.45, top + 2),
            (middle, top),
            (middle + half * 0.45, top + 2),
            (middle + half, edge),
            (middle + half * 0.85, (edge + bottom) / 2 + 6),
            (middle + half * 0.45, bottom),
            (middle - half * 0.45, bottom),
            (middle - half * 0.85, (edge + bottom) / 2 + 6),
        ]
    )
    tilt = np.deg2rad(rng.normal(0, 5))
    rotation = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    centre = outline.mean(axis=0)
    outline = (outline - centre) @ rotation.T + centre
    cloth = _cloth(rng)
    if rng.random() < 0.7:
        thread = tuple(float(value) for value in cloth[50, 50] * 0.95)
        for corner, ear in ((outline[0], (4.0, 42.0)), (outline[4], (96.0, 42.0))):
            cv2.line(canvas, _pixel(corner), _pixel(ear), thread, 2, cv2.LINE_AA)
    return _blend(canvas, cloth, outline)


def _scarf(canvas: Canvas, rng: Random) -> Canvas:
    """Draw a scarf below the chin of a bare face, so that colour alone does not reveal the class."""
    top = rng.uniform(88, 95)
    outline = np.array(
        [(0, top + rng.normal(0, 3)), (50, top + 4), (100, top + rng.normal(0, 3)), (100, 110), (0, 110)]
    )
    return _blend(canvas, _cloth(rng), outline)


def _hand(canvas: Canvas, rng: Random) -> Canvas:
    """Draw an occluder at a random edge: a patch of skin or cloth."""
    size = rng.uniform(14, 30, 2)
    centre = np.array([rng.choice([rng.uniform(0, 25), rng.uniform(75, 100)]), rng.uniform(30, 100)])
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    outline = centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * size * rng.uniform(0.75, 1.1, (12, 1))
    tint = np.array(TINTS[rng.integers(len(TINTS))], np.float32)
    skin = np.broadcast_to(tint * rng.uniform(90, 190), canvas.shape)
    return _blend(canvas, skin.astype(np.float32) if rng.random() < 0.6 else _cloth(rng), outline)


def _blend(canvas: Canvas, paint: Canvas, outline: npt.NDArray[np.float64]) -> Canvas:
    """Blend paint into an outline, [n, 2] points (x, y), with a soft edge and the face's shading."""
    inside: Canvas = np.zeros((CANVAS, CANVAS), np.float32)
    cv2.fillPoly(inside, [np.round(outline).astype(np.int32)], 1.0, cv2.LINE_8)
    inside = cv2.GaussianBlur(inside, (0, 0), 1.0)[..., None]
    light = cv2.GaussianBlur(canvas.mean(axis=2), (0, 0), 12.0)[..., None]
    lit = paint * (0.65 + 0.35 * light / max(float(light.mean()), 1.0))
    return np.asarray(canvas * (1 - inside) + lit * inside, dtype=np.float32)


def _photograph(canvas: Canvas, rng: Random) -> Pixels:
    """Simulate a distant street camera: crop, exposure, blur, downscaling and noise."""
    left, right, above, below = (round(value) for value in rng.uniform(0, 10, 4))
    canvas = canvas[above : CANVAS - below, left : CANVAS - right]
    canvas = canvas * rng.uniform(0.6, 1.2) * (1 + rng.normal(0, 0.06, 3)) + rng.normal(0, 8)
    width = round(np.exp(rng.uniform(np.log(12), np.log(48))))  # log-uniform: as many faces of 12-24 px as of 24-48 px
    height = min(48, max(12, round(width * canvas.shape[0] / canvas.shape[1] * rng.uniform(0.95, 1.2))))
    canvas = cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), rng.uniform(0.5, 3.0))
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    small = small + rng.normal(0, rng.uniform(2, 12), small.shape)
    if rng.random() < 0.5:
        small = small[:, ::-1]
    return np.ascontiguousarray(small.clip(0, 255).astype(np.uint8))


def _pixel(point: npt.NDArray[np.float64] | tuple[float, float]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
