"""``export.py average=true``: the mean of the weights of all folds is one model."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.data.pictures import read_image
from facemask.inference.predictor import Predictor
from facemask.inference.torch import open_checkpoint
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of faces and a run of one fold."""
    folder = tmp_path_factory.mktemp("averaged")
    write_faces(folder / "set", {"mask": 30, "no_mask": 24}, side=14, is_hard=True)
    fit_folds(configure(folder / "set", folder, "model.channels=[4]", "epochs=1"), folder / "run")
    return folder


def export(place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / "export.py", list(words), place, {})


def test_the_mean_of_all_folds_is_one_model(place: Path) -> None:
    words = ["model.channels=[16]", "epochs=2", "fold=all"]
    run = fit_folds(configure(place / "set", place, *words), place / "folds")
    states = [torch.load(place / f"folds/fold-{fold}/best.ckpt", weights_only=True) for fold in range(len(run.folds))]
    for fold, content in enumerate(states):  # as if fine-tuned from the same weights
        shifted = {k: v + 0.001 * fold if v.is_floating_point() else v for k, v in states[0]["state_dict"].items()}
        torch.save(content | {"state_dict": shifted}, place / f"folds/fold-{fold}/best.ckpt")
    done = export(place, "run=folds", "average=true", "hydra.run.dir=mean")
    assert done.code == 0, done.err
    assert "to measure the model, evaluate it on the test part" in done.out
    known = json.loads((place / "mean/CNN-averaged-fp32.onnx.json").read_text())
    assert known["averaged"] is True
    faces = [read_image(path) for path in sorted((place / "set").glob("*/*.png"))]
    middle = Predictor(open_checkpoint(place / "folds/fold-1")).predict(faces)  # 0, 1 and 2 thousandths: their mean
    assert np.abs(Predictor.load(place / "mean/CNN-averaged-fp32.onnx").predict(faces) - middle).max() < 1e-4


def test_networks_trained_from_scratch_are_not_averaged(place: Path) -> None:
    words = ["model.channels=[16,32]", "epochs=4", "lr=1e-2", "fold=all"]
    fit_folds(configure(place / "set", place, *words), place / "scratch")
    done = export(place, "run=scratch", "average=true", "hydra.run.dir=no")
    assert_refused(done, "only networks that start from the same pretrained weights can be averaged")
    assert not list((place / "no").glob("*"))
    assert_refused(export(place, "run=run", "average=true"), "average=true needs all folds, but run has 1 of 3")
    assert_refused(export(place, "run=scratch", "average=true", "fold=1"), "remove fold=1")
