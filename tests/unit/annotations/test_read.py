"""One set of photos in every format: what is read is the same."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facemask.annotations.folder import Folder
from facemask.annotations.read import FORMATS, read_annotated
from facemask.annotations.table import AnnotatedPhoto
from facemask.config.preparation_schemas import ImportConfig
from facemask.config.schemas import Crop
from facemask.errors import DataError
from facemask.preparation.importing import import_faces

WIDTH, HEIGHT = 96, 64
FACES = {  # corners of the faces of each photo
    "a.png": [("mask", (8, 4, 40, 36)), ("no_mask", (48, 16, 72, 64))],
    "b.png": [("no_mask", (0, 0, 96, 64))],
    "c.png": [],
}
Faces = list[tuple[str, tuple[int, int, int, int]]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in FACES:
        Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)).save(tmp_path / name)
    return tmp_path


def write_voc(root: Path) -> None:
    for name, faces in FACES.items():
        objects = [
            f"<object><name>{label}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{r}</xmax><ymax>{b}</ymax>"
            "</bndbox></object>"
            for label, (x, y, r, b) in faces
        ]
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        (root / name).with_suffix(".xml").write_text(f"<annotation>{size}{''.join(objects)}</annotation>")


def write_coco(root: Path) -> None:
    images = [{"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT} for i, name in enumerate(FACES)]
    boxes = [
        {"image_id": i, "category_id": 1 + (label == "no_mask"), "bbox": [x, y, r - x, b - y]}
        for i, faces in enumerate(FACES.values())
        for label, (x, y, r, b) in faces
    ]
    categories = [{"id": 1, "name": "mask"}, {"id": 2, "name": "no_mask"}]
    content = {"info": {}, "images": images, "annotations": boxes, "categories": categories}
    (root / "boxes.json").write_text(json.dumps(content))


def write_yolo(root: Path) -> None:
    for name, faces in FACES.items():
        lines = [
            f"{int(label == 'no_mask')} {(x + r) / 2 / WIDTH} {(y + b) / 2 / HEIGHT} "
            f"{(r - x) / WIDTH} {(b - y) / HEIGHT}\n"
            for label, (x, y, r, b) in faces
        ]
        (root / name).with_suffix(".txt").write_text("".join(lines))
    (root / "classes.txt").write_text("mask\nno_mask\n")


def write_cvat(root: Path) -> None:
    images = [
        f'<image id="{i}" name="{name}" width="{WIDTH}" height="{HEIGHT}">'
        + "".join(
            f'<box label="{label}" occluded="0" xtl="{x}" ytl="{y}" xbr="{r}" ybr="{b}" z_order="0"/>'
            for label, (x, y, r, b) in faces
        )
        + "</image>"
        for i, (name, faces) in enumerate(FACES.items())
    ]
    (root / "annotations.xml").write_text(f"<annotations><version>1.1</version>{''.join(images)}</annotations>")


def write_labelme(root: Path) -> None:
    for name, faces in FACES.items():
        shapes = [
            {"label": label, "points": [[r, b], [x, y]], "shape_type": "rectangle", "flags": {}}
            for label, (x, y, r, b) in faces
        ]
        content: dict[str, object] = {
            "version": "5.2",
            "flags": {},
            "shapes": shapes,
            "imagePath": f"..\\photos\\{name}",
        }
        content |= {"imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        (root / name).with_suffix(".json").write_text(json.dumps(content))


def write_csv(root: Path) -> None:
    rows = [
        f"{name},{WIDTH},{HEIGHT},{label},{x},{y},{r},{b}\n"
        for name, faces in FACES.items()
        for label, (x, y, r, b) in faces or [("", ("", "", "", ""))]  # type: ignore[list-item]
    ]
    (root / "boxes.csv").write_text("filename,width,height,class,xmin,ymin,xmax,ymax\n" + "".join(rows))


WRITERS: dict[str, Callable[[Path], None]] = {
    "voc": write_voc,
    "coco": write_coco,
    "yolo": write_yolo,
    "cvat": write_cvat,
    "labelme": write_labelme,
    "csv": write_csv,
}


def faces_of(photo: AnnotatedPhoto) -> Faces:
    corners = [tuple(round(float(side), 3) for side in box) for box in photo.boxes]
    return list(zip(photo.names, corners, strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("key", WRITERS)
def test_every_format_gives_the_same_faces(root: Path, key: str) -> None:
    WRITERS[key](root)
    annotations = read_annotated(root)
    assert {photo.photo.name: faces_of(photo) for photo in annotations.photos} == FACES
    assert annotations.describe() == [
        f"{root.name}: {FORMATS[key].name}, 3 photos, 3 boxes (mask 1, no_mask 2).",
    ]


def test_of_several_formats_one_is_read_and_the_others_are_named(root: Path) -> None:
    write_yolo(root)
    write_voc(root)
    found = read_annotated(root)
    assert found.format == "Pascal VOC"
    assert found.describe()[1] == "Also found, not read: YOLO (boxes=yolo reads it instead)."
    assert read_annotated(root, "yolo").format == "YOLO"


def test_a_set_without_annotations_and_a_format_that_it_lacks_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match="contains no annotations that can be read: Pascal VOC, COCO, YOLO, CVAT"):
        read_annotated(root)
    write_voc(root)
    with pytest.raises(DataError, match="contains no annotations that can be read: CVAT;"):
        read_annotated(root, "cvat")
    with pytest.raises(DataError, match="boxes=none.json does not exist; give an annotation file"):
        read_annotated(root, "none.json")
    with pytest.raises(DataError, match="a.png is not a folder"):
        read_annotated(root / "a.png")


def write_shapes(root: Path, shapes: str, tag: str = 'image name="a.png"') -> list[AnnotatedPhoto]:
    (root / "annotations.xml").write_text(f"<annotations><{tag}>{shapes}</{tag.split()[0]}></annotations>")
    return read_annotated(root).photos


@pytest.mark.parametrize(
    ("shape", "corners"),
    [
        ('<polygon label="m" points="8,4;40,20;16,36"/>', (8, 4, 40, 36)),
        ('<box label="m" xtl="8" ytl="4" xbr="40" ybr="12" rotation="90"/>', (20, -8, 28, 24)),
        ('<ellipse label="m" cx="24" cy="20" rx="16" ry="4"/>', (8, 16, 40, 24)),
        ('<mask label="m" rle="1" left="8" top="4" width="10" height="20"/>', (8, 4, 18, 24)),
    ],
)
def test_shapes_of_cvat_become_the_box_around_them(root: Path, shape: str, corners: tuple[int, ...]) -> None:
    (photo,) = write_shapes(root, shape + '<tag label="x"/><points label="x" points="1,2"/>')
    np.testing.assert_allclose(photo.boxes, [corners], atol=1e-4)


@pytest.mark.parametrize(
    ("tag", "shape", "expected_error"),
    [
        ('image name="a.png"', '<box label="m" xtl="one" ytl="1" xbr="2" ybr="2"/>', "cannot be read as a CVAT file"),
        ('track label="m"', '<box frame="0"/>', "describes a video; export it as 'CVAT for images'"),
        ('image name="a.png"', '<box label="m"/>', "cannot be read as a CVAT file"),
        ('image name="z.png"', "", "none of the 1 photos"),
        ('label name="z.png"', "", "lists no photos"),
    ],
)
def test_a_cvat_file_that_cannot_be_used(root: Path, tag: str, shape: str, expected_error: str) -> None:
    with pytest.raises(DataError, match=expected_error):
        write_shapes(root, shape, tag)


def test_subsets_of_cvat_are_parts(root: Path) -> None:
    (photo,) = write_shapes(root, "", 'image name="a.png" subset="Validation"')
    assert photo.part == "val"


@pytest.mark.parametrize(
    ("shape", "corners"),
    [
        ({"points": [[20, 20], [23, 24]], "shape_type": "circle"}, [(15, 15, 25, 25)]),
        ({"points": [[8, 4], [40, 20], [16, 36]], "shape_type": "polygon"}, [(8, 4, 40, 36)]),
        ({"points": [[8, 4]], "shape_type": "point"}, []),
    ],
)
def test_shapes_of_labelme(root: Path, shape: dict[str, object], corners: list[tuple[int, ...]]) -> None:
    (root / "a.json").write_text(json.dumps({"shapes": [{"label": "m", **shape}], "imagePath": "a.png"}))
    (photo,) = read_annotated(root).photos
    assert [tuple(box) for box in photo.boxes.tolist()] == corners


def test_a_damaged_labelme_file_and_a_missing_photo_are_named(root: Path) -> None:
    write_labelme(root)
    (root / "a.json").write_text('{"shapes": [{}]}')
    (root / "z.json").write_text('{"shapes": []}')
    first, *_, last = read_annotated(root).photos
    assert first.error.startswith("a.json cannot be read as a LabelMe file: ")
    assert (last.photo.name, last.error) == ("z.jpg", "its photo is missing")


@pytest.mark.parametrize(
    "table",
    [
        "a.png,8,4,40,36,mask\n",  # without header
        "Image;X1;Y1;X2;Y2;Label\na.png;8;4;40;36;mask\n",
        "\ufeffimage_name\tx\ty\twidth\theight\tclass_name\tsplit\na.png\t8\t4\t32\t32\tmask\tValid\n",
        f"ImageID,LabelName,XMin,YMin,XMax,YMax\na.png,mask,{8 / 96},{4 / 64},{40 / 96},{36 / 64}\n",
        "path,x1,y1,x2,y2,label\nC:\\set\\a.png,8,4,40,36,mask\n",
    ],
)
def test_tables_of_boxes_of_many_tools(root: Path, table: str) -> None:
    (root / "faces.csv").write_text(table, encoding="utf-8")
    (root / "notes.csv").write_text("photo,weather\na.png,rain\n")  # is no table of boxes
    (photo,) = read_annotated(root).photos
    assert faces_of(photo) == [("mask", (8, 4, 40, 36))]
    assert photo.part == ("val" if "split" in table else "")


@pytest.mark.parametrize(
    ("row", "expected_error"),
    [
        ("a.png,mask,8,four,40,36", "boxes.csv, line 2: 8, four, 40, 36 is no box; correct or remove it."),
        ("z.png,mask,8,4,40,36", "none of the 1 photos"),
        ('a.png,"mask,8,4,40,36', "boxes.csv cannot be read as a table of boxes"),
    ],
)
def test_a_table_that_cannot_be_used(root: Path, row: str, expected_error: str) -> None:
    (root / "boxes.csv").write_text(f"file,class,xmin,ymin,xmax,ymax\n{row}\n")
    with pytest.raises(DataError, match=expected_error):
        read_annotated(root)


def test_every_format_gives_the_same_crops_to_the_byte(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    crops = {}
    for key, write in WRITERS.items():
        write(root)
        out = tmp_path_factory.mktemp(key) / "faces"
        classes: dict[str, str | None] = {"mask": "mask", "no_mask": "no_mask"}
        config = ImportConfig(photos=[str(root)], boxes=key, classes=classes, out=str(out), crop=Crop(margin=0.3))
        imported = import_faces(config)
        assert len(imported.faces) == 3
        crops[key] = {path.relative_to(out): path.read_bytes() for path in out.rglob("*.png")}
    assert len(crops["voc"]) == 3
    assert all(found == crops["voc"] for found in crops.values())


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "a\0.png", "x/" * 3000 + "z.png", "\ud800.png"])
def test_damaged_names_of_photos_are_missing_photos(root: Path, name: str) -> None:
    assert Folder(root).photo(name, [root]) is None
    assert Folder(root).photo("a.png", [root]) == root / "a.png"


@pytest.mark.parametrize("beginning", ["file\rclass,xmin", 'a"b\r"c', "\0\0,\0"])
def test_a_damaged_header_is_no_table_of_boxes(root: Path, beginning: str) -> None:
    (root / "boxes.csv").write_bytes(f"{beginning},ymin,xmax,ymax\n".encode())
    with pytest.raises(DataError, match="contains no annotations that can be read"):
        read_annotated(root)


def test_a_table_without_a_bottom_uses_width_and_height(root: Path) -> None:
    (root / "boxes.csv").write_text("file,class,xmin,ymin,xmax,width,height\na.png,mask,8,4,40,32,32\n")
    (photo,) = read_annotated(root).photos
    assert faces_of(photo) == [("mask", (8, 4, 40, 36))]
