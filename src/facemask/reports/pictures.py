"""The sections of the report that show single images: as file names, and as pictures where that is allowed."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from facemask.evaluation.grad_cam import activation_maps, overlay
from facemask.metrics.classification import Floats, Labels
from facemask.reports import figures, tables
from facemask.reports.findings import Findings
from facemask.reports.sections import Drawing, Section, Table
from facemask.seeding import PICTURES, derive_seed

LOOKED_AT = 64  # images of a class that a mean activation map is of, at most


def mistake_section(findings: Findings) -> Section:
    """Return what is called wrong, the most confident first."""
    e, shown = findings.evaluated, findings.settings["report"]["pictures"]
    table = tables.mistake_table(e)
    first = table.head(shown)
    note = f"{len(table):,} of {len(e.labels):,} images are called wrong; the most confident mistakes come first."
    drawings = []
    if findings.settings["report"]["faces"] and len(first):
        position = {path: i for i, path in enumerate(e.predictions["path"])}
        rows = np.array([position[file] for file in first["file"]])
        drawings.append(Drawing("mistakes", note, _gallery(findings, rows), is_photo=True))
    return Section(
        "mistakes", "Mistakes", [note], [Table("mistakes", "", table, {"file"}, at_most=max(shown, 1))], drawings
    )


def random_section(findings: Findings) -> Section:
    """Return some predictions drawn at random."""
    e, settings = findings.evaluated, findings.settings
    rng = np.random.default_rng(derive_seed(PICTURES, settings["seed"]))
    rows = np.sort(rng.permutation(len(e.labels))[: settings["report"]["pictures"]])
    note = f"{len(rows)} images drawn at random (seed {settings['seed']}), right or wrong."
    drawings = []
    if settings["report"]["faces"] and len(rows):
        drawings.append(Drawing("random_predictions", note, _gallery(findings, rows), is_photo=True))
    table = Table("random_predictions", note, tables.sample_table(e, rows), {"file"}, is_folded=True)
    return Section("random", "Random predictions", tables=[table], drawings=drawings)


def _gallery(findings: Findings, rows: Labels) -> Figure:
    table = tables.sample_table(findings.evaluated, rows)
    words = zip(table["file"], table["truth"], table["predicted"], table["probability"], strict=True)
    captions = [f"{Path(file).name[-28:]}\n{truth}, called\n{guess} {p:.2f}" for file, truth, guess, p in words]
    return figures.draw_gallery([np.asarray(findings.images[row]) for row in rows], captions)


def attention_section(findings: Findings) -> Section:
    """Return what speaks for the predicted class: on average, which shows no one, and on single faces where allowed."""
    e, settings = findings.evaluated, findings.settings
    model, record = e.model.model, e.model.record
    rng = np.random.default_rng(derive_seed(PICTURES, settings["seed"], 1))
    means: dict[str, Floats] = {}
    for c, name in enumerate(e.class_names):
        rows = rng.permutation(np.flatnonzero(e.guesses == c))[:LOOKED_AT]
        if len(rows):
            maps = activation_maps(model, record, np.asarray(findings.images[np.sort(rows)]), np.full(len(rows), c))
            if maps is None:
                note = "The network has no convolutions, so there is nothing to show."
                return Section("attention", "Where the network looks", [note])
            means[f"called {name} (n = {len(rows)})"] = maps.mean(axis=0)
    caption = (
        f"Mean Grad-CAM at the last convolution of images called each class, at most {LOOKED_AT}. {findings.about}."
    )
    drawings = [Drawing("grad_cam_mean", caption, figures.draw_attention(means), is_photo=True)]
    if settings["report"]["faces"] and settings["report"]["pictures"]:
        drawings.append(_faces_with_maps(findings))
    note = (
        "Grad-CAM weighs the last feature maps by how much they move the class's score (Selvaraju et al. 2017). Bright "
        "is what speaks for the class that was predicted."
    )
    return Section("attention", "Where the network looks", [note], drawings=drawings)


def _faces_with_maps(findings: Findings) -> Drawing:
    """Return mistakes first, then others, each with its map laid over it."""
    e = findings.evaluated
    confidence = e.probabilities.max(axis=1)
    order = np.lexsort((-confidence, e.right))[: findings.settings["report"]["pictures"] // 2 or 1]
    pictures = np.asarray(findings.images[order])
    maps = activation_maps(e.model.model, e.model.record, pictures, e.guesses[order])
    assert maps is not None
    names = e.class_names
    images, captions = [], []
    for row, picture, activation in zip(order, pictures, maps, strict=True):
        images += [picture, overlay(picture, activation)]
        verdict = "right" if e.right[row] else f"is {names[e.labels[row]]}"
        captions += [f"called {names[e.guesses[row]]}\n{confidence[row]:.2f}, {verdict}", ""]
    caption = "Faces, and what in them speaks for the predicted class; the most confident mistakes first."
    return Drawing("grad_cam_faces", caption, figures.draw_gallery(images, captions), is_photo=True)
