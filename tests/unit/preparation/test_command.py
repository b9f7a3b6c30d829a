"""Each task is a function of a typed configuration; it prints nothing, and its result displays itself."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from conftest import write_faces
from facemask.config.checks.preparation import resolve_preparation
from facemask.config.component import Component
from facemask.config.compose import compose
from facemask.config.preparation_schemas import (
    Allowed,
    AuditConfig,
    AuditedFaces,
    CropConfig,
    FaceFolder,
    ImportConfig,
    SplitConfig,
    TaskConfig,
)
from facemask.config.schemas import Crop
from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Faces, as_faces
from facemask.preparation.auditing import Audit
from facemask.preparation.command import prepare, show
from facemask.preparation.exploring import Explored
from facemask.preparation.prepared import Prepared
from facemask.preparation.splitting import Parts

BOX = "<annotation><object><name>with_mask</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>21</xmax><ymax>22</ymax>"


class TwoCorners:
    """A detector that is nothing but its method: a face in two corners, the second too small to keep."""

    def detect(self, image: Pixels) -> Faces:
        return as_faces([[0, 0, 20, 20], [20, 0, 25, 5]], [0.9, 0.8])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos/mask"
    folder.mkdir(parents=True)
    for i in range(3):
        Image.new("RGB", (40, 30), (60 * i, 90, 90)).save(folder / f"{i}.png")
    return tmp_path / "photos"


def run(config: TaskConfig, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """Return a task's result, and what it shows; check that doing it prints nothing."""
    result = prepare(config, folder)
    assert capsys.readouterr().out == ""
    console = Console(file=io.StringIO(), width=200)
    show(result, console)
    return result, console.file.getvalue()  # type: ignore[attr-defined]


def test_crop_returns_faces_and_photos(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "mask/broken.jpg").write_text("no images")
    detector = Component(f"{__name__}.TwoCorners")
    out = tmp_path / "faces"
    config = CropConfig(
        photos=[str(photos)],
        out=str(out),
        labels="folder",
        crop=Crop(margin=0.0, min_side=10),
        detector=detector,
        max_unreadable=0.5,
    )
    before = cv2.getNumThreads(), torch.get_num_threads()
    result, shown = run(config, tmp_path / "unused", capsys)
    assert isinstance(result, Prepared)
    assert (cv2.getNumThreads(), torch.get_num_threads()) == before
    assert result.faces["file"].tolist() == [f"mask/mask__{i}.png_000.png" for i in range(3)]
    assert (result.n_left_out, result.n_without_face, result.unreadable) == (3, 0, ["mask/broken.jpg"])
    assert result.failure is None
    assert "3 faces of 3 photos" in shown
    assert "3 faces were left out: smaller than crop.min_side=10 pixels" in shown
    assert "1 of 4 cannot be used; the first is mask/broken.jpg (cannot identify image file" in shown
    assert not (tmp_path / "unused").exists()


def test_import_returns_the_same_kind_of_result(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(3):
        (photos / f"mask/{i}.xml").write_text(BOX + "</bndbox></object></annotation>")
    config = ImportConfig(
        photos=[str(photos)], classes={"with_mask": "mask"}, out=str(tmp_path / "faces"), crop=Crop(margin=0.0)
    )
    result, shown = run(config, tmp_path, capsys)
    assert isinstance(result, Prepared)
    assert result.faces["label"].tolist() == ["mask"] * 3
    crop = np.asarray(Image.open(tmp_path / "faces" / result.faces["file"].iloc[2]))
    assert crop.shape == (20, 20, 3)
    assert "3 faces of 3 photos" in shown


def test_split_returns_the_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_faces(tmp_path / "set", {"mask": 20, "no_mask": 20})
    result, shown = run(SplitConfig(data=FaceFolder(str(root)), val=0.0), tmp_path, capsys)
    assert isinstance(result, Parts)
    assert result.table["split"].value_counts().to_dict() == {"train": 32, "test": 8}
    assert not result.has_own_test
    assert "40 images" in shown
    assert "makes its folds from train and val" not in shown


def test_audit_returns_findings_and_fails_by_what_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_faces(tmp_path / "set", {"mask": 4, "no_mask": 3})
    data = AuditedFaces(str(root), store_dir=str(tmp_path / "store"))
    config = AuditConfig(data=data, min_side=13, allow=Allowed(tiny=None, near_duplicates=None))
    result, shown = run(config, tmp_path / "audit", capsys)
    assert isinstance(result, Audit)
    assert result.found["tiny"] == 7
    assert result.failure is None
    assert "7 images in 7 groups, 2 classes" in shown
    config.allow.tiny = 6
    failed = prepare(config, tmp_path / "audit")
    assert (
        failed.failure
        == "more findings than allowed: tiny (7, allowed 6); fix the data set, or allow more: allow.tiny=…"
    )


@pytest.mark.slow
def test_explore_returns_the_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_faces(tmp_path / "set", {"mask": 12, "no_mask": 10})
    words = ["task=explore", "data=folder", f"data.root={root}", f"data.store_dir={tmp_path}/store", "augment=none"]
    config = resolve_preparation(compose("prepare_data", words))
    result, shown = run(config, tmp_path / "report", capsys)
    assert isinstance(result, Explored)
    assert result.counts.set_index("class").loc["all", "images"] == 22
    assert (result.folder / "report.html").is_file()
    assert "set, n = 22 images in 22 groups" in shown
