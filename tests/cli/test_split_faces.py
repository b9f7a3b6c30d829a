"""``prepare_data.py task=split`` as users run it."""

from pathlib import Path

import pandas as pd
import pytest

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.data.index import index

pytestmark = pytest.mark.slow


def prepare(place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / "prepare_data.py", ["task=split", *words], place, {})


@pytest.fixture
def photos_known(tmp_path: Path) -> Path:
    """Sixty faces of thirty photos, two a photo, with a column of somebody's own."""
    root = write_faces(tmp_path / "set", {"mask": 36, "no_mask": 24})
    paths = sorted(str(path.relative_to(root)) for path in root.rglob("*.png"))
    rows = [f"{path},{path.split('/')[0]}-{int(path[-7:-4]) // 2},Åsa" for path in paths]
    (root / "manifest.csv").write_text("\n".join(["file,photo,who", *rows]) + "\n")
    return root


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", ["copy", "link"])
def test_folders_of_parts_hold_every_face_once_and_whole_photos(photos_known: Path, tmp_path: Path, how: str) -> None:
    before = files(photos_known)
    done = prepare(tmp_path, "data.root=set", "out=parts", f"files={how}")
    assert done.code == 0, done.err
    assert "parts: 60 images" in done.out
    assert "in train, " in done.out
    assert files(photos_known) == before
    manifest = pd.read_csv(tmp_path / "parts/manifest.csv")
    assert manifest["who"].unique().tolist() == ["Åsa"]
    assert (manifest.groupby("photo")["split"].nunique() == 1).all()
    assert manifest["split"].value_counts().between(8, 40).all()
    for row in manifest.itertuples():
        split, _, path = str(row.file).partition("/")
        assert split == row.split
        assert (tmp_path / f"parts/{row.file}").read_bytes() == before[path]
        assert (tmp_path / f"parts/{row.file}").samefile(photos_known / path) == (how == "link")
    assert set(index(tmp_path / "parts")["split"]) == {"train", "test"}
    refused = prepare(tmp_path, "data.root=set", "out=parts")
    assert_refused(refused, "out=parts already exists; choose a new folder, or delete that one.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "set"]


def test_a_manifest_with_a_group_column_is_enough(photos_known: Path, tmp_path: Path) -> None:
    before = files(photos_known)
    assert prepare(tmp_path, "data.root=set", "val=0").code == 0
    manifest = pd.read_csv(photos_known / "manifest.csv")
    assert set(manifest["split"]) == {"train", "test"}
    after = files(photos_known)
    assert {name for name in after if after[name] != before[name]} == {"manifest.csv"}
    kept = prepare(tmp_path, "data.root=set", "val=0", "split_seed=1")
    assert "The test part is the set's own" in kept.out
    assert files(photos_known) == after
    assert prepare(tmp_path, "data.root=set", "val=0", "split_seed=1", "again=true").code == 0
    assert files(photos_known) != after
    assert prepare(tmp_path, "data.root=set", "val=0", "again=true").code == 0
    assert files(photos_known) == after


def test_a_split_without_manifest_writes_one(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "set", {"mask": 20, "no_mask": 20})
    assert prepare(tmp_path, "data.root=set").code == 0
    counts = pd.read_csv(root / "manifest.csv")["split"].value_counts().to_dict()
    assert counts == {"train": 24, "val": 8, "test": 8}
    assert index(root)["split"].value_counts().to_dict() == {"train": 32, "test": 8}


def test_two_files_with_the_same_target_path_are_refused(tmp_path: Path) -> None:
    write_faces(tmp_path / "set/train", {"a": 20, "b": 20})
    write_faces(tmp_path / "set/test", {"a": 10, "b": 10}, seed=1)
    done = prepare(tmp_path, "data.root=set", "out=parts", "again=true")
    assert_refused(done, "would both become")
    assert not (tmp_path / "parts").exists()
    assert prepare(tmp_path, "data.root=set", "out=kept").code == 0
    assert len(index(tmp_path / "kept")) == 60


@pytest.mark.parametrize(
    ("words", "expected_error"),
    [
        ("data.root=nowhere", "data.root=nowhere does not exist"),
        ("", "data.root has no value; give it one: data.root=…"),
        ("data.root=set test=0.01", "test must be 0, or a fraction of the images between 0.05 and 0.9, got 0.01."),
        (
            "data.root=set val=0.5 test=0.5",
            "val + test must be at most 0.9, to leave 0.1 for training, got val=0.5 and test=0.5.",
        ),
        ("data.root=set files=move", "files must be one of copy, link, got move."),
        ("data.root=set out=set/parts", "out=set/parts is inside data.root=set; choose a folder outside it."),
        ("data.root=set split_seed=-1", "split_seed must be at least 0 and less than 2**32, got -1."),
        ("data.root=set test=0.05", "class 'a' has 12 groups of images, too few for 20 parts (test)"),
        ("data.root=set out=diary.txt", "out=diary.txt already exists; choose a new folder"),
        ("data.root=set photos=x", "photos is not a key"),
    ],
)
def test_invalid_arguments_raise_one_sentence(tmp_path: Path, words: str, expected_error: str) -> None:
    write_faces(tmp_path / "set", {"a": 12, "b": 19})
    (tmp_path / "diary.txt").write_text("mine")
    before = files(tmp_path)
    done = prepare(tmp_path, *words.split())
    assert_refused(done, expected_error)
    assert files(tmp_path) == before
