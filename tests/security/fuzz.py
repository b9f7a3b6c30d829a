"""``python fuzz.py [N] [SEED]``: damage files of every kind, read each as the commands do, and count what goes wrong.

Each file is read in a process of its own. Right is a result or one of facemask's errors; wrong are any other exception,
a crash, more than a minute, or more than 2 GB of memory.
"""

import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
from PIL import Image

from conftest import write_faces
from facemask.annotations.naming import to_classes
from facemask.annotations.read import read_annotated
from facemask.data.index import index
from facemask.data.pictures import read_image
from facemask.data.store import open_store
from facemask.errors import DataError, FaceMaskError
from facemask.inference.predictor import Predictor
from facemask.inference.run import load_run
from facemask.preparation.journal import open_journal
from facemask.runs.samples import own_samples
from facemask.runs.trained import open_models
from facemask.sweeps.configurations import gather
from facemask.video.sources.source import Opening
from facemask.video.sources.video_file import VideoFile

TIME_LIMIT, MEMORY_LIMIT = 60, 2_000_000_000  # seconds, bytes
CLASSES: dict[str, str | None] = {"with_mask": "mask", "without_mask": "no_mask", "mask": "mask"}
VOC = """<annotation><filename>a.png</filename><object><name>with_mask</name><bndbox><xmin>2</xmin><ymin>3</ymin>
<xmax>20</xmax><ymax>24</ymax></bndbox></object></annotation>"""
COCO = """{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "with_mask"}],
"annotations": [{"image_id": 1, "category_id": 1, "bbox": [2, 3, 18, 21]}]}"""
LABELME = """{"version": "5", "shapes": [{"label": "with_mask", "points": [[2, 3], [20, 24]],
"shape_type": "rectangle"}], "imagePath": "a.png", "imageWidth": 50, "imageHeight": 40}"""
CVAT = """<annotations><version>1.1</version><image id="0" name="a.png" width="50" height="40" subset="train">
<box label="with_mask" xtl="2" ytl="3" xbr="20" ybr="24" rotation="9"/><polygon label="with_mask" points="1,2;9,2;9,8"/>
</image></annotations>"""


def read_run(folder: Path) -> None:
    """Read all that a run folder holds, and rank it."""
    gather(folder.parent)
    run = load_run(folder)
    run._repr_html_()
    _ = run.history, run.predictions
    models = open_models([folder])
    models[0].history()
    own_samples(models, "val")
    read_model(folder)


def read_model(path: Path) -> None:
    """Open a model and predict."""
    Predictor.load(path, threads=1).predict([np.zeros((20, 16, 3), np.uint8)])


def read_faces(root: Path) -> None:
    """List and decode a folder of faces."""
    paths = index(root, for_training=False)["path"].tolist()
    open_store(root, paths, 16, root.parent / "store")


def read_video(file: Path) -> None:
    """Decode a video."""
    source = VideoFile.open(str(file), Opening(lambda _: None, None, False, 1.0))
    for number, _ in enumerate(source.frames() if source else ()):
        if number > 100:
            break


def read_journal(folder: Path) -> None:
    """Open the journal of a folder of crops."""
    with open_journal(folder, {"crop": 1}):
        pass


def make_originals(place: Path) -> dict[str, tuple[Path, str, Callable[[Path], None]]]:
    """Write one whole file of each kind; return its folder, its name there, and what reads the folder."""
    from facemask.api import export
    from facemask.training.fit import fit_folds
    from fits import configure

    faces = write_faces(place / "faces", {"mask": 20, "no_mask": 16})
    manifest = [f"{p.relative_to(faces)},{p.stem}" for p in sorted(faces.rglob("*.png"))]
    (faces / "manifest.csv").write_text("\n".join(["file,group", *manifest]))
    fit_folds(configure(faces, place, "epochs=2"), place / "runs/run")
    kinds: dict[str, tuple[Path, str, Callable[[Path], None]]] = {}
    for name in ("config.yaml", "result.json", "predictions.parquet"):
        kinds[name] = place / "runs", f"run/{name}", lambda folder: read_run(folder / "run")
    for name in ("result.json", "best.ckpt", "metrics.csv", "predictions.parquet"):
        kinds[f"fold {name}"] = place / "runs", f"run/fold-0/{name}", lambda folder: read_run(folder / "run")
    for file_format, suffix in (("onnx", ".onnx"), ("openvino", ".xml"), ("exported_program", ".pt2")):
        folder = place / file_format
        export(place / "runs/run", f"format={file_format}", max_drop=None, folder=folder)
        kinds[suffix] = folder, f"CNN-fp32{suffix}", lambda folder, name=f"CNN-fp32{suffix}": read_model(folder / name)  # type: ignore[misc]
    kinds[".bin"] = place / "openvino", "CNN-fp32.bin", kinds[".xml"][2]
    kinds["manifest.csv"] = faces, "manifest.csv", read_faces
    photos = place / "photos"
    photos.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    for suffix in ("png", "jpg", "bmp", "webp", "tif", "gif"):
        (place / suffix / "mask").mkdir(parents=True)
        Image.fromarray(pixels).save(place / suffix / f"mask/a.{suffix}")
        kinds[f".{suffix}"] = place / suffix, f"mask/a.{suffix}", read_faces
    Image.fromarray(pixels).save(photos / "a.png")
    (photos / "a.xml").write_text(VOC)
    (photos / "coco.json").write_text(COCO)
    (photos / "a.json").write_text(LABELME)
    (photos / "a.txt").write_text("0 0.5 0.5 0.4 0.4\n0 0.1 0.1 0.2 0.1 0.2 0.3\n")
    (photos / "data.yaml").write_text("names: [mask]\ntrain: a.png\n")
    (photos / "boxes.csv").write_text("file,class,xmin,ymin,xmax,ymax,width,height\na.png,mask,1,2,21,32,50,40\n")
    (place / "cvat").mkdir()
    Image.fromarray(pixels).save(place / "cvat/a.png")
    (place / "cvat/annotations.xml").write_text(CVAT)
    for name, file, key in (
        ("VOC", "a.xml", "voc"),
        ("COCO", "coco.json", "coco"),
        ("LabelMe", "a.json", "labelme"),
        ("YOLO", "a.txt", "yolo"),
        ("names of YOLO", "data.yaml", "yolo"),
        ("boxes", "boxes.csv", "csv"),
    ):
        kinds[name] = photos, file, lambda folder, key=key: _annotated(folder, key)  # type: ignore[misc]
    kinds["CVAT"] = place / "cvat", "annotations.xml", lambda folder: _annotated(folder, "cvat")
    with open_journal(place / "crops", {"crop": 1}):
        pass
    face = '{"file": "mask/a.png", "photo": "a", "label": "mask", "split": "", "score": null, '
    face += '"left": 1, "top": 1, "right": 9, "bottom": 9}'
    with (place / "crops/crops.jsonl").open("a") as stream:
        stream.write(f'{{"photo": "a", "stamp": "1", "faces": [{face}], "left_out": 0, "error": ""}}\n')
    kinds["crops.jsonl"] = place / "crops", "crops.jsonl", read_journal
    _write_video(place / "video/a.mp4", pixels)
    kinds[".mp4"] = place / "video", "a.mp4", lambda folder: read_video(folder / "a.mp4")
    return kinds


def _annotated(folder: Path, boxes: str) -> None:
    for photo in to_classes(read_annotated(folder, boxes).photos, CLASSES):
        if photo.error:
            raise DataError(photo.error)
        read_image(photo.photo)


def _write_video(file: Path, pixels: np.ndarray) -> None:  # type: ignore[type-arg]
    import cv2

    file.parent.mkdir()
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 20, (50, 40))
    for shift in range(20):
        writer.write(np.roll(pixels, shift, 1))
    writer.release()


def damage(content: bytes, chance: random.Random) -> bytes:
    """Return a damaged copy: bytes changed, cut, repeated or inserted; in texts also numbers and words replaced."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(data) + 1) if data else 0
        kind = chance.randrange(7)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] = chance.randrange(256)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + chance.randrange(1, 64)]
        elif kind == 3:
            data[at:at] = data[at : at + chance.randrange(1, 64)] * chance.choice((1, 2, 500))
        elif kind == 4:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 16)))
        elif kind == 5:
            data[at : at + 4] = chance.choice(
                (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f")
            )
        else:
            words = bytes(data).split()
            old = chance.choice(words)[:40] if words else b""
            new = chance.choice((b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b"99999999999", b"''", b"\xff", b"x"))
            data = bytearray(bytes(data).replace(old, new, 1)) if old else data
    return bytes(data)


def attempt(folder: Path, read: Callable[[Path], None], log: Path) -> str:
    """Read a folder in a process of its own; return how that ended."""
    process = os.fork()
    if not process:
        signal.alarm(TIME_LIMIT)
        with log.open("w") as stream, redirect_stdout(stream), redirect_stderr(stream):
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
            try:
                read(folder)
            except (FaceMaskError, OSError) as error:
                print(error, flush=True)
                os._exit(2)
            except BaseException:
                traceback.print_exc()
                stream.flush()
                os._exit(1)
        os._exit(0)
    _, status, used = os.wait4(process, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return "hang" if number == signal.SIGALRM else f"crash ({signal.Signals(number).name})"
    if used.ru_maxrss * 1024 > MEMORY_LIMIT:
        return "memory"
    return {0: "read", 2: "refused"}.get(os.WEXITSTATUS(status), "trace")


def _copy(source: Path, place: Path) -> Path:
    copy = place / "damaged" / source.name
    shutil.rmtree(copy.parent, ignore_errors=True)
    shutil.copytree(source, copy)
    return copy


def main(n: int = 3000, seed: int = 0, kept: Path | None = None) -> Counter[str]:
    """Damage n files in turn over all kinds; return how many ended in each way, and print what went wrong."""
    chance, ends, begun = random.Random(seed), Counter[str](), time.monotonic()
    by_kind: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        kinds = make_originals(place)
        for kind, (source, _, read) in kinds.items():
            copy = _copy(source, place)
            if (end := attempt(copy, read, place / "log")) != "read":
                raise SystemExit(f"the whole {kind} is not read: {end}\n{(place / 'log').read_text()}")
        for number in range(n):
            kind = sorted(kinds)[number % len(kinds)]
            source, name, read = kinds[kind]
            copy = _copy(source, place)
            content = damage((source / name).read_bytes(), chance)
            (copy / name).write_bytes(content)
            end = attempt(copy, read, place / "log")
            ends[end] += 1
            by_kind.setdefault(kind, Counter())[end] += 1
            if end not in ("read", "refused"):
                print(f"{number}: {kind}: {end}\n{(place / 'log').read_text(errors='replace')[-1500:]}")
                if kept:
                    kept.mkdir(parents=True, exist_ok=True)
                    (kept / f"{number}-{Path(name).name}").write_bytes(content)
    for kind in sorted(by_kind):
        print(f"{kind:24} {dict(by_kind[kind])}")
    print(f"{n:,} damaged files, seed {seed}, in {time.monotonic() - begun:.0f} s: {dict(ends)}")
    return ends


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    numbers = [int(word) for word in sys.argv[1:]]
    found = main(*numbers, kept=Path("outputs/fuzz"))
    sys.exit(int(bool(found.keys() - {"read", "refused"})))
