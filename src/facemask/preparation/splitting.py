"""``prepare_data.py task=split``: split a data set into parts, in its manifest or as folders."""

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd
from rich.console import Console
from rich.progress import track

from facemask.config.arguments import program
from facemask.config.preparation_schemas import SplitConfig
from facemask.data.manifest import MANIFEST, manifest_with
from facemask.data.parts import SPLIT_OF_FOLDER
from facemask.data.places import STORE, check_writable_set, open_set
from facemask.data.splits import deal_parts
from facemask.errors import DataError
from facemask.files import is_below, link_or_copy, relative_to_cwd, to_csv, write_atomically
from facemask.preparation.result import TaskResult
from facemask.reports.dataset_tables import count_table
from facemask.reports.terminal import print_table
from facemask.terminal import SafeConsole


@dataclass(frozen=True)
class Parts(TaskResult):
    """A data set, split into parts.

    Attributes:
        folder: folder of the set, or of the new part folders.
        table: one row per image: ``path`` in the set, ``label``, ``group`` and ``split`` (train, val or test).
        split_seed: seed of the split.
        has_own_test: whether the set had a test part before.
        has_val: whether there is a validation part.
    """

    folder: Path
    table: pd.DataFrame
    split_seed: int
    has_own_test: bool
    has_val: bool

    def show(self, console: Console) -> None:
        """Print the images per class and part."""
        groups = self.table.groupby("split")["group"].nunique()
        shown = relative_to_cwd(self.folder)
        print_table(count_table(self.table), f"{shown}: {len(self.table):,} images", console)
        listed = ", ".join(f"{groups[part]:,} in {part}" for part in ("train", "val", "test") if part in groups)
        notes = [f"Groups, each within one part: {listed}; split_seed={self.split_seed}."]
        if self.has_own_test:
            notes.append(
                "The test part is the set's own, so test= and split_seed= do not apply to it; again=true splits it too."
            )
        if self.has_val:
            notes.append("train.py makes its folds from train and val together.")
        notes.append(f"To train on them: {program('train')} data=folder {shlex.quote(f'data.root={shown}')}")
        console.print("\n".join(notes), soft_wrap=True, highlight=False, markup=False)


def split(config: SplitConfig) -> Parts:
    """Write the parts of a data set into its manifest, or into folders of copies or hard links.

    Raises:
        FaceMaskError: the set cannot be read or split, or the output exists.
    """
    if config.out is None:
        check_writable_set(config.data.root)
    root, table, folders = open_set(config.data.root, Path(STORE), for_training=False, groups=config.data.groups)
    if config.again:
        table = table.assign(split="")
    has_own_test = bool((table["split"] == "test").any())
    dealt = deal_parts(table, config.val, config.test, config.split_seed)
    manifest = manifest_with(root, folders, dealt, "split")
    if config.out is None:
        where = root
        write_atomically(root / MANIFEST, to_csv(manifest))
    else:
        where = Path(config.out).expanduser()
        _fill(where, root, dealt, manifest, config.files == "link")
    return Parts(where, dealt, config.split_seed, has_own_test, bool(config.val))


def _fill(out: Path, root: Path, dealt: pd.DataFrame, manifest: pd.DataFrame, is_linked: bool) -> None:
    """Create the folder of the parts; it gets its name when it is complete."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"out={out} already exists; choose a new folder, or delete that one.")
    columns = (dealt[name] for name in ("path", "label", "split"))
    places = pd.Series([place(*row) for row in zip(*columns, strict=True)], dealt["path"])
    if (twice := places.duplicated(keep=False)).any():
        one, other = places[twice].sort_values().index[:2]
        raise DataError(
            f"{one} and {other} would both become {places[one]}; leave out out=, to fill the manifest instead."
        )
    for path in places.index:  # the parts may be passed on, so they hold nothing from elsewhere
        if not is_below(str(path), root):
            raise DataError(
                f"{root / str(path)} is a link to a file outside {root}; replace it by the file, or leave out out=, to "
                "fill the manifest instead."
            )
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # remains of a killed command
    try:
        console, title = SafeConsole(stderr=True), f"{'Linking' if is_linked else 'Copying'} {len(places):,} images"
        for path, new in track(places.items(), title, len(places), console=console, transient=console.is_terminal):
            (partial / new).parent.mkdir(parents=True, exist_ok=True)
            if is_linked:
                link_or_copy((root / str(path)).resolve(), partial / new)
            else:
                shutil.copy2(root / str(path), partial / new)
        listed = manifest[manifest["file"].isin(places.index)]
        text = to_csv(listed.assign(file=listed["file"].map(places)))
        write_atomically(partial / MANIFEST, text)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def place(path: str, label: str, split: str) -> str:
    """Return the new path of an image: PART/CLASS/ and its path without the folders of its part and class.

    Example:
        >>> place("train/mask/first/1.png", "mask", "val")
        'val/mask/first/1.png'
    """
    *folders, name = PurePosixPath(path).parts
    at = folders.index(label) if label in folders else len(folders)
    above, below = folders[:at], folders[at + 1 :]
    if above and above[-1].lower() in SPLIT_OF_FOLDER:
        above.pop()
    return "/".join([split, label, *above, *below, name])
