"""Paths that a file names stay below its folder."""

import json
import os
from pathlib import Path

import pytest

from commands import assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.data.manifest import read_manifest
from facemask.errors import DataError
from facemask.files import is_below


def test_a_journal_deletes_nothing_outside_its_folder(tmp_path: Path) -> None:
    write_faces(tmp_path / "photos", {"a": 1}, side=40)
    words = ["task=crop", "photos=photos", "out=out/faces", "detector=haar"]
    assert call_command(PROJECT / "prepare_data.py", words, tmp_path, {}).code == 0
    (tmp_path / "victim.txt").write_text("precious")
    journal = tmp_path / "out/faces/crops.jsonl"
    head, line = journal.read_text().splitlines()
    for file in ("../../victim.txt", str(tmp_path / "victim.txt"), "link/victim.txt"):
        face = {"file": file, "photo": "a/000.png", "label": "", "split": "", "score": None}
        face |= dict.fromkeys(("left", "top", "right", "bottom"), 1.0)
        changed = json.loads(line) | {"stamp": "another", "faces": [face]}
        journal.write_text(f"{head}\n{json.dumps(changed)}\n")
        if file.startswith("link") and not (tmp_path / "out/faces/link").exists():
            (tmp_path / "out/faces/link").symlink_to(tmp_path)
        done = call_command(PROJECT / "prepare_data.py", words, tmp_path, {})
        assert_refused(done, f"names {file!r}, which is not below")
        assert (tmp_path / "victim.txt").read_text() == "precious"


@pytest.mark.parametrize("how", ["copy", "link"])
def test_parts_contain_only_files_of_the_set(tmp_path: Path, how: str) -> None:
    root = write_faces(tmp_path / "faces", {"mask": 12, "no_mask": 12})
    (tmp_path / "secret").write_text("secret")
    (root / "mask/000.png").unlink()
    (root / "mask/000.png").symlink_to(tmp_path / "secret")
    words = ["task=split", f"data.root={root}", "out=parts", f"files={how}"]
    assert_refused(call_command(PROJECT / "prepare_data.py", words, tmp_path, {}), "is a link to a file outside")
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "mask/../../a.png"])
def test_a_manifest_may_only_name_files_below_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "manifest.csv").write_text(f"file,group\n{name},1\n")
    with pytest.raises(DataError, match="which is not below its folder"):
        read_manifest(tmp_path / "manifest.csv")


def test_below(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/out").symlink_to(tmp_path)
    root = tmp_path / "in"
    assert all(is_below(name, root) for name in ("a", "a/b.png", "ä/..b"))
    assert not any(is_below(name, root) for name in ("", "..", "a/../../b", "/a", "out/a", os.fspath(tmp_path), "a\0"))
