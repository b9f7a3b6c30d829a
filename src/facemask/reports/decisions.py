"""Report sections on calibration and decision thresholds."""

import pandas as pd

from facemask.metrics.calibration import fit_temperature, reliability, rescale
from facemask.metrics.classification import Floats, Labels
from facemask.metrics.thresholds import candidates, operating_points
from facemask.reports import figures, tables
from facemask.reports.figures import Curve
from facemask.reports.findings import Findings
from facemask.reports.sections import Drawing, Section, Table


def decision_sections(findings: Findings) -> list[Section]:
    """Return the sections whose parameters are fitted on validation images; none if the samples are these images."""
    if findings.validation is None:
        fitted_on = "the validation images, which are not recorded for this model."
        if findings.config.split == "val":
            fitted_on = "these images, so they cannot be evaluated on them."
        note = f"Temperature and thresholds are fitted on {fitted_on}"
        return [Section("calibration", "Calibration and thresholds", [note])]
    sections = [calibration_section(findings, findings.validation)]
    if len(findings.evaluated.class_names) == 2:
        sections.append(threshold_section(findings, findings.validation))
    return sections


def calibration_section(findings: Findings, validation: tuple[Labels, Floats]) -> Section:
    """Return the calibration before and after temperature scaling."""
    e = findings.evaluated
    temperature = fit_temperature(*validation)
    here = {
        "as trained": reliability(e.labels, e.probabilities),
        f"temperature {temperature:.2f}": reliability(e.labels, rescale(e.probabilities, temperature)),
    }
    note = (
        f"The temperature, {temperature:.3f}, was fitted on the {len(validation[0]):,} validation images of fold "
        f"{e.model.fold}. Temperature scaling does not change any decision; above 1 the model was over"
        "confident. ECE: expected calibration error over 15 bins; NLL: negative log-likelihood; lower is better."
    )
    table = tables.calibration_table(e, temperature, validation)
    bins = pd.concat([t.assign(probabilities=name) for name, t in here.items()], ignore_index=True)
    return Section(
        "calibration",
        "Calibration",
        [note],
        [
            Table("calibration", f"“Here”: {findings.about}", table),
            Table("reliability", "Accuracy per bin of confidence", bins, is_collapsed=True),
        ],
        [
            Drawing(
                "reliability",
                f"Reliability diagram; the area of a point is proportional to its number of images. {findings.about}.",
                figures.draw_reliability(here),
            )
        ],
    )


def threshold_section(findings: Findings, validation: tuple[Labels, Floats]) -> Section:
    """Return the decision thresholds for two classes."""
    e, costs = findings.evaluated, findings.config.costs
    name = e.class_names[e.positive]
    chosen = tables.choose_thresholds(validation, e.positive, costs, findings.config.recalls)
    labels, probabilities = validation
    thresholds = candidates(probabilities[:, e.positive]).clip(0, 1)
    points = operating_points(labels == e.positive, probabilities[:, e.positive], thresholds)
    curves = [
        Curve(words, thresholds, points[kind])
        for kind, words in (
            ("recall", f"recall of {name}"),
            ("precision", f"precision of {name}"),
            ("false_alarm_rate", "false alarm rate"),
        )
    ]
    note = (
        f"{name} is predicted at or above the threshold. Thresholds were chosen on the {len(labels):,} validation "
        f"images of fold {e.model.fold}; the images here were not used. A miss costs {costs.missed:g}, a "
        f"false alarm {costs.false_alarm:g} (keys costs.missed, costs.false_alarm)."
    )
    return Section(
        "thresholds",
        "Thresholds",
        [note],
        [Table("thresholds", findings.about, tables.threshold_table(e, validation, chosen, costs))],
        [
            Drawing(
                "thresholds",
                f"Rates by threshold on the {len(labels):,} validation images, on which thresholds are chosen.",
                figures.draw_thresholds(curves, chosen),
            )
        ],
    )
