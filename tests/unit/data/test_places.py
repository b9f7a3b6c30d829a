"""Data sets are read where they are: in archives, and from tables of paths and labels."""

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import write_faces
from facemask.data import archives
from facemask.data.index import index
from facemask.data.manifest import manifest_with
from facemask.data.places import open_set
from facemask.errors import ConfigError, DataError


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    root = write_faces(tmp_path / "faces", {"mask": 6, "no_mask": 5})
    (root / "._hidden.png").write_bytes(b"")
    return root


def pack(faces: Path, name: str, top: str) -> Path:
    archive = faces.parent / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive, "w") as packed:
            for file in sorted(faces.rglob("*.png")):
                packed.write(file, f"{top}{file.relative_to(faces)}")
            packed.writestr("__MACOSX/._x", b"")
    else:
        with tarfile.open(archive, "w:gz" if name.endswith("gz") else "w") as tar:
            tar.add(faces, top.rstrip("/") or ".")
    return archive


@pytest.mark.parametrize("name", ["faces.zip", "faces.tar", "faces.tar.gz", "Faces.TGZ"])
@pytest.mark.parametrize("top", ["", "kaggle/faces/"])
def test_an_archive_is_unpacked_once_and_read_like_its_folder(faces: Path, name: str, top: str) -> None:
    archive, store = pack(faces, name, top), faces.parent / "store"
    root, table, _ = open_set(archive, store)
    pd.testing.assert_frame_equal(table, index(faces))
    assert all((root / path).is_file() for path in table["path"])
    assert root.is_relative_to(store)
    assert not list(store.rglob("._*"))
    stamp = (root / table["path"][0]).stat().st_mtime_ns
    assert open_set(archive, store)[0] == root
    assert (root / table["path"][0]).stat().st_mtime_ns == stamp


def test_a_changed_archive_is_unpacked_again(faces: Path) -> None:
    store = faces.parent / "store"
    first, _, _ = open_set(pack(faces, "faces.zip", ""), store)
    (faces / "mask/000.png").unlink()
    second, table, _ = open_set(pack(faces, "faces.zip", ""), store)
    assert second != first
    assert len(table) == 10


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "a/../../evil.png"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_nothing_is_written_outside(tmp_path: Path, name: str, kind: str) -> None:
    archive = tmp_path / f"faces.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(name, b"x")
    else:
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(DataError, match="contains the path '.*evil.png', which is outside its folder; do not use"):
        open_set(archive, tmp_path / "store")
    assert not list(tmp_path.rglob("evil.png"))
    assert not Path("/evil.png").exists()


def test_links_in_an_archive_are_left_out(faces: Path) -> None:
    (faces / "mask/link.png").symlink_to("/etc/hostname")
    _, table, _ = open_set(pack(faces, "faces.tar", ""), faces.parent / "store")
    assert len(table) == 11


def test_bombs_and_damaged_archives_are_refused_and_leave_nothing(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, archive = faces.parent / "store", pack(faces, "faces.zip", "")
    monkeypatch.setattr(archives, "MAX_SMALL", 100)
    monkeypatch.setattr(archives, "MAX_GROWTH", 0)
    with pytest.raises(DataError, match="would unpack to more than 0.0 GB; if this is right, unpack it by hand"):
        open_set(archive, store)
    monkeypatch.undo()
    assert len(open_set(archive, store)[1]) == 11  # the remains are not taken for the whole
    for name, content in (("cut.zip", archive.read_bytes()[:400]), ("no.tar", b"no archive"), ("e.tar.gz", b"")):
        (faces.parent / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} cannot be unpacked into"):
            open_set(faces.parent / name, store)
    (faces.parent / "faces.rar").write_bytes(b"Rar!")
    with pytest.raises(DataError, match="is neither a folder, an archive nor a table"):
        open_set(faces.parent / "faces.rar", store)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_a_table_gives_paths_classes_groups_and_parts(faces: Path, suffix: str) -> None:
    images = index(faces)
    table = pd.DataFrame({"Image": "faces/" + images["path"], "Class": images["label"]})
    table["photo"], table["split"] = [f"p{i // 2}" for i in range(11)], ["train"] * 8 + ["valid", "test", ""]
    file = faces.parent / f"list.{suffix}"
    if suffix == "parquet":
        table.to_parquet(file)
    else:
        table.to_csv(file, index=False, sep="," if suffix == "csv" else "\t")
    root, read, _ = open_set(file, faces.parent / "store")
    assert root == faces.parent
    assert read["path"].tolist() == ("faces/" + images["path"]).tolist()
    assert read["label"].tolist() == images["label"].tolist()
    assert read["group"].tolist() == table["photo"].tolist()
    assert read["split"].tolist() == ["train"] * 9 + ["test", ""]


@pytest.mark.parametrize(
    ("rows", "expected_error"),
    [
        ("file,weather\na.png,rain", "needs a column file .* and a column label, got file, weather"),
        ("label\nmask", "needs a column 'file'"),
        ("file,label\n../x.png,mask", "which is not below its folder"),
        ("file,label\nfaces/none.png,mask", "names faces/none.png, which does not exist below its folder"),
        (
            "file,label,split\nfaces/mask/000.png,mask,later",
            "has split 'later'; allowed are train, val",
        ),
        ("file,label\nfaces/mask/000.png,mask", "contains only the class mask; add another"),
    ],
)
def test_a_wrong_table_is_named(faces: Path, rows: str, expected_error: str) -> None:
    file = faces.parent / "list.csv"
    file.write_text(rows)
    with pytest.raises(DataError, match=expected_error):
        open_set(file, faces.parent / "store")


def test_several_places_are_read_as_one_set_with_their_own_groups(faces: Path) -> None:
    other = write_faces(faces.parent / "more/b", {"mask": 2, "no_mask": 1}, seed=1)
    for root, group in ((faces, "7"), (other, "7")):
        files = [str(path.relative_to(root)) for path in sorted(root.rglob("[0-9]*.png"))]
        pd.DataFrame({"file": files, "group": group}).to_csv(root / "manifest.csv", index=False)
    bare = write_faces(faces.parent / "bare", {"no_mask": 3}, seed=2)
    packed = pack(bare, "more.zip", "")
    (packed.parent / "bare").rename(packed.parent / "elsewhere")  # the archive is read, not the folder
    root, table, folders = open_set([faces, other, packed], faces.parent / "store")
    assert root == faces.parent
    assert [folder.relative_to(root).parts[0] for folder in folders] == ["faces", "more", "store"]
    assert all((root / path).is_file() for path in table["path"])
    assert table["source"].value_counts().to_dict() == {"faces": 11, "b": 3, "more": 3}
    known = table[table["source"] != "more"]
    assert known.groupby("source")["group"].unique().map(list).to_dict() == {"b": ["more/b/7"], "faces": ["faces/7"]}
    unknown = table[table["source"] == "more"]
    assert unknown["group"].tolist() == unknown["path"].tolist()


def test_places_named_like_parts_are_these_parts_and_share_groups(faces: Path) -> None:
    train = faces.rename(faces.parent / "Training")
    test = write_faces(faces.parent / "test", {"mask": 2}, seed=1)
    _, table, _ = open_set([train, test], faces.parent / "store", groups="^(00)")
    assert table.groupby("source")["split"].unique().map(list).to_dict() == {"Training": ["train"], "test": ["test"]}
    assert table["group"].unique().tolist() == ["00"]  # one expression names the groups of all places
    rows = [{"file": path, "label": "mask" if i % 2 else "no_mask"} for i, path in enumerate(table["path"])]
    for name, part in (("train", rows[:8]), ("test", rows[8:])):
        pd.DataFrame(part).assign(group="x").to_csv(faces.parent / f"{name}.csv", index=False)
    root, listed, folders = open_set([faces.parent / "train.csv", faces.parent / "test.csv"], faces.parent / "store")
    assert (root, folders) == (faces.parent, ())
    assert listed["split"].value_counts().to_dict() == {"train": 8, "test": len(rows) - 8}
    assert listed["group"].unique().tolist() == ["x"]


@pytest.mark.parametrize(
    ("second", "classes", "message"),
    [
        ("faces", {}, "contains mask/000.png twice; name each folder once"),
        ("more", {"Mask": 2}, "contains the classes Mask and mask; give their folders the same name"),
        ("none", None, "does not exist; give a folder"),
        ("empty", {}, "contains no images in class folders"),
    ],
)
def test_places_that_do_not_fit_together_are_named(
    faces: Path, second: str, classes: dict[str, int] | None, message: str
) -> None:
    place = faces.parent / second
    if classes is not None and not place.exists():
        place.mkdir()
        write_faces(place, classes)
    with pytest.raises(DataError) as error:
        open_set([faces, place], faces.parent / "store")
    assert message in str(error.value).replace(f"{faces.parent}/", "")


def test_one_class_in_all_places_is_refused_for_training_only(tmp_path: Path) -> None:
    roots = [write_faces(tmp_path / name, {"mask": 2}) for name in ("a", "b")]
    assert len(open_set(roots, tmp_path / "store", for_training=False).table) == 4
    with pytest.raises(DataError, match="contains only the class mask; add another"):
        open_set(roots, tmp_path / "store")


@pytest.mark.parametrize("root", [[], 5, None, ["a", 5], {"a": "b"}])
def test_what_is_no_place_is_refused(root: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be a folder, an archive or a table, or a list of them"):
        open_set(root, tmp_path)


def test_a_table_keeps_its_groups_when_a_manifest_is_made_of_it(faces: Path) -> None:
    files = [str(path.relative_to(faces)) for path in sorted(faces.rglob("[0-9]*.png"))]
    rows = pd.DataFrame({"file": files, "label": ["mask", "no_mask"] * 5 + ["mask"], "group": "g"})
    rows.to_csv(faces / "table.csv", index=False)
    root, table, folders = open_set(faces / "table.csv", faces.parent / "store")
    manifest = manifest_with(root, folders, table.assign(split="train"), "split")
    assert manifest.columns.tolist() == ["file", "group", "split"]
    assert manifest["group"].unique().tolist() == ["g"]
