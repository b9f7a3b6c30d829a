"""Report sections of one model."""

from collections.abc import Sequence

import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from facemask.data.duplicates import BITS, CORRELATION
from facemask.reports import figures, tables
from facemask.reports.curves import draw_learning_curves
from facemask.reports.decisions import decision_sections
from facemask.reports.evaluated import Evaluated
from facemask.reports.figures import Curve
from facemask.reports.findings import Findings, how_sure, missing_classes
from facemask.reports.pictures import attention_section, mistake_section, random_section
from facemask.reports.sections import Drawing, Section, Table

UNKNOWN = "not recorded"


def model_sections(findings: Findings) -> list[Section]:
    """Return the sections of one model."""
    return [
        _scores(findings),
        curve_section([findings.evaluated], findings.about),
        _confusion(findings),
        *decision_sections(findings),
        _sizes(findings),
        _training(findings),
        _leakage(findings),
        mistake_section(findings),
        random_section(findings),
        attention_section(findings),
        _cost(findings),
        _provenance(findings),
    ]


def _roc_panels(all_evaluated: Sequence[Evaluated]) -> dict[str, list[Curve]]:
    """Return ROC curves, one panel per class that has positives and negatives; for two classes, the positive one."""
    panels: dict[str, list[Curve]] = {}
    for c in _shown_classes(all_evaluated[0]):
        for evaluated in all_evaluated:
            name = evaluated.class_names[c]
            x, y, _ = roc_curve(evaluated.labels == c, evaluated.probabilities[:, c], drop_intermediate=True)
            low, high = evaluated.intervals[f"auroc_{name}"]
            value = evaluated.metrics[f"auroc_{name}"]
            words = f"{evaluated.model.label}: AUROC {value:.3f} ({low:.3f}–{high:.3f})"
            panels.setdefault(f"{name} vs. rest", []).append(Curve(words, x, y))
    return panels


def _precision_recall_panels(all_evaluated: Sequence[Evaluated]) -> dict[str, list[Curve]]:
    """Return precision-recall curves in the same panels."""
    panels: dict[str, list[Curve]] = {}
    for c in _shown_classes(all_evaluated[0]):
        for evaluated in all_evaluated:
            name = evaluated.class_names[c]
            y, x, _ = precision_recall_curve(evaluated.labels == c, evaluated.probabilities[:, c])
            words = f"{evaluated.model.label}: AP {evaluated.metrics[f'average_precision_{name}']:.3f}"
            panels.setdefault(f"{name} vs. rest", []).append(Curve(words, x, y))
    return panels


def _shown_classes(evaluated: Evaluated) -> list[int]:
    classes = [evaluated.positive] if len(evaluated.class_names) == 2 else range(len(evaluated.class_names))
    return [c for c in classes if 0 < (evaluated.labels == c).sum() < len(evaluated.labels)]


def _scores(findings: Findings) -> Section:
    e = findings.evaluated
    positive = f" AUROC and average precision are those of {e.class_names[e.positive]}." if _is_binary(e) else ""
    return Section(
        "scores",
        "Scores",
        [f"{findings.about}. {how_sure(e)}{positive}", *missing_classes(e)],
        [
            Table("scores", "", tables.headline_table(e)),
            Table("classification_report", "Classification report", tables.report_table(e)),
            Table("one_against_rest", "One-vs-rest", tables.one_against_rest_table(e)),
        ],
    )


def curve_section(every: Sequence[Evaluated], about: str) -> Section:
    """Return ROC and precision-recall curves of one or several models."""
    title, roc = "ROC and precision-recall", _roc_panels(every)
    if not roc:
        return Section("curves", title, ["There is only one class, so there are no curves."])
    drawings = [
        Drawing("roc", f"ROC curves. {about}.", figures.draw_roc(roc)),
        Drawing(
            "precision_recall",
            f"Precision-recall curves. {about}.",
            figures.draw_precision_recall(_precision_recall_panels(every)),
        ),
    ]
    return Section("curves", title, drawings=drawings)


def _confusion(findings: Findings) -> Section:
    e = findings.evaluated
    matrix = confusion_matrix(e.labels, e.predicted, labels=range(len(e.class_names)))
    figure = figures.draw_confusion(matrix, e.class_names)
    return Section(
        "confusion",
        "Confusion matrix",
        tables=[Table("confusion_matrix", "", tables.confusion_table(e))],
        drawings=[
            Drawing(
                "confusion_matrix",
                f"Rows: true classes. Left: counts; right: fractions of each true class. {findings.about}.",
                figure,
            )
        ],
    )


def _sizes(findings: Findings) -> Section:
    table = tables.size_table(findings.evaluated)
    figure = figures.draw_sizes(table)
    return Section(
        "sizes",
        "Face size",
        tables=[Table("face_size", findings.about, table)],
        drawings=[
            Drawing(
                "face_size",
                f"Accuracy by face size with 95 % bootstrap confidence intervals. {findings.about}.",
                figure,
            )
        ],
    )


def _training(findings: Findings) -> Section:
    model = findings.evaluated.model
    if not model.is_of_run:
        return Section("training", "Learning curves", ["The checkpoint does not record its epochs."])
    n = model.result.n
    about = f"fold {model.fold}: {n.train:,} training and {n.val:,} validation images of {model.result.facts.name}"
    figure = draw_learning_curves(model.history(), model.result.best_epoch, about)
    return Section(
        "training",
        "Learning curves",
        tables=[Table("epochs", f"Every epoch of {about}", model.history(), is_collapsed=True)],
        drawings=[Drawing("learning_curves", f"Training and validation, {about}.", figure)],
    )


def _leakage(findings: Findings) -> Section:
    e, leakage = findings.evaluated, findings.leakage
    if leakage.reason:
        return Section("leakage", "Near-duplicates of training images", [f"Not checked: {leakage.reason}"])
    n = int(leakage.leaked.sum())
    notes = [
        f"{n} of the {len(e.labels):,} images are near-duplicates of one of the {leakage.compared:,} images that the "
        f"run was trained or validated on (perceptual hashes at most {BITS} of 64 bits apart, and grey values "
        f"correlated by {CORRELATION:g} or more)."
    ]
    without = []
    if n == len(e.labels):
        notes.append("The scores therefore do not apply to new images.")
    elif n:
        clean = e.only(~leakage.leaked)
        rows = []
        for title, part in (("all", e), ("without them", clean)):
            row = {"images": title, "n": len(part.labels)}
            rows.append(row | part.cells("accuracy") | part.cells("f1", "macro F1") | part.cells("auroc", "AUROC"))
        without.append(
            Table("scores_without_leaked", f"Scores with and without them. {findings.about}", pd.DataFrame(rows))
        )
    pairs = [Table("near_duplicates", "Pairs, most similar first", leakage.pairs)] if n else []
    return Section("leakage", "Near-duplicates of training images", notes, [*without, *pairs])


def _cost(findings: Findings) -> Section:
    cost = findings.cost
    facts = pd.DataFrame(
        [
            {
                "parameters": cost.parameters,
                "MFLOPs_per_image": cost.mflops,
                "checkpoint_MB": cost.checkpoint_bytes / 1e6,
                "input_px": findings.evaluated.model.preprocessing.input_size,
            }
        ]
    )
    rows = [
        {
            "images_a_call": latency.batch,
            "median_ms": latency.median,
            "p90_ms": latency.p90,
            "median_ms_an_image": latency.median / latency.batch,
            "images_per_second": 1000 * latency.batch / latency.median,
            "calls_timed": latency.calls,
        }
        for latency in cost.latencies
    ]
    note = (
        f"Measured with {cost.library} on {cost.hardware}, from decoded crops to probabilities, after warm-up. A "
        "multiply-add counts as two FLOPs. The size is that of the checkpoint, with the optimiser's state."
    )
    return Section("cost", "Cost", [note], [Table("size", "", facts), Table("latency", "", pd.DataFrame(rows))])


def _provenance(findings: Findings) -> Section:
    model = findings.evaluated.model
    prepared = model.preprocessing
    result, environment = model.result, model.result.environment
    trained_on = f"{result.data.name}, fingerprint {result.data.fingerprint}" if result.data else UNKNOWN
    facts = {
        "evaluated on": f"{findings.about}, fingerprint {findings.fingerprint}",
        "model folder": str(model.folder),
        "best epoch": f"{result.best_epoch}, by {model.config.monitor} on the validation images",
        "trained on": f"{trained_on}, {result.n.train:,} images",
        "initial weights": result.weights.source,
        "seed, split seed": f"{model.config.seed}, {model.config.split_seed}",
        "input": f"{prepared.input_size} px, {prepared.padding}, mean {prepared.mean}, std {prepared.std}",
        "trained with": ", ".join(f"{name} {v}" for name, v in environment.libraries.items()),
        "trained where": f"{environment.processor or '?'}, {environment.device or '?'}",
        "code revision": environment.git or "not known",
    }
    if not model.is_of_run:
        facts |= dict.fromkeys(("initial weights", "trained with", "trained where", "code revision"), UNKNOWN)
        facts |= {"model folder": f"none; {model.checkpoint}", "best epoch": UNKNOWN}
        if result.best_epoch:
            facts["best epoch"] = f"{UNKNOWN}; epoch {result.best_epoch}"
        facts |= {"trained on": trained_on} | ({} if result.data else {"seed, split seed": UNKNOWN})
    table = pd.DataFrame(facts.items(), columns=["what", "value"])
    return Section("provenance", "Provenance", tables=[Table("provenance", "", table, {"value"})])


def _is_binary(evaluated: Evaluated) -> bool:
    return len(evaluated.class_names) == 2
