"""The ``predict.py`` beside an exported model gives the digits of ``Predictor`` and needs three packages."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.data.pictures import read_image
from facemask.inference.predictor import Predictor
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow

ALLOWED = {"cv2", "numpy", "onnxruntime"}
BLOCKED = ("facemask", "torch", "PIL", "onnx", "hydra", "omegaconf", "pandas", "lightning")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of faces of several shapes, a run on it and its exports."""
    folder = tmp_path_factory.mktemp("script")
    write_faces(folder / "set", {"mask": 30, "no_mask": 24}, side=14, is_hard=True)
    fit_folds(configure(folder / "set", folder, "epochs=1", "data.store_size=20"), folder / "run")
    rng = np.random.default_rng(0)
    (folder / "faces").mkdir()
    for i, shape in enumerate([(9, 7), (20, 20), (50, 31), (1, 40), *rng.integers(5, 60, (36, 2))]):
        cv2.imwrite(f"{folder}/faces/{i:02d}.png", rng.integers(0, 256, (*shape, 3)).astype(np.uint8))
    for name, words in {"inside": [], "outside": ["preprocessing=outside"]}.items():
        done = export(folder, "run=run", *words, f"hydra.run.dir={name}")
        assert done.code == 0, done.err
    return folder


def export(place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / "export.py", list(words), place, {})


def isolated(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process that can import neither this project nor anything large."""
    block = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED!r}))\n"
    return subprocess.run([sys.executable, "-I", "-c", block + code, *words], capture_output=True, text=True)


@pytest.mark.parametrize("name", ["inside", "outside"])
def test_predict_gives_the_digits_of_predictor(place: Path, name: str) -> None:
    code = (
        "sys.path.insert(0, sys.argv[1]); import json, numpy as np; from predict import predict, read\n"
        "probabilities = predict([read(word) for word in sys.argv[2:]])\n"
        "print(json.dumps([str(probabilities.dtype), predict([]).shape, probabilities.tolist()]))\n"
    )
    pictures = sorted((place / "faces").iterdir())
    done = isolated(code, str(place / name), *map(str, pictures))
    assert done.returncode == 0, done.stderr
    dtype, empty, probabilities = json.loads(done.stdout)
    expected = Predictor.load(place / name / "CNN-fp32.onnx").predict([read_image(file) for file in pictures])
    assert (dtype, empty) == ("float32", [0, 2])
    assert np.array_equal(np.array(probabilities, np.float32), expected)


def test_it_prints_class_and_probabilities(place: Path) -> None:
    face = str(place / "faces/00.png")
    code = f"import runpy; runpy.run_path({str(place / 'inside/predict.py')!r}, run_name='__main__')"
    done = isolated(code, face)
    assert done.returncode == 0, done.stderr
    model = Predictor.load(place / "inside/CNN-fp32.onnx")
    (row,) = model.predict([read_image(Path(face))])
    name = model.class_names[row.argmax()]
    assert done.stdout == f"{face} {name} mask={row[0]:.4f} no_mask={row[1]:.4f}\n"
    done = isolated(code, "nowhere.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "error: nowhere.png cannot be read as an image"


def test_one_of_several_models_is_named(place: Path) -> None:
    done = export(place, "run=run", "precision=fp16", "max_drop=1", "hydra.run.dir=inside")
    assert done.code == 0, done.err
    script, face = str(place / "inside/predict.py"), str(place / "faces/00.png")
    code = f"import runpy; runpy.run_path({script!r}, run_name='__main__')"
    done = isolated(code, face)
    assert done.returncode == 1
    assert "error: 2 models are beside" in done.stderr
    assert isolated(code, str(place / "inside/CNN-fp16.onnx"), face).returncode == 0
    (place / "inside/CNN-fp16.onnx").unlink()


def test_only_onnx_files_get_one(place: Path) -> None:
    assert export(place, "run=run", "format=exported_program", "hydra.run.dir=program").code == 0
    assert not (place / "program/predict.py").exists()


def test_another_program_of_that_name_is_not_overwritten(place: Path) -> None:
    (place / "mine").mkdir()
    (place / "mine/predict.py").write_text("print('mine')\n")
    done = export(place, "run=run", "hydra.run.dir=mine")
    assert_refused(done, "mine/predict.py is another program; choose another folder: hydra.run.dir=FOLDER")
    assert [file.name for file in (place / "mine").iterdir()] == ["predict.py"]


def test_it_imports_three_packages(place: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse((place / "inside/predict.py").read_text(), feature_version=(3, 10))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    assert imported - sys.stdlib_module_names == ALLOWED
