"""A folder becomes the right table, or the error names what is wrong with it."""

import os
import sys
from pathlib import Path

import pytest

from conftest import write_faces
from facemask.data.index import index, left_out
from facemask.errors import DataError


def test_flat_layout_is_listed_by_path(faces: Path) -> None:
    table = index(faces)
    assert list(table.columns) == ["path", "label", "group", "split", "source"]
    assert table["path"].is_monotonic_increasing
    assert table["label"].value_counts().to_dict() == {"mask": 22, "no_mask": 18}
    assert (table["split"] == "").all()
    assert (table["group"] == table["path"]).all()


def test_split_layout_names_the_split_and_takes_validation_as_training(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        write_faces(tmp_path / part, {"a": 2, "b": 3})
    table = index(tmp_path)
    assert table["split"].value_counts().to_dict() == {"train": 10, "test": 5}
    assert table["path"].iloc[0] == "test/a/000.png"


def test_split_folders_go_by_other_names_but_not_without_a_training_part(tmp_path: Path) -> None:
    write_faces(tmp_path / "set/Training", {"a": 2, "b": 3})
    write_faces(tmp_path / "set/Test", {"a": 1, "b": 1})
    table = index(tmp_path / "set")
    assert table["split"].value_counts().to_dict() == {"train": 5, "test": 2}
    assert sorted(table["label"].unique()) == ["a", "b"]
    write_faces(tmp_path / "half/Test", {"a": 1, "b": 1})
    with pytest.raises(DataError, match="contains a folder 'Test' but no training folder; expected ROOT/CLASS"):
        index(tmp_path / "half")


def test_images_are_found_in_subfolders_links_and_without_suffix(tmp_path: Path) -> None:
    write_faces(tmp_path / "set", {"a": 1, "b": 1})
    write_faces(tmp_path / "elsewhere", {"deep": 2})
    (tmp_path / "set/a/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/a/loop").symlink_to(tmp_path / "set/a")
    (tmp_path / "set/b/000.png").rename(tmp_path / "set/b/no_suffix")
    (tmp_path / "set/b/notes.txt").write_text("not a picture")
    (tmp_path / "set/b/.hidden.png").write_bytes(b"")
    assert index(tmp_path / "set")["path"].tolist() == [
        "a/000.png",
        "a/link/deep/000.png",
        "a/link/deep/001.png",
        "b/no_suffix",
    ]


def test_manifest_gives_groups_and_splits(tmp_path: Path) -> None:
    write_faces(tmp_path, {"a": 2, "b": 1})
    (tmp_path / "manifest.csv").write_text("file,photo,split\na\\000.png,p1,train\na/001.png,,test\nb/000.png,p1,val\n")
    table = index(tmp_path)
    assert table["group"].tolist() == ["p1", "a/001.png", "p1"]
    assert table["split"].tolist() == ["train", "test", "train"]


@pytest.mark.parametrize(
    ("text", "expected_error"),
    [
        ("name,photo\na/000.png,p", "needs a column 'file'"),
        ("file,photo\na/000.png,p", "has no row for 2 of 3 images, the first is a/001.png"),
        ("file\na/000.png\na/000.png\na/001.png\nb/000.png", "lists a/000.png twice"),
        ("file,split\na/000.png,trian\na/001.png,\nb/000.png,", "has split 'trian'"),
        ("file,label\na/000.png,b\na/001.png,a\nb/000.png,b", "gives a/000.png a label that differs from its folder"),
        ("", "cannot be read as a CSV table"),
    ],
)
def test_a_wrong_manifest_is_named(tmp_path: Path, text: str, expected_error: str) -> None:
    write_faces(tmp_path, {"a": 2, "b": 1})
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(DataError, match=expected_error):
        index(tmp_path)


def test_missing_empty_and_one_sided_sets_are_refused_with_the_way_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist; get it there"):
        index(tmp_path / "missing", hint="get it there")
    with pytest.raises(DataError, match="contains no images"):
        index(tmp_path)
    write_faces(tmp_path, {"a": 1})
    with pytest.raises(DataError, match="only the class 'a'"):
        index(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="class folder 'b' .* contains no images"):
        index(tmp_path)


def test_real_sets_have_the_counts_of_their_readme(real_data: Path) -> None:
    small = index(real_data / "sfmask_small")
    counts = small.groupby(["split", "label"]).size()
    assert counts["train"].to_dict() == {"compliant": 1778, "non-compliant": 928}
    assert counts["test"].to_dict() == {"compliant": 336, "non-compliant": 121}
    faces3 = index(real_data / "faces3")["label"].value_counts().to_dict()
    assert faces3 == {"mask": 2532, "no_mask": 1171, "wrong_mask": 356}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_manifest_of_a_spreadsheet_is_read(tmp_path: Path, separator: str) -> None:
    write_faces(tmp_path, {"a": 2, "b": 1})
    rows = ["File, Photo ,SPLIT", "a/000.png,p1,train", "a/001.png,p2,test", "b/000.png,p1,"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows).replace(",", separator))
    table = index(tmp_path)
    assert table["group"].tolist() == ["p1", "p2", "p1"]
    assert table["split"].tolist() == ["train", "test", ""]


@pytest.mark.parametrize(
    ("root", "meant"),
    [
        (".", "sets/faces"),  # two levels too high
        ("sets", "sets/faces"),
        ("sets/parts/train/mask", "sets/parts/train"),  # a class folder
        ("other", None),
    ],
)
def test_the_right_folder_is_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, meant: str | None
) -> None:
    write_faces(tmp_path / "sets/faces", {"mask": 1, "no_mask": 1})
    write_faces(tmp_path / "sets/parts/train", {"mask": 1, "no_mask": 1})
    (tmp_path / "sets/videos").mkdir()
    (tmp_path / "other/empty").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        index(Path(root))
    assert str(error.value).partition(" Did you mean ")[2] == (f"data.root={meant}?" if meant else "")


def test_names_of_sets_are_not_taken_for_classes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_faces(tmp_path / name, {"with_mask": 2, "without_mask": 2})
    with pytest.raises(DataError, match="would have classes one, two, but .*one contains the classes with_mask"):
        index(tmp_path)
    write_faces(tmp_path / "persons/mask", {"ann": 1, "bob": 1})
    write_faces(tmp_path / "persons/no_mask", {"ann": 1, "bob": 1})
    assert set(index(tmp_path / "persons")["label"]) == {"mask", "no_mask"}


def test_names_give_groups_where_the_manifest_does_not(tmp_path: Path) -> None:
    write_faces(tmp_path, {"a": 3, "b": 2})
    (tmp_path / "manifest.csv").write_text("file,photo\na/000.png,p1\na/001.png,\na/002.png,\nb/000.png,\nb/001.png,\n")
    table = index(tmp_path, groups=r"^0*([01])\.")
    assert table["group"].tolist() == ["p1", "1", "a/002.png", "0", "1"]


def test_a_manifest_may_write_accents_in_another_form(tmp_path: Path) -> None:
    for label in ("a", "b"):
        write_faces(tmp_path, {label: 1})
        (tmp_path / label / "000.png").rename(tmp_path / label / "\u00e9.png")
    (tmp_path / "manifest.csv").write_text("file,photo\na/e\u0301.png,p1\nb/e\u0301.png,p2\n", encoding="utf-8")
    assert index(tmp_path)["group"].tolist() == ["p1", "p2"]


def test_capitals_do_not_make_another_class(tmp_path: Path) -> None:
    write_faces(tmp_path / "train", {"Mask": 2, "No_Mask": 2})
    write_faces(tmp_path / "test", {"mask": 2, "no_mask": 2})
    expected = r"test/mask of .* would be a class of its own, without training images, .*; did you mean Mask\?"
    with pytest.raises(DataError, match=expected):
        index(tmp_path)
    write_faces(tmp_path / "train", {"no_mask": 2})
    (tmp_path / "test/mask").rename(tmp_path / "test/Mask")
    with pytest.raises(DataError, match=r"train/no_mask of .* because train/No_Mask is written differently"):
        index(tmp_path)


def test_images_that_are_left_out_are_counted(tmp_path: Path) -> None:
    write_faces(tmp_path / "train", {"a": 2, "b": 2})
    assert left_out(tmp_path) == []
    (tmp_path / "test").mkdir()
    for place in ("test/1.jpg", "test/2.png", "test/._1.jpg", "test/notes.txt", "cover.webp"):
        (tmp_path / place).write_bytes((tmp_path / "train/a/000.png").read_bytes())
    assert left_out(tmp_path) == [
        "1 image in the folder itself has no class, and is not used.",
        "2 images in test/ have no class, and are not used.",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_not_utf8_is_named_and_not_used(tmp_path: Path) -> None:
    write_faces(tmp_path, {"a": 2, "b": 2})
    name = os.fsencode(tmp_path / "a") + b"/\xc4\xe3.png"
    os.rename(tmp_path / "a/000.png", name)
    assert index(tmp_path)["path"].tolist() == ["a/001.png", "b/000.png", "b/001.png"]
    assert left_out(tmp_path) == ["1 image name cannot be used, not being UTF-8; rename a/\\xc4\\xe3.png"]
