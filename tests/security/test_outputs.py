"""What commands write: whole after a kill, readable only by its owner, and harmless where it is opened."""

import io
import os
import shutil
import signal
import stat
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.table import Table

from commands import assert_refused, call_command, type_command
from conftest import PROJECT, write_faces
from facemask.data.manifest import read_manifest
from facemask.files import from_cell, private_files, to_csv, write_atomically
from facemask.runs.run_folder import read_run
from facemask.sweeps.page import to_markdown
from facemask.sweeps.ranking import summarise
from facemask.terminal import SafeConsole, visible
from facemask.training.fit import fit_folds
from fits import FAST, configure


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("outputs")
    fit_folds(configure(write_faces(place / "faces", {"mask": 20, "no_mask": 16}), place, "epochs=1"), place / "run")
    (place / "photos").mkdir()
    still = np.full((240, 320, 3), 90, np.uint8)
    Image.fromarray(still).save(place / "photos/a.png")
    with av.open(str(place / "quiet.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"  # type: ignore[attr-defined]
        for _ in range(400):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(still, format="rgb24")))  # type: ignore[attr-defined]
        container.mux(stream.encode(None))  # type: ignore[attr-defined]
    return place


def seconds_of(file: Path) -> float:
    last = 0.0
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            last = float(frame.time or 0)
    return last


@pytest.mark.slow
def test_a_killed_video_plays_and_the_same_command_writes_the_next_file(place: Path, tmp_path: Path) -> None:
    words = [
        "run=run",
        "source=quiet.mp4",
        "live=true",
        "detector=haar",
        "sink=[file,events]",
        f"hydra.run.dir={tmp_path}",
    ]
    ran: list[float] = []

    def kill(process: BaseProcess) -> None:
        file = tmp_path / "quiet.mp4"
        until = time.monotonic() + 60
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.01)
        begun = time.monotonic()
        time.sleep(5)
        os.kill(process.pid or 0, signal.SIGKILL)
        ran.append(time.monotonic() - begun)

    type_command(PROJECT / "infer_video.py", words, place, {}, kill)
    assert seconds_of(tmp_path / "quiet.mp4") > ran[0] - 2
    done = type_command(PROJECT / "infer_video.py", [*words, "seconds=1"], place, {})
    assert done.code == 0, done.err
    assert seconds_of(tmp_path / "quiet-2.mp4") > 0
    assert (tmp_path / "events-2.jsonl").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("private", [True, False])
def test_only_the_owner_reads_what_a_video_shows(place: Path, tmp_path: Path, private: bool) -> None:
    out = tmp_path / "out"
    words = ["run=run", "source=photos", "detector=haar", "sink=[file,events]", f"hydra.run.dir={out}"]
    more = [] if private else ["private=false"]
    done = call_command(PROJECT / "infer_video.py", [*words, *more], place, {})
    assert done.code == 0, done.err
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [out, *out.rglob("*")]}
    assert len(modes) > 2
    for path, mode in modes.items():
        assert mode == ((0o700 if path.is_dir() else 0o600) if private else (0o755 if path.is_dir() else 0o644)), path


def test_private_files_of_other_commands(tmp_path: Path) -> None:
    with private_files(True):
        write_atomically(tmp_path / "secret", "x")
        (tmp_path / "folder").mkdir()
    write_atomically(tmp_path / "open", "x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("secret", "folder", "open")]
    assert modes == [0o600, 0o700, 0o644]


FORMULAS = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "'=1", "''=1"]


def test_no_cell_is_a_formula_and_every_cell_is_read_back(tmp_path: Path) -> None:
    words = [*FORMULAS, "plain", "", "'quoted'", "a=b", "–"]
    table = pd.DataFrame({"file": [f"a/{i}" for i in range(len(words))], "photo": words, "n": -1.5})
    text = to_csv(table)
    (tmp_path / "manifest.csv").write_text(text, newline="")
    cells = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)["photo"]
    assert not any(cell[:1] in "=+-@\t\r" for cell in cells if cell)
    assert list(read_manifest(tmp_path / "manifest.csv")["photo"]) == words
    assert all(from_cell(word) == word for word in words if not word.startswith("'"))
    assert pd.read_csv(io.StringIO(text))["n"].eq(-1.5).all()  # numbers stay numbers


def test_names_cannot_control_the_terminal() -> None:
    console = SafeConsole(file=io.StringIO(), width=200, force_terminal=True)
    table = Table("file")
    table.add_row("a\x1b[2Jb\x9bc.jpg")
    console.print(table, "x\x1b]0;title\x07", markup=False)
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[2J" not in written
    assert "\x1b]0" not in written
    assert "\x07" not in written
    assert "a\\x1b[2Jb\\x9bc.jpg" in written
    assert visible("mit Umlauten äöü, 中文, emoji 🙂\nand lines") == "mit Umlauten äöü, 中文, emoji 🙂\nand lines"
    assert visible("right\u202eleft") == "right\\u202eleft"


def test_an_error_does_not_send_the_escape_sequence_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[2Jb").mkdir()
    done = call_command(PROJECT / "evaluate.py", ["run='a\x1b[2Jb'"], tmp_path, {})
    assert_refused(done, "a\\x1b[2Jb is not a run folder")
    assert "\x1b" not in done.err


@pytest.mark.slow
def test_a_summary_contains_no_html_of_others(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "run", tmp_path / "s/run")
    result = tmp_path / "s/run/result.json"
    result.write_text(result.read_text().replace('"model": "CNN"', '"model": "<img src=x onerror=alert(1)>|b"'))
    text = to_markdown(summarise(tmp_path / "s"))
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;\\|b" in text


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_interrupts_training_and_says_how_to_resume(
    place: Path, tmp_path: Path, how: signal.Signals, code: int
) -> None:
    data = [
        "data=folder",
        "data.root=faces",
        "data.store_dir=store",
        "data.num_workers=1",
        "epochs=500",
        "callbacks=none",
    ]

    def end_it(process: BaseProcess) -> None:
        until = time.monotonic() + 120
        while not (tmp_path / "run/fold-0/metrics.csv").exists() and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(process.pid or 0, how)

    words = [*FAST, *data, f"hydra.run.dir={tmp_path}/run"]
    done = type_command(PROJECT / "train.py", words, place, {}, end_it)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert f"interrupted; to resume, type: python train.py resume={tmp_path}/run" in done.out
    result = read_run(tmp_path / "run")
    assert result is not None
    assert result.status == "interrupted"
