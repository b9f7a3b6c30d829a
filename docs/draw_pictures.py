"""Draw the README's pictures with the project's own commands: ``python docs/draw_pictures.py``.

Everything comes from the demo set, and for the labelled frame from a public-domain portrait that scikit-image ships.
The picture of the report needs Chromium. Takes about ten minutes on two cores; the work stays in ``outputs/docs``.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage.data import astronaut

import facemask
from facemask.sweeps.figures import draw_boxes
from facemask.sweeps.ranking import summarise

PROJECT = Path(__file__).parent.parent
WORK = PROJECT / "outputs" / "docs"
PICTURES = Path(__file__).parent / "pictures"
WIDTH = 1200  # pixels; of the widest picture
GRID = ["model=cnn", "-m", "lr=1e-2,1e-3,1e-4", "bs=16,64", "fold=all", "epochs=6"]
MASK = [(183, 122), (205, 112), (222, 104), (242, 113), (262, 126), (258, 150), (240, 172), (222, 176), (205, 170)]


def train() -> Path:
    """Train as ``make train`` does, unless an earlier call has; return the run folder."""
    folder = WORK / "run"
    if not (folder / "fold-0" / "best.ckpt").exists():
        facemask.train("experiment=quick", folder=folder)
    return folder


def draw_ranking() -> None:
    """Run a sweep (again: only what is missing) and show how its configurations rank."""
    folder = WORK / "sweep"
    script = [sys.executable, PROJECT / "train.py", *GRID, f"hydra.sweep.dir={folder}"]
    subprocess.run(script, cwd=PROJECT, check=True)
    figure = draw_boxes(summarise(folder))
    assert figure is not None
    figure.savefig(WORK / "ranking.png", dpi=120)
    save(Image.open(WORK / "ranking.png"), "ranking")


def draw_report(run: Path) -> None:
    """Show the top of the report's page on the test part."""
    report = WORK / "report"
    shutil.rmtree(report, ignore_errors=True)
    facemask.evaluate(run, folder=report)
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("error: the picture of the report needs a browser; install chromium.")
    page, shot = report / "report.html", WORK / "report.png"
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1200,1500"]
    subprocess.run([browser, *options, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True)
    save(Image.open(shot), "report")


def draw_learning_curves(run: Path) -> None:
    """Show loss and metrics by epoch."""
    save(Image.open(run / "fold-0" / "learning_curves.png"), "learning_curves")


def draw_labelled_frame(run: Path) -> None:
    """Label a portrait, bare and with a drawn mask, as ``infer_video.py`` labels every photo."""
    photo, labelled = WORK / "portrait.png", WORK / "frames"
    bare = astronaut()
    masked = bare.copy()
    cv2.fillPoly(masked, [np.array(MASK)], (120, 175, 215), cv2.LINE_AA)
    Image.fromarray(np.hstack([bare[:300, 60:400], masked[:300, 60:400]])).save(photo)
    shutil.rmtree(labelled, ignore_errors=True)
    facemask.label_video(photo, run=run, sink="file", folder=labelled)
    save(Image.open(next(labelled.rglob("portrait*.png"))), "labelled_frame")


def save(picture: Image.Image, name: str) -> None:
    """Save a picture as a small WebP."""
    picture = picture.convert("RGB")
    picture.thumbnail((WIDTH, 2 * WIDTH))
    PICTURES.mkdir(exist_ok=True)
    picture.save(PICTURES / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    trained = train()
    draw_ranking()
    draw_report(trained)
    draw_learning_curves(trained)
    draw_labelled_frame(trained)
