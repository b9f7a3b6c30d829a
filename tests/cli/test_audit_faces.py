"""``prepare_data.py task=audit`` as users and build servers run it."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces

pytestmark = pytest.mark.slow


def audit(place: Path, *words: str) -> Outcome:
    words = ("task=audit", f"hydra.run.dir={place}/audit", *words)
    return call_command(PROJECT / "prepare_data.py", words, place, {})


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Twenty faces, no two alike."""
    return write_faces(tmp_path / "set", {"mask": 11, "no_mask": 9}, side=24)


def test_a_clean_set_passes(clean: Path, tmp_path: Path) -> None:
    done = audit(tmp_path, "data.root=set")
    assert done.code == 0, done.out + done.err
    assert "set: 20 images in 20 groups, 2 classes" in done.out
    facts = json.loads((tmp_path / "audit/audit.json").read_text())
    assert set(facts["found"].values()) == {0}
    assert facts["too_many"] == []
    assert pd.read_csv(tmp_path / "audit/findings.csv").empty


def test_each_defect_fails_it_until_it_is_allowed(clean: Path, tmp_path: Path) -> None:
    shutil.copy(clean / "mask/000.png", clean / "mask/copy.png")
    with Image.open(clean / "mask/001.png") as picture:
        picture.resize((48, 48), Image.Resampling.BICUBIC).save(clean / "no_mask/larger.png")
    (clean / "mask/cut.png").write_bytes((clean / "mask/002.png").read_bytes()[:60])
    Image.new("RGB", (40, 6)).save(clean / "mask/strip.png")
    done = audit(tmp_path, "data.root=set")
    assert done.code == 1
    sentences = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(sentences) == 1
    assert "more findings than allowed: unreadable (1, allowed 0), exact_duplicates (1, allowed 0)" in sentences[0]
    facts = json.loads((tmp_path / "audit/audit.json").read_text())
    expected = {
        "unreadable": 1,
        "exact_duplicates": 1,
        "near_duplicates": 1,
        "altered_copies": 0,
        "label_conflicts": 1,
        "duplicates_across_splits": 0,
        "duplicates_across_groups": 2,
        "groups_across_splits": 0,
        "tiny": 1,
        "extreme_aspect": 1,
        "flat": 1,
        "imbalance": 0,
    }
    assert facts["found"] == expected
    assert facts["too_many"] == sorted(kind for kind, n in expected.items() if n)
    findings = pd.read_csv(tmp_path / "audit/findings.csv").set_index("finding")
    conflict = findings.loc["label_conflicts"]
    assert {conflict["file"], conflict["other"]} == {"mask/001.png", "no_mask/larger.png"}
    allowed = [f"allow.{kind}={n}" for kind, n in expected.items() if n and kind != "tiny"]
    assert audit(tmp_path, "data.root=set", *allowed).code == 1
    assert audit(tmp_path, "data.root=set", *allowed, "allow.tiny=null").code == 0
    assert audit(tmp_path, "data.root=set", *allowed, "min_side=6").code == 0


def test_groups_keep_duplicates_together(clean: Path, tmp_path: Path) -> None:
    manifest = [f"{file.relative_to(clean).as_posix()},{file.stem}" for file in sorted(clean.rglob("*.png"))]
    (clean / "manifest.csv").write_text("\n".join(["file,photo", *manifest, "mask/copy.png,x", "mask/larger.png,y"]))
    shutil.copy(clean / "mask/000.png", clean / "mask/copy.png")
    with Image.open(clean / "mask/copy.png") as picture:
        picture.resize((48, 48), Image.Resampling.BICUBIC).save(clean / "mask/larger.png")
    assert audit(tmp_path, "data.root=set").code == 1
    done = audit(tmp_path, "data.root=set", "group=true", "allow.exact_duplicates=1", "allow.near_duplicates=2")
    assert done.code == 0, done.err
    table = pd.read_csv(clean / "manifest.csv", dtype=str).set_index("file")
    assert set(table.loc[["mask/000.png", "mask/copy.png", "mask/larger.png"], "group"]) == {"000"}
    # Faces of the photo 000 in the other class are of its group, too; all other photos keep their own.
    assert table["group"].value_counts().to_dict() == {"000": 4} | {f"{i:03d}": 2 if i < 9 else 1 for i in range(1, 11)}
    assert table["photo"].tolist()[-2:] == ["x", "y"]


def test_names_that_repeat_are_proposed_as_groups_that_can_be_typed(clean: Path, tmp_path: Path) -> None:
    for path in list(clean.glob("*/*.png")):
        shutil.copy(path, path.with_stem(f"{path.stem}_copy"))
    done = audit(tmp_path, "data.root=set", *[f"allow.{kind}=null" for kind in ("exact_duplicates", "tiny")])
    assert "duplicates_across_groups" in done.err
    found = re.search(r"keep them in one part with '(data.groups=.*)' \(\d+ groups\)", done.out)
    assert found
    done = audit(tmp_path, "data.root=set", found[1], "allow.exact_duplicates=null", "allow.tiny=null")
    assert done.code == 0, done.err
    assert "Names repeat" not in done.out
    assert_refused(audit(tmp_path, "data.root=set", "data.groups=(", "allow.tiny=null"), "is not a regular expression")


@pytest.mark.parametrize(
    ("words", "expected_error"),
    [
        ("", "data.root has no value; give it one: data.root=…"),
        ("data.root=nowhere", "data.root=nowhere does not exist"),
        ("data.root=set allow.tiny=-1", "allow.tiny must be at least 0, or null to allow any number, got -1."),
        ("data.root=set allow.blurred=1", "allow.blurred is not a key; did you mean allow."),
        ("data.root=set max_aspect=0.5", "max_aspect must be at least 1, got 0.5."),
        ("data.root=set out=x", "out is not a key"),
        ("data=folder data.root=set", "data"),
    ],
)
def test_bad_input_is_exit_code_two(clean: Path, tmp_path: Path, words: str, expected_error: str) -> None:
    done = audit(tmp_path, *words.split())
    assert_refused(done, expected_error)
    assert not (tmp_path / "audit").exists()


def test_real_faces(real_data: Path, tmp_path: Path) -> None:
    """Two photos of the street sets are one photo, published twice."""
    done = audit(tmp_path, f"data.root={real_data}/faces3")
    assert done.code == 1
    findings = pd.read_csv(tmp_path / "audit/findings.csv")
    pairs = findings[findings["finding"] == "near_duplicates"]
    assert 1 <= len(pairs) < 10
    assert (pairs["label"] == pairs["other_label"]).all()
