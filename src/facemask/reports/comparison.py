"""The sections of the report that compare several models on the same samples."""

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
ALL_PAIRS = 4  # models up to which every two are compared


def comparison_sections(all_findings: Sequence[Findings], pages: Sequence[str]) -> list[Section]:
    """Return the comparison.

    Args:
        all_findings: of each model, on the same samples.
        pages: where each model's own report is, below this one.
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
    """Return a row a model, as the studies tabulate them: what it is, what it scores, what it costs."""
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
        row |= {"parameters": cost.parameters, "MFLOPs": cost.flops / 1e6}
        row["ms_per_image"] = cost.latencies[0].median
        rows.append(row | {"training_s": e.model.result.seconds if e.model.is_of_run else None})
    return pd.DataFrame(rows)


def _models(all_findings: Sequence[Findings], table: pd.DataFrame, pages: Sequence[str]) -> Section:
    first = all_findings[0]
    notes = [
        f"{first.about}. {how_sure(first.evaluated)} Training accuracy is that of the best epoch, over its augmented "
        f"images; ms per image is the median of one at a time on {first.cost.hardware}.",
        *missing_classes(first.evaluated),
    ]
    where = pd.DataFrame({"model": table["model"], "report": list(pages)})
    tables = [
        Table("models", "", table),
        Table("reports", "Each model's own report, beside this one", where, {"report"}),
    ]
    if spread := _over_folds(all_findings):
        tables.insert(1, spread)
    return Section("models", "Models", notes, tables)


def _over_folds(all_findings: Sequence[Findings]) -> Table | None:
    """Return mean ± std of the folds of each run, where several of one run are here."""
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
    caption = "Over the models of the folds, all on the same images here (std: sample standard deviation)"
    return Table("over_folds", caption, pd.DataFrame(rows))


def _reports(all_findings: Sequence[Findings]) -> Section:
    """Lay the classification reports side by side."""
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
    """Return what is compared with what: of a few models all, of many the first with each other one."""
    if len(every) <= ALL_PAIRS:
        return list(combinations(every, 2))
    return [(every[0], other) for other in every[1:]]


def difference_table(every: Sequence[Evaluated]) -> pd.DataFrame:
    """Return, for each pair and metric, the difference with its interval over the same bootstrap resamples."""
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
    """Return McNemar's test of each pair, with p values adjusted for their number."""
    compared = pairs(every)
    tests = [mcnemar(first.right, second.right) for first, second in compared]
    adjusted = holm([test.p for test in tests])
    return pd.DataFrame(
        {
            "first": [first.model.label for first, _ in compared],
            "second": [second.model.label for _, second in compared],
            "only_first_right": [test.only_first for test in tests],
            "only_second_right": [test.only_second for test in tests],
            "p": [test.p for test in tests],
            "p_adjusted": adjusted,
        }
    )


def _differences(all_findings: Sequence[Findings]) -> Section:
    every, about = [findings.evaluated for findings in all_findings], all_findings[0].about
    table = difference_table(every)
    notes = [
        "Differences are first minus second, on the same images and the same resamples. Where an interval leaves "
        "out 0, other images of this kind would likely show the difference too. With many pairs some do by chance: the "
        "intervals are each for itself.",
        "McNemar's exact test asks whether the two err equally often; p is adjusted, after Holm, for several pairs. It "
        "takes images for independent, which faces of one photo are not quite: where the two disagree, trust the "
        "intervals of a single pair.",
    ]
    return Section(
        "differences",
        "Paired differences",
        notes,
        [Table("differences", about, table), Table("mcnemar", f"McNemar's test. {about}", mcnemar_table(every))],
        [Drawing("differences", f"Differences with 95 % intervals. {about}.", figures.draw_differences(table))],
    )


def _agreement(every: Sequence[Evaluated], about: str) -> Section:
    shares, names = agreement([e.predicted for e in every]), [e.model.label for e in every]
    table = pd.DataFrame(shares, columns=names)
    table.insert(0, "model", names)
    return Section(
        "agreement",
        "Agreement",
        tables=[
            Table("agreement", f"Share of the images that two models call the same, right or wrong. {about}", table)
        ],
        drawings=[
            Drawing(
                "agreement", f"Images that two models call the same. {about}.", figures.draw_agreement(shares, names)
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
        return Section("training", "Learning curves", ["The models logged no losses or AUROC that could be compared."])
    caption = "Every model's epochs, on its own training and validation images."
    return Section(
        "training", "Learning curves", drawings=[Drawing("learning_curves", caption, figures.draw_histories(panels))]
    )


def _pareto(first: Findings, models: pd.DataFrame) -> Section:
    table = models[
        ["model", "accuracy", "accuracy_low", "accuracy_high", "ms_per_image", "parameters", "MFLOPs"]
    ].copy()
    front = figures.pareto_front(table["ms_per_image"].to_numpy(), table["accuracy"].to_numpy())
    table["on_front"] = np.isin(np.arange(len(table)), front)
    note = (
        "A model is on the front if none is both faster and more accurate; how far intervals overlap is another matter."
    )
    caption = f"Accuracy against latency. {first.about}; {first.cost.hardware}."
    return Section(
        "pareto",
        "Accuracy against latency",
        [note],
        [Table("pareto", "", table)],
        [Drawing("pareto", caption, figures.draw_pareto(table))],
    )
