"""Where memory, files or the disk are scarce, a command ends in a sentence or finishes; it never waits."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Outcome, type_command
from conftest import PROJECT, write_faces
from facemask.files import read_bytes
from facemask.training.fit import fit_folds
from fits import FAST, configure

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs Linux"),
]
LIMITED = Path(__file__).with_name("limited.py")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("limited")
    faces = write_faces(place / "faces", {"mask": 20, "no_mask": 16})
    fit_folds(configure(faces, place, "epochs=1"), place / "run")
    write_faces(place / "photos", {"a": 3}, side=90)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (240, 320, 3)).astype(np.uint8)).save(place / "photos/a/noise.png")
    return place


def run(place: Path, limits: str, script: str, *words: str) -> Outcome:
    done = type_command(LIMITED, [limits, str(PROJECT / f"{script}.py"), *words], place, {})
    if "PermissionError: [Errno 1] unshare" in done.err:
        pytest.skip("mounting needs the rights of an administrator")
    assert "Traceback" not in done.err, done.err
    return done


def train(place: Path, limits: str, *words: str) -> Outcome:
    data = ["data=folder", "data.root=faces", "data.store_dir=store", "data.num_workers=1", "epochs=1"]
    return run(place, limits, "train", *FAST, *data, *words)


@pytest.mark.parametrize("limits", ["shm=64m", "shm=64k", "files=40", "files=20", "size=2000000"])
def test_training_finishes_or_says_what_is_missing(place: Path, tmp_path: Path, limits: str) -> None:
    done = train(place, limits, f"hydra.run.dir={tmp_path}/run")
    if done.code:
        assert done.code == 2, done.err
        assert "data.num_workers=0" in done.err, done.err
    else:
        assert "Run folder: " in done.out
    assert done.code == 0 or limits in ("shm=64k", "files=20")


def test_large_batches_need_no_shared_memory(place: Path, tmp_path: Path) -> None:
    large = ["data.store_size=512", "bs=24", "model.input_size=16", f"hydra.run.dir={tmp_path}/run"]  # 19 MB a batch
    done = train(place, "shm=8m", *large)
    assert done.code == 0, done.err


@pytest.mark.parametrize("size", ["4k", "40k", "100k"])
def test_training_on_a_full_disk_names_the_path(place: Path, tmp_path: Path, size: str) -> None:
    done = train(place, f"disk={tmp_path}/run:{size}", f"hydra.run.dir={tmp_path}/run")
    assert done.code == 2, done.out
    assert f"error: {tmp_path}/run" in done.err


def test_a_store_on_a_full_disk_names_its_folder(place: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = train(place, f"disk={store}:8k", f"data.store_dir={store}", f"hydra.run.dir={tmp_path}/run")
    assert done.code == 2, done.out
    assert f"not enough disk space: the decoded images need 0 MB in data.store_dir={store}" in done.err


COMMANDS = {
    "evaluate": ("evaluate", ["run=run", "n_bootstraps=100", "hydra.run.dir=OUT"]),
    "onnx": ("export", ["run=run", "n_bootstraps=100", "hydra.run.dir=OUT"]),
    "openvino": ("export", ["run=run", "format=openvino", "n_bootstraps=100", "hydra.run.dir=OUT"]),
    "exported_program": ("export", ["run=run", "format=exported_program", "n_bootstraps=100", "hydra.run.dir=OUT"]),
    "crop": ("prepare_data", ["task=crop", "photos=photos", "detector=haar", "out=OUT"]),
    "split": ("prepare_data", ["task=split", "data.root=faces", "out=OUT/parts"]),
    "audit": ("prepare_data", ["task=audit", "data.root=faces", "hydra.run.dir=OUT", "data.store_dir=store"]),
    "video": ("infer_video", ["run=run", "source=photos", "detector=haar", "sink=[file,events]", "hydra.run.dir=OUT"]),
}


@pytest.mark.parametrize("how", ["disk", "read"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_what_it_cannot_write(place: Path, tmp_path: Path, command: str, how: str) -> None:
    out = tmp_path / "out"
    script, words = COMMANDS[command]
    limits = f"disk={out}:4k" if how == "disk" else f"read={out}"
    done = run(place, limits, script, *(word.replace("OUT", str(out)) for word in words))
    assert done.code == 2, done.out + done.err
    assert str(out) in done.err, done.err
    assert done.err.count("error: ") == 1


def test_a_pipe_and_a_large_file_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(11))
    for name, reason in (("pipe", "it is not a regular file"), ("large", "it is larger than 1e-05 MB")):
        with pytest.raises(ValueError, match=reason):
            read_bytes(tmp_path / name, 10)
