"""``export.py`` as users run it: the exported file predicts what the run predicts, or no file is written."""

import dataclasses
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.config.checks.export import FORMATS, import_format
from facemask.config.schemas import ExportConfig
from facemask.data.pictures import read_image
from facemask.errors import ModelError
from facemask.exporting.export import export as export_run
from facemask.exporting.export import export_model
from facemask.inference.backend import METADATA
from facemask.inference.predictor import Predictor
from facemask.inference.torch import open_checkpoint
from facemask.models.cnn import CNN
from facemask.runs.results import FoldResult
from facemask.runs.samples import own_samples
from facemask.runs.trained import open_models
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow

SUFFIXES = {name: import_format(name).suffix for name in FORMATS}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of faces and runs on it, in which pictures shrink, grow, and are mirrored."""
    folder = tmp_path_factory.mktemp("export")
    write_faces(folder / "set", {"mask": 30, "no_mask": 24}, side=14, is_hard=True)
    words = ["model.channels=[16,64,128]", "epochs=3", "lr=4e-3", "schedule=none"]
    for store_size, name in ((20, "run"), (12, "grows")):  # to the 16 pixels that the network takes
        fit_folds(configure(folder / "set", folder, *words, f"data.store_size={store_size}"), folder / name)
    fit_folds(configure(folder / "set", folder, *words, "data.store_size=20", "model.flip_tta=true"), folder / "flips")
    return folder


def export(place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / "export.py", list(words), place, {})


def trained_and_exported(place: Path, file: str, run: str = "run") -> tuple[Any, Any]:
    faces = [read_image(path) for path in sorted((place / "set").glob("*/*.png"))]
    models = Predictor(open_checkpoint(place / run)), Predictor.load(place / file)
    assert models[0].class_names == models[1].class_names
    trained, exported = (model.predict(faces) for model in models)
    return trained, exported


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    ("run", "preprocessing"), [*(("run", "inside"), ("run", "outside")), *(("grows", "inside"), ("flips", "inside"))]
)
def test_every_format_predicts_what_the_run_predicts(place: Path, format_: str, run: str, preprocessing: str) -> None:
    name = f"{format_}-{preprocessing}-{run}"
    done = export(place, f"run={run}", f"format={format_}", f"preprocessing={preprocessing}", f"hydra.run.dir={name}")
    assert done.code == 0, done.err
    assert all(line.startswith("Decoding") for line in done.err.splitlines())
    assert "0 of 15 labels changed" in done.out
    assert f'facemask.Predictor.load("{name}/CNN-fp32{SUFFIXES[format_]}")' in done.out
    trained, exported = trained_and_exported(place, f"{name}/CNN-fp32{SUFFIXES[format_]}", run)
    assert np.abs(trained - exported).max() < 1e-4
    about = json.loads((place / name / f"CNN-fp32{SUFFIXES[format_]}.json").read_text())
    assert about["parity"]["n"] == 15
    assert about["parity"]["largest"] < 1e-4
    assert about["bytes"] == sum(f.stat().st_size for f in (place / name).glob("CNN-*") if f.suffix != ".json")
    assert about["trained_on"] == json.loads((place / run / "result.json").read_text())["data"]["fingerprint"]


@pytest.mark.parametrize(
    ("format_", "words", "most"),  # the most that a probability may differ
    [
        ("onnx", "precision=int8", 0.1),
        ("onnx", "precision=int8 preprocessing=outside", 0.1),
        ("openvino", "precision=int8", 0.1),
        ("onnx", "precision=fp16", 0.01),
        ("openvino", "precision=fp16", 0.01),
        ("exported_program", "precision=fp16", 0.01),
    ],
)
@pytest.mark.parametrize("run", ["run", "flips"])
def test_lower_precision_is_smaller_and_nearly_the_same(
    place: Path, format_: str, words: str, most: float, run: str
) -> None:
    name = f"{run}-{format_}-{words.replace(' ', '-')}"
    precision = words.split()[0].removeprefix("precision=")
    done = export(place, f"run={run}", f"format={format_}", *words.split(), "max_drop=0.5", f"hydra.run.dir={name}")
    assert done.code == 0, done.err
    assert all(line.startswith("Decoding") for line in done.err.splitlines())
    assert ("It was calibrated on 15 of these images" in done.out) == (precision == "int8")
    trained, exported = trained_and_exported(place, f"{name}/CNN-{precision}{SUFFIXES[format_]}", run)
    assert 0 < np.abs(trained - exported).max() < most
    assert np.abs(exported.sum(axis=1) - 1).max() < 1e-5
    assert export(place, f"run={run}", f"format={format_}", "hydra.run.dir=whole").code == 0
    small, whole = (
        json.loads((place / folder / f"CNN-{kind}{SUFFIXES[format_]}.json").read_text())
        for folder, kind in ((name, precision), ("whole", "fp32"))
    )
    assert small["bytes"] < 0.6 * whole["bytes"]
    assert small["parity"]["largest"] > whole["parity"]["largest"]


def test_the_file_carries_its_metadata(place: Path) -> None:
    assert export(place, "run=run", "hydra.run.dir=foreign").code == 0
    model = onnx.load(place / "foreign/CNN-fp32.onnx")
    (entry,) = [entry for entry in model.metadata_props if entry.key == METADATA]
    content = json.loads(entry.value)
    assert content["preprocessing"]["class_names"] == ["mask", "no_mask"]
    assert content["about"]["precision"] == "fp32"
    assert str(place) not in entry.value  # what is handed on tells nothing of this machine
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["N", 20, 20, 3]


@pytest.mark.parametrize(
    ("shift", "expected_error"),
    [
        (
            30_000,
            r"fp16 lost [\d.]+ points of accuracy .* on the 15 validation images .*max_drop=0; nothing was written",
        ),
        (90_000, "fp16 gives NaN or infinity for 15 of the 15 validation images; nothing was written"),
    ],
)
def test_an_export_that_lost_too_much_is_not_written(
    place: Path, tmp_path: Path, shift: int, expected_error: str
) -> None:
    shutil.copytree(place / "run", tmp_path / "weak")
    checkpoint = tmp_path / "weak/fold-0/best.ckpt"
    content = torch.load(checkpoint, weights_only=True)
    content["state_dict"]["net.head.4.bias"] += shift  # which the softmax does not see, and halves drown in
    torch.save(content, checkpoint)
    words = ["format=exported_program", "precision=fp16", "max_drop=0", f"hydra.run.dir={tmp_path}/half"]
    done = export(place, f"run={tmp_path}/weak", *words)
    assert done.code == 2, done.out + done.err
    assert re.search(expected_error, done.err)
    assert not (tmp_path / "half").exists()


def test_the_test_part_is_not_used(place: Path) -> None:
    (model,) = open_models([place / "run"])
    pictures = [place / "set" / path for path in own_samples([model], "test").table["path"]]
    assert pictures
    whole = [picture.read_bytes() for picture in pictures]
    words = ["precision=int8", "max_drop=0.5"]
    assert export(place, "run=run", *words, "store_dir=kept", "hydra.run.dir=before").code == 0
    noise = np.random.default_rng(0).integers(0, 256, (14, 14, 3)).astype(np.uint8)
    for picture in pictures:
        cv2.imwrite(str(picture), noise)
    done = export(place, "run=run", *words, "store_dir=anew", "hydra.run.dir=after")
    for picture, content in zip(pictures, whole, strict=True):
        picture.write_bytes(content)
    assert done.code == 0, done.err
    for name in ("CNN-int8.onnx", "CNN-int8.onnx.json"):
        assert (place / "before" / name).read_bytes() == (place / "after" / name).read_bytes()


def no_data(place: Path) -> None:
    shutil.copytree(place / "run", place / "moved")
    config = place / "moved/config.yaml"
    config.write_text(config.read_text().replace(f"{place}/set", f"{place}/gone"))


def nothing(place: Path) -> None:
    """No preparation is needed."""


WRONG = [
    ("", nothing, "run has no value; give it the run folder to export: run=FOLDER"),
    ("run=nowhere", nothing, "run=nowhere does not exist; give the folder that a run printed"),
    (
        "run=run format=tflite",
        nothing,
        "format must be one of onnx, openvino, exported_program, or the dotted path of a class",
    ),
    ("run=run precision=int4", nothing, "precision must be one of fp32, fp16, int8, got int4."),
    ("run=run preprocessing=no", nothing, "preprocessing must be one of inside, outside, got no."),
    (
        "run=run format=exported_program precision=int8",
        nothing,
        "format=exported_program supports precision=fp32 or fp16, got int8; precision=int8 is supported by format=onnx "
        "and format=openvino.",
    ),
    ("run=run max_drop=2", nothing, "max_drop must be between 0 and 1, such as 0.005, got 2.0."),
    ("run=run calibration=0", nothing, "calibration must be at least 1, got 0."),
    ("run=run float_layers=-1", nothing, "float_layers must be at least 0, got -1."),
    ("run=run precision=int8 float_layers=3", nothing, "float_layers=3 leaves nothing to quantise: the network has 3"),
    ("run=run fold=1", nothing, "fold=1 of run is not complete; complete folds: 0."),
    ("run=run hydra.run.dir=run/fold-0", nothing, "run/fold-0 is a run folder, which must not be changed"),
    ("run=moved", no_data, "does not exist"),
    ("run=run precison=int8", nothing, "precison is not a key; did you mean precision?"),
    ("-m run=run", nothing, "-m is only supported by train.py; remove it."),
]


@pytest.mark.parametrize(
    ("typed", "prepare", "expected_error"), WRONG, ids=[words or "nothing" for words, _, _ in WRONG]
)
def test_one_sentence_and_exit_code_two(place: Path, typed: str, prepare: Any, expected_error: str) -> None:
    prepare(place)
    before = sorted((place / "run").rglob("*"))
    words = typed.split() if "run.dir" in typed else [*typed.split(), "hydra.run.dir=wrong"]
    done = export(place, *words)
    assert_refused(done, expected_error)
    assert not (place / "wrong").exists()
    assert sorted((place / "run").rglob("*")) == before


class Choosy(CNN):
    """A network whose forward depends on the values of its input."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images if images.mean() > 0 else -images)


def test_a_network_with_data_dependent_control_flow_raises(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (model,) = open_models([place / "run"])
    monkeypatch.setattr(model.model, "net", Choosy(num_classes=2, channels=[4]))
    (place / "choosy").mkdir()
    with pytest.raises(ModelError, match=r"Choosy cannot be traced \(.*its forward\(\) must not have data-dependent"):
        export_model(model, own_samples([model], "val"), ExportConfig(format="exported_program"), place / "choosy")
    assert not list((place / "choosy").iterdir())


def test_export_is_a_function_of_configuration_and_folder(place: Path) -> None:
    folder = place / "new/function"
    exported = export_run(ExportConfig(run=str(place / "run"), format="exported_program"), folder)
    assert exported.file == folder / "CNN-fp32.pt2"
    assert exported.size == exported.file.stat().st_size
    assert exported.facts.model == "CNN"
    assert exported.parity is not None
    assert exported.parity.largest < 1e-4
    html = exported._repr_html_()
    assert "exported_program, fp32" in html
    assert f"{exported.parity.after[0]:.3f}<br>" in html
    assert str(exported.file) in html


def test_a_model_without_run_and_data_is_exported_unchecked(place: Path) -> None:
    (model,) = open_models([place / "run"])
    model = dataclasses.replace(model, result=FoldResult(fold=0))
    (place / "alone").mkdir()
    config = ExportConfig(format="exported_program", max_drop=None)
    exported = export_model(model, None, config, place / "alone")
    about = json.loads((place / "alone/CNN-fp32.pt2.json").read_text())
    assert about["run"] == str(place / "run/fold-0/best.ckpt")
    assert [about[key] for key in ("trained_on", "parity", "validated_on")] == [None, None, None]
    assert "not checked" in exported._repr_html_()
    assert Predictor.load(exported.file).predict([]).shape == (0, 2)


@pytest.mark.parametrize("format_", ["openvino", "exported_program"])
def test_a_cut_off_file_raises(place: Path, format_: str) -> None:
    name, suffix = f"cut-{format_}", SUFFIXES[format_]
    assert export(place, "run=run", f"format={format_}", f"hydra.run.dir={name}").code == 0
    file = place / name / f"CNN-fp32{suffix}"
    for damaged in [file, *file.parent.glob("*.bin")]:
        whole = damaged.read_bytes()
        for fraction in (0, 0.3, 0.7, 0.99):
            damaged.write_bytes(whole[: int(fraction * len(whole))])
            with pytest.raises(ModelError, match=r"cannot open .*: if it is damaged, export the run again"):
                Predictor.load(file)
        damaged.write_bytes(whole)
    assert Predictor.load(file).predict([]).shape == (0, 2)
    if format_ == "openvino":
        whole = file.read_bytes()
        file.write_bytes(whole.replace(b"class_names", b"class_name\xff"))  # not UTF-8
        with pytest.raises(ModelError, match=r"cannot open .*: if it is damaged, export the run again"):
            Predictor.load(file)
        file.write_bytes(whole)
    for weights in file.parent.glob("*.bin"):
        weights.unlink()
        with pytest.raises(ModelError, match=r"CNN-fp32\.bin is missing: an OpenVINO model is two files"):
            Predictor.load(file)


def test_foreign_files_and_missing_devices_raise(place: Path) -> None:
    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),)), place / "foreign.pt2")
    with pytest.raises(ModelError, match=r"foreign\.pt2 was not written by export\.py"):
        Predictor.load(place / "foreign.pt2")
    assert zipfile.is_zipfile(place / "foreign.pt2")
    assert export(place, "run=run", "format=openvino", "hydra.run.dir=ov").code == 0
    with pytest.raises(ModelError, match=r"OpenVINO has no device NPU here; it has CPU"):
        Predictor.load(place / "ov/CNN-fp32.xml", device="NPU")
