"""Report sections on single images: as file names, and as pictures if allowed."""

from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from facemask.data.preprocessing import Pixels
from facemask.metrics.classification import Floats, Labels
from facemask.reports import figures, tables
from facemask.reports.findings import BLENDED, MAPPED, Attention, Findings
from facemask.reports.sections import Drawing, Section, Table
from facemask.seeding import PICTURES, derive_seed


def mistake_section(findings: Findings) -> Section:
    """Return the misclassified images, most confident first."""
    e, content = findings.evaluated, findings.config.report
    table = tables.mistake_table(e)
    first = table.head(content.pictures)
    note = f"{len(table):,} of {len(e.labels):,} images are misclassified; the most confident errors come first."
    drawings = []
    if content.faces and len(first):
        position = {path: i for i, path in enumerate(e.predictions["path"])}
        rows = np.array([position[file] for file in first["file"]])
        drawings.append(Drawing("mistakes", note, _gallery(findings, rows), is_photo=True))
    listed = Table("mistakes", "", table, {"file"}, at_most=max(content.pictures, 1))
    return Section("mistakes", "Mistakes", [note], [listed], drawings)


def random_section(findings: Findings) -> Section:
    """Return a random sample of predictions."""
    e, config = findings.evaluated, findings.config
    rng = np.random.default_rng(derive_seed(PICTURES, config.seed))
    rows = np.sort(rng.permutation(len(e.labels))[: config.report.pictures])
    note = f"{len(rows)} random images (seed {config.seed})."
    drawings = []
    if config.report.faces and len(rows):
        drawings.append(Drawing("random_predictions", note, _gallery(findings, rows), is_photo=True))
    table = Table("random_predictions", note, tables.sample_table(e, rows), {"file"}, is_collapsed=True)
    return Section("random", "Random predictions", tables=[table], drawings=drawings)


def _gallery(findings: Findings, rows: Labels) -> Figure:
    table = tables.sample_table(findings.evaluated, rows)
    words = zip(table["file"], table["truth"], table["predicted"], table["probability"], strict=True)
    captions = [f"{Path(file).name[-28:]}\n{truth}, predicted\n{answer} {p:.2f}" for file, truth, answer, p in words]
    return figures.draw_gallery([np.asarray(findings.images[row]) for row in rows], captions)


def attention_section(findings: Findings) -> Section:
    """Return Grad-CAM maps: means, which show no person, and single faces if allowed."""
    title, attention = "Grad-CAM", findings.attention
    if attention is None:
        reason = "Not available for exported models, merged classes, and networks without convolutions."
        return Section("attention", title, [reason])
    means = {f"predicted {name} (n = {mean.n})": (mean.activation, mean.face) for name, mean in attention.means.items()}
    caption = (
        f"Mean Grad-CAM at the last convolution, over up to {MAPPED} images per predicted class, over their mean "
        f"image where it blends at least {BLENDED} groups. {findings.about}."
    )
    drawings = [Drawing("grad_cam_mean", caption, figures.draw_attention(means), is_photo=True)]
    if len(attention.rows):
        drawings.append(_faces_with_maps(findings, attention))
    note = (
        "Grad-CAM weights the last feature maps by the gradient of the class score (Selvaraju et al. 2017). Bright "
        "regions support the predicted class."
    )
    return Section("attention", title, [note], drawings=drawings)


def _faces_with_maps(findings: Findings, attention: Attention) -> Drawing:
    """Return faces with their maps overlaid."""
    e, names = findings.evaluated, findings.evaluated.class_names
    confidence = e.probabilities.max(axis=1)
    images, captions = [], []
    for row, activation in zip(attention.rows, attention.maps, strict=True):
        picture = np.asarray(findings.images[row])
        images += [picture, overlay(picture, activation)]
        verdict = "correct" if e.correct[row] else f"is {names[e.labels[row]]}"
        captions += [f"predicted {names[e.predicted[row]]}\n{confidence[row]:.2f}, {verdict}", ""]
    caption = "Faces with Grad-CAM for the predicted class; the most confident errors come first."
    return Drawing("grad_cam_faces", caption, figures.draw_gallery(images, captions), is_photo=True)


def overlay(image: Pixels, activation: Floats) -> Pixels:
    """Overlay a map, float64[S, S] in [0, 1], on an image, uint8[h, w, 3], in red."""
    height, width = image.shape[:2]
    strength = cv2.resize(activation.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    red = np.array([255, 40, 0], np.float32)
    return np.asarray((image * (1 - 0.55 * strength) + red * 0.55 * strength).round(), dtype=np.uint8)
