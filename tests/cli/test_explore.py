"""``prepare_data.py task=explore`` as users run it."""

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces

pytestmark = pytest.mark.slow


def explore(place: Path, *words: str) -> Outcome:
    command = ["task=explore", f"data.store_dir={place}/store", f"hydra.run.dir={place}/report", *words]
    return call_command(PROJECT / "prepare_data.py", command, place, {})


@pytest.fixture
def faces_on_disk(tmp_path: Path) -> Path:
    root = write_faces(tmp_path / "set", {"mask": 24, "no_mask": 16})
    (root / "no_mask/street").mkdir()
    for i in range(4):
        (root / f"no_mask/{i:03d}.png").rename(root / f"no_mask/street/{i:03d}.png")
    Image.new("RGB", (30, 20)).save(root / "mask/bus_01.png")
    return root


def test_it_counts_draws_and_augments(tmp_path: Path, faces_on_disk: Path) -> None:
    done = explore(tmp_path, "data=folder", f"data.root={faces_on_disk}", "augment=light")
    assert done.code == 0, done.err
    assert "n = 41 images" in done.out
    folder = tmp_path / "report"
    counts = pd.read_csv(folder / "tables/classes_and_splits.csv").set_index("class")
    assert counts.loc["all", "images"] == 41
    assert counts.loc["mask", "train"] + counts.loc["mask", "test"] == counts.loc["mask", "images"] == 25
    assert 0 < counts.loc["all", "test"] < 14
    sources = pd.read_csv(folder / "tables/sources.csv").set_index("source")["all classes"].to_dict()
    assert sources == {"not known": 36, "street": 4, "bus": 1}
    sizes = pd.read_csv(folder / "tables/sizes.csv")
    assert sizes["n"].sum() == 41
    assert sizes["most"].max() == 30
    drawn = {file.stem for file in (folder / "figures").iterdir()}
    assert drawn == {"classes_and_splits", "sources", "sizes"}  # none that shows people
    for name in drawn:
        assert (folder / f"figures/{name}.png").stat().st_size > 5_000
        assert (folder / f"figures/{name}.svg").is_file()
    page = (folder / "report.html").read_text()
    assert "data:image/png" not in page
    assert "to draw them, add report.faces=true" in page
    assert json.loads((folder / "report.json").read_text())["data"]["n"] == 41


def test_the_demo_set_makes_itself(tmp_path: Path) -> None:
    done = explore(tmp_path, "data=demo", f"data.root={tmp_path}/demo")
    assert done.code == 0, done.err
    assert "demo, n = 1,000 images in 100 groups" in done.out


def test_faces_are_embedded_when_asked_for(tmp_path: Path, faces_on_disk: Path) -> None:
    done = explore(tmp_path, "data=folder", f"data.root={faces_on_disk}", "augment=none", "report.faces=true")
    assert done.code == 0, done.err
    assert (tmp_path / "report/report.html").read_text().count("data:image/png") == 2


@pytest.mark.parametrize(
    ("words", "expected_error"),
    [
        (["task=explain"], "task=explain: there is no such task; choose from: "),
        (["detector=haar"], "detector is not a config group of this command or task; remove it."),
        (["data=folder"], "data.root has no value; give it one: data.root="),
        (["data=folder", "data.root=nowhere"], "data.root=nowhere does not exist"),
        (["augment=keras", "augment.without=[shake]"], "augment.without names 'shake', which is not a step"),
        (["seed=-1"], "seed must be at least 0 and less than 2**32, got -1."),
        (["-m", "augment=none,light"], "-m is only supported by train.py; remove it"),
    ],
)
def test_invalid_arguments_raise_one_sentence(tmp_path: Path, words: list[str], expected_error: str) -> None:
    done = explore(tmp_path, *words)
    assert_refused(done, expected_error)
    assert not (tmp_path / "report").exists()
