"""Data sets are read where they are: in archives, and from tables of paths and labels."""

import io
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from conftest import write_faces
from facemask.data import archives
from facemask.data.index import index
from facemask.data.places import open_set
from facemask.errors import DataError


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
    root, table = open_set(archive, store)
    pd.testing.assert_frame_equal(table, index(faces))
    assert all((root / path).is_file() for path in table["path"])
    assert root.is_relative_to(store)
    assert not list(store.rglob("._*"))
    stamp = (root / table["path"][0]).stat().st_mtime_ns
    assert open_set(archive, store)[0] == root
    assert (root / table["path"][0]).stat().st_mtime_ns == stamp


def test_a_changed_archive_is_unpacked_again(faces: Path) -> None:
    store = faces.parent / "store"
    first, _ = open_set(pack(faces, "faces.zip", ""), store)
    (faces / "mask/000.png").unlink()
    second, table = open_set(pack(faces, "faces.zip", ""), store)
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
    with pytest.raises(DataError, match="contains '.*evil.png', which is not below its folder; do not use"):
        open_set(archive, tmp_path / "store")
    assert not list(tmp_path.rglob("evil.png"))
    assert not Path("/evil.png").exists()


def test_links_in_an_archive_are_left_out(faces: Path) -> None:
    (faces / "mask/link.png").symlink_to("/etc/hostname")
    _, table = open_set(pack(faces, "faces.tar", ""), faces.parent / "store")
    assert len(table) == 11


def test_bombs_and_damaged_archives_are_refused_and_leave_nothing(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, archive = faces.parent / "store", pack(faces, "faces.zip", "")
    monkeypatch.setattr(archives, "MAX_SMALL", 100)
    monkeypatch.setattr(archives, "MAX_GROWTH", 0)
    with pytest.raises(DataError, match="describes more than 0.0 GB; unpack it by hand"):
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
    root, read = open_set(file, faces.parent / "store")
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
