"""The sections of the report that tell what to make of a probability: calibration and thresholds."""

import pandas as pd

from facemask.metrics.calibration import fit_temperature, reliability, rescale
from facemask.metrics.classification import Floats, Labels
from facemask.metrics.thresholds import candidates, operating_points
from facemask.reports import figures, tables
from facemask.reports.figures import Curve
from facemask.reports.findings import Findings
from facemask.reports.sections import Drawing, Section, Table


def decision_sections(findings: Findings) -> list[Section]:
    """Return what is fitted on validation images, and how it does on these; nothing where these are the same."""
    if findings.validation is None:
        fitted_on = "the model's validation images, which are not recorded."
        if findings.config.split == "val":
            fitted_on = "these very images, which therefore tell nothing about them."
        note = f"Temperature and thresholds are fitted on {fitted_on}"
        return [Section("calibration", "Calibration and thresholds", [note])]
    sections = [calibration_section(findings, findings.validation)]
    if len(findings.evaluated.class_names) == 2:
        sections.append(threshold_section(findings, findings.validation))
    return sections


def calibration_section(findings: Findings, validation: tuple[Labels, Floats]) -> Section:
    """Return how honest the probabilities are, and the temperature that makes them more so."""
    e = findings.evaluated
    temperature = fit_temperature(*validation)
    here = {
        "as trained": reliability(e.labels, e.probabilities),
        f"temperature {temperature:.2f}": reliability(e.labels, rescale(e.probabilities, temperature)),
    }
    note = (
        f"The temperature, {temperature:.3f}, was fitted on the {len(validation[0]):,} validation images of fold "
        f"{e.model.fold} alone. Dividing the logits by it leaves every decision as it is; above 1 the model was too "
        "sure. ECE is the expected calibration error over 15 bins, NLL the negative log-likelihood: small is good."
    )
    table = tables.calibration_table(e, temperature, validation)
    bins = pd.concat([t.assign(probabilities=name) for name, t in here.items()], ignore_index=True)
    return Section(
        "calibration",
        "Calibration",
        [note],
        [
            Table("calibration", f"“Here”: {findings.about}", table),
            Table(
                "reliability", "Bins of confidence, and how often the model was right in them", bins, is_collapsed=True
            ),
        ],
        [
            Drawing(
                "reliability",
                f"Reliability; the area of a point tells how many images it stands for. {findings.about}.",
                figures.draw_reliability(here),
            )
        ],
    )


def threshold_section(findings: Findings, validation: tuple[Labels, Floats]) -> Section:
    """Return where to draw the line between two classes."""
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
            ("false_alarm_rate", "false alarms, of the others"),
        )
    ]
    note = (
        f"A face is called {name} from the threshold on. Every threshold was chosen on the {len(labels):,} validation "
        f"images of fold {e.model.fold}; the images here had no say in it. Missing one counts {costs.missed:g}, a "
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
                f"What follows from the threshold on the {len(labels):,} validation images, where it is chosen.",
                figures.draw_thresholds(curves, chosen),
            )
        ],
    )
