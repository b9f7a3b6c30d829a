"""On a CPU everything that only predicts uses the run's ONNX file, with the checkpoint's probabilities."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from commands import call_command
from conftest import PROJECT, write_faces
from facemask.errors import RunError
from facemask.inference.predictor import Predictor
from facemask.runs.samples import own_samples
from facemask.runs.trained import open_models
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and the same run without its ONNX file in ``torch``."""
    place = tmp_path_factory.mktemp("engine")
    faces = write_faces(place / "faces", {"mask": 60, "no_mask": 45}, side=14, is_hard=True)
    fit_folds(configure(faces, place, "epochs=2", "lr=4e-3", "schedule=none"), place / "run")
    shutil.copytree(place / "run", place / "torch")
    (place / "torch/fold-0/best.onnx").unlink()
    return place


def test_runs_and_checkpoints_open_on_onnx_runtime_with_the_probabilities_of_torch(place: Path) -> None:
    samples = own_samples(open_models([place / "run"]), "val")
    saved = pd.read_parquet(place / "run/predictions.parquet").filter(like="probability_").to_numpy()
    for path in ("run", "run/fold-0", "run/fold-0/best.ckpt"):
        fast, slow = Predictor.load(place / path, threads=1), Predictor.load(place / path.replace("run", "torch"))
        assert (fast.library, slow.library) == ("ONNX Runtime", "torch")
        assert fast.preprocessing == slow.preprocessing
        images = samples.images(fast.preprocessing.store_size)
        for predictor in (fast, slow):
            np.testing.assert_allclose(predictor.predict_squares(images), saved, atol=1e-4)
    assert Predictor.load(place / "run/fold-0/last.ckpt").library == "torch"
    assert Predictor.load(place / "run", device="cpu", fold=0).library == "ONNX Runtime"


def test_opening_a_run_imports_no_torch(place: Path) -> None:
    program = f"import sys, facemask; facemask.Predictor.load({str(place / 'run')!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_fold_that_is_not_complete_is_not_opened(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "run", tmp_path / "run")
    result = tmp_path / "run/fold-0/result.json"
    result.write_text(result.read_text().replace('"status": "complete"', '"status": "interrupted"'))
    whole = tmp_path / "run/result.json"
    whole.write_text(whole.read_text().replace('"status": "complete"', '"status": "interrupted"'))
    with pytest.raises(RunError, match="has no complete fold"):
        Predictor.load(tmp_path / "run")


def test_a_report_names_the_library_and_has_the_same_metrics(place: Path, tmp_path: Path) -> None:
    found = {}
    for run in ("run", "torch"):
        words = [f"run={run}", f"hydra.run.dir={tmp_path}/{run}", "n_bootstraps=100"]
        assert call_command(PROJECT / "evaluate.py", words, place, {}).code == 0
        found[run] = json.loads((tmp_path / run / "report.json").read_text())["models"][0]["metrics"]
    assert "Measured with ONNX Runtime on " in (tmp_path / "run/report.html").read_text()
    assert "Measured with torch on " in (tmp_path / "torch/report.html").read_text()
    assert found["run"] == pytest.approx(found["torch"], abs=1e-3)
