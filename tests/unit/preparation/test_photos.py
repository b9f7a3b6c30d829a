"""The name of a photo decides its crops' folder, and no two crops share a path."""

from pathlib import Path

import pytest
from PIL import Image

from facemask.errors import DataError
from facemask.preparation.photos import list_photos, name_photos


def write(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(file)


@pytest.mark.parametrize(
    ("name", "have_labels", "split", "label"),
    [
        ("1.jpg", True, "", ""),
        ("mask/1.jpg", True, "", "mask"),
        ("mask/street/1.jpg", True, "", "mask"),
        ("mask/1.jpg", False, "", ""),
        ("Train/mask/1.jpg", True, "train", "mask"),
        ("valid/1.jpg", True, "val", ""),
        ("images/train2017/1.jpg", False, "train", ""),
        ("test/1.jpg", False, "test", ""),
        ("test", True, "", ""),
    ],
)
def test_folders_say_the_split_and_the_class(name: str, have_labels: bool, split: str, label: str) -> None:
    (photo,) = name_photos([("", name, Path(name))], have_labels)
    assert (photo.split, photo.label, photo.stem) == (split, label, name.replace("/", "__"))


def test_folders_and_photos_are_listed_by_name(tmp_path: Path) -> None:
    write(tmp_path / "b/2.png", tmp_path / "b/x/1.png", tmp_path / "c/2.png", tmp_path / "single.jpg")
    (tmp_path / "b/notes.txt").write_text("no images")
    assert [photo.name for photo in list_photos([str(tmp_path / "b")])] == ["2.png", "x/1.png"]
    several = list_photos([str(tmp_path / name) for name in ("single.jpg", "c", "b")])
    assert [photo.name for photo in several] == ["b/2.png", "b/x/1.png", "c/2.png", "single.jpg"]
    assert [photo.label for photo in list_photos([str(tmp_path / "b"), str(tmp_path / "c")], True)] == ["b", "b", "c"]


def test_an_unlistable_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="photos=.*nowhere does not exist"):
        list_photos([str(tmp_path / "nowhere")])
    with pytest.raises(DataError, match="contains no images"):
        list_photos([str(tmp_path)])
    write(tmp_path / "x/a/1.png", tmp_path / "y/a/1.png")
    with pytest.raises(DataError, match="would have the same names"):
        list_photos([str(tmp_path / "x/a"), str(tmp_path / "y/a")])
    write(tmp_path / "z/b/1.png", tmp_path / "z/b__1.png")
    with pytest.raises(DataError, match="would have the same names"):
        list_photos([str(tmp_path / "z")])
    twice = list_photos([str(tmp_path / "x/a"), str(tmp_path / "x/a")])
    assert len(twice) == 1


def test_long_names_are_shortened_and_stay_unique() -> None:
    folder = "ä" * 70 + "/" + "b" * 90
    one, two = (photo.stem for photo in name_photos([("", f"{folder}/{n}.jpg", Path(n)) for n in ("x", "y")]))
    assert one != two
    assert max(len(stem.encode()) for stem in (one, two)) <= 200
    (short,) = name_photos([("", "a/b.jpg", Path("b"))])
    assert short.stem == "a__b.jpg"


@pytest.mark.parametrize("name", ['a"b.jpg', "a:b?.jpg", "a\\b.jpg", "a\tb.jpg", "\udcc4\udce3.jpg"])
def test_names_that_some_system_refuses_are_changed_and_stay_unique(name: str) -> None:
    (photo,) = name_photos([("", name, Path(name))])
    (plain,) = name_photos([("", "".join(c if c.isalnum() or c == "." else "_" for c in name), Path("x"))])
    assert photo.stem != plain.stem
    assert not set(photo.stem) & set('<>:"|?*\\\t')
    photo.stem.encode()  # is valid in UTF-8


def test_a_source_is_the_first_part_of_the_name_and_annotations_give_part_and_error() -> None:
    file = Path("x/valid/1.jpg")
    (photo,) = name_photos([("street", "valid/1.jpg", file)])
    assert (photo.name, photo.split, photo.source, photo.error) == ("street/valid/1.jpg", "val", "street", "")
    (photo,) = name_photos([("", "valid/1.jpg", file)], parts={file: "test"}, errors={file: "damaged"})
    assert (photo.split, photo.error) == ("test", "damaged")
