"""One ``predict`` for every kind of file, without heavy packages; wrong files raise a clear error."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from conftest import PROJECT
from facemask.data.preprocessing import Pixels, Preprocessing
from facemask.errors import FaceMaskError, ModelError
from facemask.inference.backend import METADATA, write_metadata
from facemask.inference.predictor import Predictor
from facemask.inference.torch import open_checkpoint
from facemask.models.checkpoint import load_model
from facemask.models.predict import predict_probabilities

PREPROCESSING = Preprocessing(("mask", "no_mask"), 24, 16)
HEAVY = ("torch", "PIL", "hydra", "omegaconf", "pandas", "lightning", "onnx", "scipy", "rich", "pydantic")


def write_onnx(
    file: Path,
    preprocessing: Preprocessing | None = PREPROCESSING,
    dtype: int = TensorProto.UINT8,
    side: int = 16,
    classes: int = 2,
) -> Path:
    """Write a graph that predicts from the mean colour alone."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, classes)).astype(np.float32)
    is_float = dtype == TensorProto.FLOAT
    shape = ["n", 3, side, side] if is_float else ["n", side, side, 3]
    axes = [2, 3] if is_float else [1, 2]
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = {
        "axes": np.array(axes),
        "weights": weights,
        "scale": np.array(1 if is_float else 255, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("images", dtype, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", classes])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if preprocessing is not None:
        helper.set_model_props(model, {METADATA: write_metadata(preprocessing, {})})
    file.write_bytes(model.SerializeToString())
    return file


@pytest.fixture(scope="module")
def brightness(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(write_onnx(tmp_path_factory.mktemp("model") / "brightness.onnx"))


def crops(n: int, seed: int = 0) -> list[Pixels]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*rng.integers(1, 60, 2), 3)).astype(np.uint8) for _ in range(n)]


def fresh(code: str, *missing: str) -> str:
    """Run code in a process of its own, in which some packages cannot be imported."""
    block = f"import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"
    command = [sys.executable, "-c", block + code]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout


def test_onnx_files_need_no_torch_and_nothing_else_that_is_large(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "model.onnx")
    code = (
        "import numpy as np; from facemask.inference.predictor import Predictor\n"
        f"model = Predictor.load({str(file)!r}, threads=1)\n"
        "print(model.predict([np.full((9, 7, 3), 200, np.uint8)]).tolist())\n"
        "print(sorted(name for name, module in sys.modules.items() if module and '.' not in name))\n"
    )
    probabilities, imported = fresh(code, *HEAVY).splitlines()
    expected = Predictor.load(file).predict([np.full((9, 7, 3), 200, np.uint8)])
    assert np.allclose(json.loads(probabilities), expected, atol=1e-6)
    assert "onnxruntime" in imported
    _, unblocked = fresh(code).splitlines()
    assert not {f"'{name}'" for name in HEAVY} & set(unblocked.strip("[]").split(", "))


def test_a_checkpoint_predicts_as_evaluation_does(fit: Callable[..., tuple[dict[str, object], Path]]) -> None:
    _, folder = fit("epochs=1")
    checkpoint = folder / "fold-0/best.ckpt"
    model, preprocessing = load_model(checkpoint)
    faces = crops(40)
    expected = predict_probabilities(model, preprocessing, np.stack([preprocessing.square(face) for face in faces]))
    before = torch.get_num_threads()
    for path in (folder, folder / "fold-0", checkpoint):
        for classifier in (Predictor(open_checkpoint(path, threads=1)), Predictor.load(path, threads=1)):
            assert classifier.class_names == ("mask", "no_mask")
            assert np.allclose(classifier.predict(faces), expected, atol=1e-6)
    torch.set_num_threads(before)
    with pytest.raises(FaceMaskError, match="fold=1 of .* is not complete"):
        Predictor.load(folder, fold=1)
    with pytest.raises(ModelError, match="torch has no device cuda:99"):
        Predictor.load(folder, device="cuda:99")


@given(st.integers(0, 70))
@settings(max_examples=20, deadline=None)
def test_no_crop_depends_on_the_others(brightness: Predictor, n: int) -> None:
    faces = crops(n, seed=n)
    probabilities = brightness.predict(iter(faces))
    assert probabilities.shape == (n, 2)
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    squares = np.zeros((n, 16, 16, 3), np.uint8)
    for i, face in enumerate(faces):
        squares[i] = PREPROCESSING.square(face)
        assert np.allclose(brightness.predict([face])[0], probabilities[i], atol=1e-6)
    assert np.allclose(brightness.predict_squares(squares), probabilities, atol=1e-6)


@pytest.mark.parametrize("size", [8, 16, 24, 41])
def test_preprocessing_without_torch_is_the_same(size: int) -> None:
    preprocessing = Preprocessing(("a", "b"), size, 16)
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    expected = preprocessing.normalise(torch.from_numpy(images)).numpy()
    found = preprocessing.normalise_array(images)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)


def test_a_graph_that_takes_floats_gets_normalised_images(tmp_path: Path) -> None:
    classifier = Predictor.load(write_onnx(tmp_path / "model.onnx", dtype=TensorProto.FLOAT, side=24))
    assert classifier.predict(crops(3)).shape == (3, 2)


@pytest.mark.parametrize(
    ("crop", "expected_error"),
    [
        (
            np.zeros((4, 4, 3), np.float32),
            r"crop 1 is float32\[4, 4, 3\]; each crop must be an array uint8\[h, w, 3\], RGB",
        ),
        (np.zeros((4, 4), np.uint8), r"crop 1 is uint8\[4, 4\]"),
        (np.zeros((4, 4, 4), np.uint8), r"crop 1 is uint8\[4, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), "crop 1 has no pixels: 4 x 0; leave it out"),
        ([[0, 0, 0]], "crop 1 is list"),
    ],
)
def test_wrong_crops_raise(brightness: Predictor, crop: Pixels, expected_error: str) -> None:
    with pytest.raises(ModelError, match=expected_error):
        brightness.predict([*crops(1), crop])


@pytest.mark.parametrize("wrong", [np.zeros((1, 16, 17, 3), np.uint8), np.zeros((1, 16, 16, 3), np.float32)])
def test_wrong_squares_raise(brightness: Predictor, wrong: Pixels) -> None:
    with pytest.raises(ModelError, match=r"the images must be uint8\[N, 16, 16, 3\], RGB, got"):
        brightness.predict_squares(wrong)


def test_an_argument_for_another_kind_of_file_raises(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "model.onnx")
    with pytest.raises(
        ModelError, match=r"device=cuda does not apply to .*\.onnx, only to a run folder, or a file .ckpt, "
    ):
        Predictor.load(file, device="cuda")
    with pytest.raises(ModelError, match=r"fold=1 does not apply to .*\.onnx, only to a run folder; leave it out"):
        Predictor.load(file, fold=1)
    (tmp_path / "model.xml").touch()
    with pytest.raises(ModelError, match=r"does not apply to .*\.xml, only to a file .onnx; leave it out"):
        Predictor.load(tmp_path / "model.xml", providers=["CPUExecutionProvider"])


def test_files_that_are_not_models_raise(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="nowhere.onnx does not exist; give a run folder"):
        Predictor.load(tmp_path / "nowhere.onnx")
    with pytest.raises(ModelError, match="threads must be at least 1, got 0"):
        Predictor.load(write_onnx(tmp_path / "whole.onnx"), threads=0)
    (tmp_path / "model.tflite").touch()
    with pytest.raises(
        ModelError, match="model.tflite is not a model file; give a run folder, or a file .ckpt, .pt2, .onnx or .xml"
    ):
        Predictor.load(tmp_path / "model.tflite")
    whole = write_onnx(tmp_path / "whole.onnx").read_bytes()
    for fraction in (0, 0.1, 0.5, 0.95):
        cut = tmp_path / "cut.onnx"
        cut.write_bytes(whole[: int(fraction * len(whole))])
        with pytest.raises(ModelError, match=r"cut\.onnx (\(.*\): if it is damaged, export|was not written by)"):
            Predictor.load(cut)
    cut.write_bytes(whole.replace(b"class_names", b"class_name\xff"))  # not UTF-8
    with pytest.raises(ModelError, match=r"cannot open .*cut\.onnx \(.*\): if it is damaged, export the run again"):
        Predictor.load(cut)
    with pytest.raises(ModelError, match=r"cannot open .*cut\.pt2 \(.*\): if it is damaged, export the run again"):
        Predictor.load((tmp_path / "cut.onnx").rename(tmp_path / "cut.pt2"))
    assert capfd.readouterr().err == ""
    with pytest.raises(ModelError, match=r"foreign\.onnx was not written by export\.py"):
        Predictor.load(write_onnx(tmp_path / "foreign.onnx", preprocessing=None))


def test_a_graph_that_contradicts_its_metadata_raises(tmp_path: Path) -> None:
    three = write_onnx(tmp_path / "three.onnx", classes=3)
    with pytest.raises(ModelError, match=r"three.onnx returns float32\[N, 3\], .* has the 2 classes mask, no_mask"):
        Predictor.load(three)
    large = write_onnx(tmp_path / "large.onnx", side=17)
    with pytest.raises(ModelError, match=r"takes uint8\[N, 17, 17, 3\], .* should take uint8\[N, 16, 16, 3\] or float"):
        Predictor.load(large)
    with pytest.raises(ModelError, match=r"takes float32\[N, 3, 16, 16\]"):
        Predictor.load(write_onnx(tmp_path / "float.onnx", dtype=TensorProto.FLOAT))


def test_a_missing_provider_is_named(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "model.onnx")
    assert Predictor.load(file, providers="CPUExecutionProvider").predict(crops(1)).shape == (1, 2)
    with pytest.raises(ModelError, match="has no NoSuchProvider here; it has .*CPUExecutionProvider"):
        Predictor.load(file, providers=["NoSuchProvider"])
    assert "TensorrtExecutionProvider" not in onnxruntime.get_available_providers()
    trt = ("TensorrtExecutionProvider", {"trt_fp16_enable": True})
    with pytest.raises(ModelError, match="has no TensorrtExecutionProvider here"):
        Predictor.load(file, providers=[trt, "CPUExecutionProvider"])


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "model.onnx")
    for suffix in (".xml", ".ckpt"):
        (tmp_path / f"model{suffix}").touch()
    code = (
        "from facemask.inference.predictor import Predictor; from facemask.errors import ModelError\n"
        f"for suffix in ('.onnx', '.xml', '.ckpt'):\n"
        f"    try: Predictor.load({str(file.with_suffix(''))!r} + suffix)\n"
        "    except ModelError as error: print(error)\n"
    )
    first, second, third = fresh(code, "onnxruntime", "openvino", "torch").splitlines()
    assert "needs ONNX Runtime; type: pip install onnxruntime" in first
    assert "needs OpenVINO; type: pip install openvino" in second
    assert "model.ckpt needs torch, which is not installed here" in third
