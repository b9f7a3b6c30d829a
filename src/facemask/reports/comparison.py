"""Report sections that compare several models on the same samples."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from facemask.config.keys import identities
from facemask.metrics.bootstrap import percentile_intervals
from facemask.metrics.calibration import expected_calibration_error
from facemask.metrics.significance import agreement, holm, mcnemar
from facemask.reports import figures
from facemask.reports.evaluated import HEADLINE, Evaluated
from facemask.reports.figures import Curve
from facemask.reports.findings import Findings, how_sure, missing_classes
from facemask.reports.model import curve_section
from facemask.reports.sections import Drawing, Section, Table
from facemask.reports.tables import report_table
from facemask.runs.run_folder import mean_and_std

COMPARED = ("accuracy", "f1", "auroc")
ALL_PAIRS = 4  # maximum number of models for which all pairs are compared


def comparison_sections(all_findings: Sequence[Findings], pages: Sequence[str]) -> list[Section]:
    """Return the comparison sections.

    Args:
        all_findings: findings of each model on the same samples.
        pages: path of each model's own report, relative to this one.
    """
    every, table = [findings.evaluated for findings in all_findings], models_table(all_findings)
    return [
        _models(all_findings, table, pages),
        _reports(all_findings),
        _differences(all_findings),
        curve_section(every, all_findings[0].about),
        _agreement(every, all_findings[0].about),
        _histories(every),
        _pareto(all_findings[0], table),
    ]


def models_table(all_findings: Sequence[Findings]) -> pd.DataFrame:
    """Return one row per model: name, scores and cost."""
    rows = []
    for findings in all_findings:
        e, cost = findings.evaluated, findings.cost
        history = e.model.history()
        best = history[history["epoch"] == e.model.result.best_epoch]
        row: dict[str, object] = {"model": e.model.label}
        if len(best) and "train/accuracy" in best:
            row["training_accuracy"] = float(best["train/accuracy"].iloc[0])
        row["validation_accuracy"] = e.model.result.metrics.get("val", {}).get("accuracy")
        for name in COMPARED:
            row |= e.cells(name, HEADLINE[name].replace(" ", "_"))
        row["ECE"] = expected_calibration_error(e.labels, e.probabilities)
        row |= {"parameters": cost.parameters, "MFLOPs": cost.mflops}
        row["ms_per_image"] = cost.latencies[0].median
        if len({findings.cost.library for findings in all_findings}) > 1:
            row["library"] = cost.library
        rows.append(row | {"training_s": e.model.result.seconds if e.model.is_of_run else None})
    return pd.DataFrame(rows)


def _models(all_findings: Sequence[Findings], table: pd.DataFrame, pages: Sequence[str]) -> Section:
    first = all_findings[0]
    notes = [
        f"{first.about}. {how_sure(first.evaluated)} Training accuracy is that of the best epoch, on augmented "
        f"images; ms per image is the median at batch size 1 on {first.cost.hardware}.",
        *missing_classes(first.evaluated),
    ]
    where = pd.DataFrame({"model": table["model"], "report": list(pages)})
    tables = [
        Table("models", "", table),
        Table("reports", "Reports of the individual models", where, {"report"}),
    ]
    if spread := _over_folds(all_findings):
        tables.insert(1, spread)
    return Section("models", "Models", notes, tables)


def _over_folds(all_findings: Sequence[Findings]) -> Table | None:
    """Return mean and standard deviation over the folds of each run with several folds here."""
    runs: dict[str, list[Evaluated]] = {}
    every = [findings.evaluated for findings in all_findings]
    for run, evaluated in zip(identities([e.model.config for e in every]), every, strict=True):
        runs.setdefault(run, []).append(evaluated)
    rows = []
    for folds in runs.values():
        if len(folds) > 1:
            name = folds[0].model.label.replace(f" {folds[0].model.folder.name}", "")
            row: dict[str, object] = {"configuration": name, "folds": len(folds)}
            for metric in COMPARED:
                spread = mean_and_std([fold.metrics[metric] for fold in folds])
                title = HEADLINE[metric].replace(" ", "_")
                row |= {f"{title}_mean": spread["mean"], f"{title}_std": spread["std"]}
            rows.append(row)
    if not rows:
        return None
    caption = "Mean and sample standard deviation (std) over the folds' models, all evaluated on the same images"
    return Table("over_folds", caption, pd.DataFrame(rows))


def _reports(all_findings: Sequence[Findings]) -> Section:
    """Return the classification reports side by side."""
    whole = None
    for findings in all_findings:
        e = findings.evaluated
        table = report_table(e)[["class", "precision", "recall", "f1", "support"]]
        renamed = table.rename(columns={kind: f"{kind}, {e.model.label}" for kind in ("precision", "recall", "f1")})
        whole = renamed if whole is None else whole.merge(renamed.drop(columns="support"), on="class")
    assert whole is not None
    kinds = [c for kind in ("precision", "recall", "f1") for c in whole if str(c).startswith(f"{kind}, ")]
    ordered = ["class", *kinds, "support"]
    return Section(
        "classification-reports",
        "Classification reports",
        tables=[Table("classification_reports", all_findings[0].about, whole[ordered])],
    )


def pairs(every: Sequence[Evaluated]) -> list[tuple[Evaluated, Evaluated]]:
    """Return all pairs for up to ALL_PAIRS models, otherwise the first with each of the others."""
    if len(every) <= ALL_PAIRS:
        return list(combinations(every, 2))
    return [(every[0], other) for other in every[1:]]


def difference_table(every: Sequence[Evaluated]) -> pd.DataFrame:
    """Return the difference of each pair and metric with its paired bootstrap interval."""
    rows = []
    for first, second in pairs(every):
        for name in COMPARED:
            resampled = {name: first.bootstrap_metrics[name] - second.bootstrap_metrics[name]}
            low, high = percentile_intervals(resampled, first.n_groups)[name]
            row = {"first": first.model.label, "second": second.model.label, "metric": HEADLINE[name]}
            difference = first.metrics[name] - second.metrics[name]
            rows.append({**row, "difference": difference, "difference_low": low, "difference_high": high})
    return pd.DataFrame(rows)


def mcnemar_table(every: Sequence[Evaluated]) -> pd.DataFrame:
    """Return McNemar's test of each pair with Holm-adjusted p values."""
    compared = pairs(every)
    tests = [mcnemar(first.correct, second.correct) for first, second in compared]
    adjusted = holm([test.p for test in tests])
    return pd.DataFrame(
        {
            "first": [first.model.label for first, _ in compared],
            "second": [second.model.label for _, second in compared],
            "only_first_correct": [test.only_first for test in tests],
            "only_second_correct": [test.only_second for test in tests],
            "p": [test.p for test in tests],
            "p_adjusted": adjusted,
        }
    )


def _differences(all_findings: Sequence[Findings]) -> Section:
    every, about = [findings.evaluated for findings in all_findings], all_findings[0].about
    table = difference_table(every)
    notes = [
        "Differences are first minus second, from a paired bootstrap on the same images. If an interval "
        "excludes 0, the difference is significant at the 5 % level. Intervals are not adjusted for the number "
        "of pairs.",
        "McNemar's exact test compares the error rates of two models; p values are adjusted after Holm. It "
        "assumes independent images, which faces of one photo are not; where the two methods disagree, use the "
        "bootstrap intervals.",
    ]
    return Section(
        "differences",
        "Paired differences",
        notes,
        [Table("differences", about, table), Table("mcnemar", f"McNemar's test. {about}", mcnemar_table(every))],
        [
            Drawing(
                "differences",
                f"Differences with 95 % bootstrap confidence intervals. {about}.",
                figures.draw_differences(table),
            )
        ],
    )


def _agreement(every: Sequence[Evaluated], about: str) -> Section:
    fractions, names = agreement([e.predicted for e in every]), [e.model.label for e in every]
    table = pd.DataFrame(fractions, columns=names)
    table.insert(0, "model", names)
    return Section(
        "agreement",
        "Agreement",
        tables=[Table("agreement", f"Fraction of images with the same predicted class. {about}", table)],
        drawings=[
            Drawing(
                "agreement",
                f"Fraction of images with the same predicted class. {about}.",
                figures.draw_agreement(fractions, names),
            )
        ],
    )


def _histories(every: Sequence[Evaluated]) -> Section:
    panels: dict[str, list[Curve]] = {}
    for column, title in (
        ("train/loss", "training loss"),
        ("val/loss", "validation loss"),
        ("val/auroc", "validation AUROC"),
    ):
        for e in every:
            history = e.model.history()
            if column in history:
                curve = Curve(e.model.label, history["epoch"].to_numpy(), history[column].to_numpy())
                panels.setdefault(title, []).append(curve)
    if not panels:
        return Section("training", "Learning curves", ["The models did not log losses or AUROC."])
    caption = "Learning curves on each model's own training and validation images."
    return Section(
        "training", "Learning curves", drawings=[Drawing("learning_curves", caption, figures.draw_histories(panels))]
    )


def _pareto(first: Findings, models: pd.DataFrame) -> Section:
    table = models[
        ["model", "accuracy", "accuracy_low", "accuracy_high", "ms_per_image", "parameters", "MFLOPs"]
    ].copy()
    front = figures.pareto_front(table["ms_per_image"].to_numpy(), table["accuracy"].to_numpy())
    table["on_front"] = np.isin(np.arange(len(table)), front)
    note = "A model is on the Pareto front if no other is both faster and more accurate. This ignores the intervals."
    caption = f"Accuracy against latency. {first.about}; {first.cost.hardware}."
    return Section(
        "pareto",
        "Accuracy against latency",
        [note],
        [Table("pareto", "", table)],
        [Drawing("pareto", caption, figures.draw_pareto(table))],
    )
