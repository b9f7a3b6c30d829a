"""``python kill.py [N] [SEED] [COMMAND …]``: kill commands at random moments, repeat them, and count what was lost.

Each command is killed with SIGKILL at a random moment, together with its children; every file that it left must be
readable, and the same command typed again must end with what an undisturbed one ends with, without fitting a complete
fold again.
"""

import json
import os
import random
import runpy
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd
import torch
from PIL import Image

from conftest import PROJECT, write_faces
from facemask.evaluation import classification  # noqa: F401  imported once, before the forks
from facemask.exporting import export  # noqa: F401
from facemask.training import command  # noqa: F401
from facemask.video import label  # noqa: F401
from fits import FAST

VOC = """<annotation><object><name>with_mask</name><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>60</xmax><ymax>70</ymax>
</bndbox></object></annotation>"""
DATA = ["data=folder", "data.root=faces", "epochs=2", "data.num_workers=1"]


@dataclass(frozen=True)
class Victim:
    """A command to kill.

    Attributes:
        script: script and arguments.
        result: what an undisturbed command ends with, read from the folder; equal after a kill and a repetition.
    """

    script: Sequence[str]
    result: Callable[[Path], object]


def fits(folder: Path) -> list[tuple[str, float, int]]:
    """Return score and epochs of every complete fold."""
    found = []
    for file in sorted(folder.rglob("fold-*/result.json")):
        fold = json.loads(file.read_text())
        if fold["status"] == "complete":
            found.append((str(file.parent.relative_to(folder)), fold["score"], fold["epochs"]))
    return found


def crops(folder: Path) -> list[str]:
    table = pd.read_csv(folder / "out/manifest.csv")
    assert sorted(table["file"]) == sorted(p.relative_to(folder / "out").as_posix() for p in folder.glob("out/*/*.png"))
    return sorted(table["file"])


def scores(folder: Path) -> object:
    (report,) = folder.glob("out/report.json")
    return json.loads(report.read_text())["tables"]["scores"]["scores"]


VICTIMS = {
    "training": Victim(["train.py", *FAST, *DATA, "fold=all", "hydra.run.dir=out"], fits),
    "store": Victim(["train.py", *FAST, *DATA, "data.store_size=32", "hydra.run.dir=out"], fits),
    "sweep": Victim(["train.py", *FAST, *DATA, "epochs=1", "-m", "lr=1e-2,1e-3", "bs=8,16", "name=s"], fits),
    "summary": Victim(["-m", "facemask.sweeps.ranking", "runs"], lambda f: (f / "runs/summary.csv").read_text()),
    "evaluate": Victim(["evaluate.py", "run=runs/run", "n_bootstraps=100", "hydra.run.dir=out"], scores),
    "export": Victim(
        ["export.py", "run=runs/run", "n_bootstraps=100", "hydra.run.dir=out"],
        lambda f: sorted(p.name for p in f.glob("out/[!.]*")),
    ),
    "crop": Victim(["prepare_data.py", "task=crop", "photos=photos", "detector=haar", "out=out"], crops),
    "import": Victim(["prepare_data.py", "task=import", "photos=photos", "out=out"], crops),
    "video": Victim(
        ["infer_video.py", "run=runs/run", "source=a.mp4", "live=true", "sink=[file,events]", "detector=haar"]
        + ["hydra.run.dir=out"],
        lambda f: len(list(f.glob("out/a*.mp4"))) > 0,
    ),
}


def start(folder: Path, script: Sequence[str], log: Path) -> int:
    """Start a command in a process group of its own; return its process."""
    process = os.fork()
    if process:
        return process
    os.setsid()
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(stream, descriptor)
    os.chdir(folder)
    code = 0
    try:
        if script[0] == "-m":
            sys.argv = list(script[1:])
            runpy.run_module(script[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = [str(PROJECT / script[0]), *script[1:]]
            sys.path[0] = str(PROJECT)
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def finish(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def unreadable(folder: Path, killed_at: float) -> list[str]:
    """Return the files that cannot be read; unfinished files with a temporary name do not count."""
    bad = []
    for file in sorted(folder.rglob("*")):
        try:
            if file.suffix == ".json":
                json.loads(file.read_text())
            elif file.suffix in (".png", ".jpg"):
                with Image.open(file) as image:
                    image.load()
            elif file.suffix == ".ckpt":
                torch.load(file, weights_only=True)
            elif file.suffix == ".parquet" and ".partial" not in str(file):
                pd.read_parquet(file)
            elif file.suffix == ".csv":
                pd.read_csv(file)
            elif file.suffix == ".mp4" and file.parent.name == "out":
                lost = killed_at - file.stat().st_ctime_ns / 1e9
                seconds = playable(file)
                begun = float((file.parent / "begun").read_text()) if (file.parent / "begun").exists() else None
                if begun is not None and lost > -1 and seconds < killed_at - begun - 2:
                    bad.append(f"{file.name} plays {seconds:.1f} of {killed_at - begun:.1f} s")
        except Exception as error:
            bad.append(f"{file.relative_to(folder)}: {type(error).__name__}: {error}")
    return bad


def playable(file: Path) -> float:
    """Return the seconds of a video that can be decoded."""
    last = 0.0
    try:
        with av.open(str(file)) as container:
            for frame in container.decode(video=0):
                last = float(frame.time or 0)
    except av.FFmpegError:
        pass
    return last


def make_place(place: Path) -> None:
    """Write faces, annotated photos, a video of ten seconds, and a run to evaluate."""
    write_faces(place / "faces", {"mask": 24, "no_mask": 20})
    (place / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(40):
        Image.fromarray(rng.integers(0, 255, (240, 320, 3)).astype(np.uint8)).save(place / f"photos/{i:02d}.png")
        (place / f"photos/{i:02d}.xml").write_text(VOC)
    with av.open(str(place / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"  # type: ignore[attr-defined]
        still = rng.integers(0, 255, (240, 320, 3)).astype(np.uint8) // 8 + 90
        for _ in range(200):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(still, format="rgb24")))  # type: ignore[attr-defined]
        container.mux(stream.encode(None))  # type: ignore[attr-defined]
    words = ["train.py", *FAST, *DATA, "hydra.run.dir=runs/run"]
    assert finish(start(place, words, place / "log")) == 0, (place / "log").read_text()


def main(n: int = 100, seed: int = 0, names: Sequence[str] = ()) -> Counter[str]:
    """Kill n commands, all or the named ones in turn; return how many kills lost what, and print the details."""
    victims = {name: VICTIMS[name] for name in names or VICTIMS}
    chance, found, begun = random.Random(seed), Counter[str](), time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary, "place")
        place.mkdir()
        make_place(place)
        whole, durations = {}, {}
        for name, victim in victims.items():
            folder = Path(shutil.copytree(place, Path(temporary, name)))
            since = time.monotonic()
            assert finish(start(folder, victim.script, place / "log")) == 0, (place / "log").read_text()
            whole[name], durations[name] = victim.result(folder), time.monotonic() - since
            shutil.rmtree(folder)
        for number in range(n):
            name = list(victims)[number % len(victims)]
            for problem in kill(victims[name], name, place, Path(temporary, "killed"), durations[name], whole, chance):
                found[problem.partition(":")[0]] += 1
                print(f"{number}: {name}: {problem}")
    print(f"{n} kills, seed {seed}, in {time.monotonic() - begun:.0f} s: {dict(found) or 'nothing was lost'}")
    return found


def kill(
    victim: Victim,
    name: str,
    place: Path,
    folder: Path,
    duration: float,
    whole: dict[str, object],
    chance: random.Random,
) -> list[str]:
    """Kill a command once and repeat it until it ends; return what was lost."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(place, folder)
    log = place / "log"
    process = start(folder, victim.script, log)
    wait_until(time.monotonic() + chance.uniform(0.1, duration), folder, name)
    os.killpg(process, signal.SIGKILL)
    killed_at = time.time()
    finish(process)
    problems = [f"unreadable: {what}" for what in unreadable(folder, killed_at)]
    done = {file: file.stat().st_mtime_ns for file in folder.rglob("fold-*/best.ckpt") if is_complete(file.parent)}
    code = finish(start(folder, victim.script, log))
    if code:
        return [*problems, f"not repeatable: code {code}: {log.read_text()[-600:]}"]
    problems += [f"repeated: {file}" for file, at in done.items() if file.stat().st_mtime_ns != at]
    if victim.result(folder) != whole[name]:
        problems.append(f"lost: {victim.result(folder)} instead of {whole[name]}")
    return problems


def wait_until(end: float, folder: Path, name: str) -> None:
    """Wait; note when a video's file appears."""
    mark = folder / "out/begun"
    while time.monotonic() < end:
        if name == "video" and not mark.exists() and (folder / "out/a.mp4").exists():
            mark.write_text(str(time.time()))
        time.sleep(0.01)


def is_complete(fold: Path) -> bool:
    file = fold / "result.json"
    return file.is_file() and json.loads(file.read_text())["status"] == "complete"


if __name__ == "__main__":
    sys.exit(int(bool(main(*(int(word) for word in sys.argv[1:3]), names=sys.argv[3:]))))
