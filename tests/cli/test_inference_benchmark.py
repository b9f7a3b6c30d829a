"""``benchmarks/inference.py`` prints a row per runtime, and every table names its data and model."""

from pathlib import Path

import pandas as pd
import pytest

from commands import call_command, type_fresh_command
from conftest import PROJECT, write_faces
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow

SCRIPT = PROJECT / "benchmarks/inference.py"
BRIEF = ["--seconds", "0", "--rounds", "1", "--threads", "1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of faces and a run on it."""
    folder = tmp_path_factory.mktemp("benchmark")
    write_faces(folder / "set", {"mask": 30, "no_mask": 24}, side=14, is_hard=True)
    fit_folds(configure(folder / "set", folder, "epochs=1"), folder / "run")
    return folder


def test_every_way_is_measured_and_drawn(place: Path) -> None:
    ways = ["torch eager", "ONNX Runtime", "OpenVINO int8"]
    done = type_fresh_command(SCRIPT, ["run=run", *BRIEF, "--ways", *ways, "--out", "out"], place)
    assert done.code == 0, done.err
    accuracy, speed = (pd.read_csv(place / f"out/{name}.csv") for name in ("accuracy", "speed"))
    assert accuracy["way"].tolist() == ["conventional", *ways]
    assert accuracy["model"].tolist() == ["CNN 224 px (trained at 16)", *["CNN 16 px"] * 3]
    eager, onnx = (accuracy.set_index("way").loc[name] for name in ("torch eager", "ONNX Runtime"))
    assert onnx["accuracy"] == eager["accuracy"]
    assert onnx["memory MB"] < eager["memory MB"]
    assert (accuracy["cold start s"] > 0).all()
    assert sorted(set(speed["batch"])) == [1, 8, 32]
    assert len(speed) == 12
    assert (speed["ms"] > 0).all()
    assert (speed.loc[speed["way"] == "conventional", "x images/s"] == 1).all()
    tables = (place / "out/tables.txt").read_text()
    for words in (
        "set, test part, n = 11",
        "ranges: 95 % bootstrap confidence intervals over 11 groups",
        "1 thread(s) of",
        "paired",
    ):
        assert words in tables
    assert (place / "out/pareto.png").stat().st_size > 10_000


def test_an_invalid_run_is_reported(place: Path) -> None:
    done = call_command(SCRIPT, ["run=nowhere", *BRIEF], place, {})
    assert done.code == 2
    sentence = "nowhere is not a run folder: it has no config.yaml; give the folder that a run printed."
    assert done.err == f"error: {sentence}\n"
