"""``prepare_data.py task=explore``: report of a data set and its augmentation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from facemask.config.component import Component
from facemask.config.preparation_schemas import ExploreConfig
from facemask.data.datamodule import FaceDataModule
from facemask.data.places import open_set
from facemask.data.preprocessing import Pixels
from facemask.data.splits import hold_out_test
from facemask.data.store import Store, check_readable, open_store
from facemask.data.transforms import Augmentation
from facemask.files import relative_to_cwd
from facemask.preparation.result import TaskResult
from facemask.reports import dataset_figures as figures
from facemask.reports import dataset_tables as tables
from facemask.reports.sections import Drawing, Section, Table
from facemask.reports.terminal import print_table
from facemask.reports.write import PAGE, write_report
from facemask.seeding import PICTURES, derive_seed

COLUMNS = 10  # images per row


@dataclass(frozen=True)
class Explored(TaskResult):
    """The report of a data set.

    Attributes:
        folder: folder of the report.
        about: the set's name with its numbers of images and groups.
        counts: images and groups by class and split.
    """

    folder: Path
    about: str
    counts: pd.DataFrame

    def show(self, console: Console) -> None:
        """Print the images per class and split, and the path of the report."""
        print_table(self.counts, self.about, console)
        console.print(f"Report: {relative_to_cwd(self.folder)}/{PAGE}", soft_wrap=True, highlight=False, markup=False)


def explore(config: ExploreConfig, folder: Path) -> Explored:
    """Write a report of a data set into a folder.

    Raises:
        FaceMaskError: the data or the augmentation cannot be used.
    """
    data: FaceDataModule = config.data.build()  # both are built first, so that errors appear before images are decoded
    if data.create is not None:
        data.create(data.root)
    root, listed, _ = open_set(data.places, data.store_dir, data.hint, groups=data.groups)
    whole = hold_out_test(listed, data.test_fraction, config.split_seed)
    store = open_store(root, whole["path"].tolist(), data.store_size, data.store_dir)
    unreadable = check_readable(store, data.max_unreadable)
    rows = whole.assign(row=range(len(whole)), width=store.samples["width"], height=store.samples["height"])
    table = rows[(store.samples["error"] == "").to_numpy()].reset_index(drop=True)
    counts = tables.count_table(table)
    n = len(table)
    about = f"{data.name}, n = {n:,} images in {table['group'].nunique():,} groups"
    sections = [
        _composition(table, counts, root, about, unreadable),
        _sizes(table, about),
        *_pictures(table, store, config),
    ]
    facts = {"data": {"name": data.name, "root": data.shown_root, "n": n, "unreadable": len(unreadable)}}
    write_report(folder, f"The data set {data.name}", [f"{about}, {len(counts) - 1} classes."], sections, facts)
    return Explored(folder, about, counts)


def _composition(
    table: pd.DataFrame, counts: pd.DataFrame, root: Path, about: str, unreadable: pd.DataFrame
) -> Section:
    source = tables.sources(table, root)
    by_source, labels = tables.source_table(table, source), sorted(table["label"].unique())
    largest = int(table["group"].value_counts().max())
    notes = [f"The largest group has {largest} images. Groups stay on one side of every split."]
    if len(unreadable):
        notes.append(f"{len(unreadable)} more files cannot be read; the first is {unreadable['path'].iloc[0]}.")
    return Section(
        "composition",
        "Composition",
        notes,
        [
            Table("classes_and_splits", about, counts),
            Table(
                "sources", "By source: from the manifest, else the folder, else the file name", by_source, at_most=15
            ),
        ],
        [
            Drawing(
                "classes_and_splits", f"Number of images per class and split. {about}.", figures.draw_counts(counts)
            ),
            Drawing("sources", f"Number of images per source. {about}.", figures.draw_sources(by_source, labels)),
        ],
    )


def _sizes(table: pd.DataFrame, about: str) -> Section:
    return Section(
        "sizes",
        "Sizes",
        tables=[Table("sizes", f"Longer side, pixels. {about}", tables.size_table(table))],
        drawings=[
            Drawing("sizes", f"Widths and heights in pixels, before resizing. {about}.", figures.draw_sizes(table))
        ],
    )


def _pictures(table: pd.DataFrame, store: Store, config: ExploreConfig) -> list[Section]:
    """Return the sample sheet and the augmentations; they show people, so they are only drawn if allowed."""
    if not config.report.faces:
        note = "Samples and augmentations show people; to draw them, add report.faces=true."
        return [Section("samples", "Samples", [note])]
    table = table[table["split"] == "train"]  # test images are counted, but not shown
    rng = np.random.default_rng(derive_seed(PICTURES, config.seed))
    sheet = {}
    for label, part in table.groupby("label"):
        chosen = np.sort(rng.permutation(part["row"].to_numpy())[:COLUMNS])
        sheet[str(label)] = [np.asarray(store.images[row]) for row in chosen]
    large = table.sort_values(["width", "path"])["row"].to_numpy()[len(table) // 2 :]
    face = np.asarray(store.images[int(rng.choice(large))])
    steps = augmented(face, config.augment, config.seed)
    note = f"Random sample of the training part, seed {config.seed}."
    drawn = "each augmentation alone, then all together as in training; every column is a new random draw"
    return [
        Section("samples", "Samples", [note], drawings=[Drawing("samples", note, figures.draw_sheet(sheet), True)]),
        Section(
            "augmentation",
            "Augmentation",
            [f"One face; {drawn}."],
            drawings=[Drawing("augmentation", f"One face: {drawn}.", figures.draw_sheet(steps), True)],
        ),
    ]


def augmented(face: Pixels, node: Component, seed: int) -> dict[str, list[Pixels]]:
    """Return one face with each augmentation alone and with all, one row each.

    Args:
        face: uint8[S, S, 3].
        node: an :class:`~facemask.data.transforms.Augmentation`.
        seed: seed of the augmentation.
    """

    def drawn(node: Component) -> list[Pixels]:
        augmentation: Augmentation = node.build()
        return [augmentation(face.copy(), seed, epoch, 0) for epoch in range(COLUMNS)]

    steps, without = list(node.get("steps", {})), node.get("without", [])
    names = [name for name in steps if name not in without]
    rows = {"original": [face]}
    for name in names:
        rows[name] = drawn(node.with_arguments(without=[other for other in steps if other != name]))
    if len(names) > 1:
        rows["all"] = drawn(node)
    return rows
