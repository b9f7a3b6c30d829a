"""What ``prepare_data.py task=split`` does: deal a set of faces into parts, in its manifest or as folders."""

import shlex
import shutil
from pathlib import Path, PurePosixPath

import pandas as pd
from rich.console import Console
from rich.progress import track

from facemask.config.compose import Settings
from facemask.data.index import MANIFEST, SPLIT_OF_FOLDER, index, read_manifest
from facemask.data.splits import deal_parts
from facemask.errors import DataError
from facemask.files import as_typed, same_file, write_atomically
from facemask.reports.dataset_tables import count_table
from facemask.reports.terminal import print_table


def split(settings: Settings) -> None:
    """Write the parts of a set of faces into its manifest, or into folders of copies or links.

    Args:
        settings: the resolved configuration.

    Raises:
        FaceMaskError: the set cannot be used or dealt, or there is something in the way.
    """
    root = Path(settings["data"]["root"]).expanduser()
    table = index(root, for_training=False)
    if settings["again"]:
        table = table.assign(split="")
    has_test = bool((table["split"] == "test").any())
    dealt = deal_parts(table, settings["val"], settings["test"], settings["split_seed"])
    manifest = _with_parts(root, dealt)
    if settings["out"] is None:
        where = root
        write_atomically(root / MANIFEST, manifest.to_csv(index=False))
    else:
        where = Path(settings["out"]).expanduser()
        _fill(where, root, dealt, manifest, settings["files"] == "link")
    _print(dealt, where, settings, has_test)


def _with_parts(root: Path, dealt: pd.DataFrame) -> pd.DataFrame:
    """Return the set's manifest, or a new one, with the column ``split`` filled."""
    file = root / MANIFEST
    manifest = read_manifest(file) if file.is_file() else pd.DataFrame({"file": dealt["path"]})
    parts = manifest["file"].map(dealt.set_index("path")["split"])
    return manifest.assign(split=parts.fillna(manifest.get("split", "")))


def _fill(out: Path, root: Path, dealt: pd.DataFrame, manifest: pd.DataFrame, is_linked: bool) -> None:
    """Make the folder of the parts, which appears under its name when it is whole."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"out={out} exists already; give a new folder, or delete that one.")
    columns = (dealt[name] for name in ("path", "label", "split"))
    places = pd.Series([place(*row) for row in zip(*columns, strict=True)], dealt["path"])
    if (twice := places.duplicated(keep=False)).any():
        one, other = places[twice].sort_values().index[:2]
        raise DataError(f"{one} and {other} would both become {places[one]}; leave out out=, which moves no files.")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a killed command has left
    try:
        console, title = Console(stderr=True), f"{'Linking' if is_linked else 'Copying'} {len(places):,} images"
        for path, new in track(places.items(), title, len(places), console=console, transient=console.is_terminal):
            (partial / new).parent.mkdir(parents=True, exist_ok=True)
            if is_linked:
                same_file((root / str(path)).resolve(), partial / new)
            else:
                shutil.copy2(root / str(path), partial / new)
        listed = manifest[manifest["file"].isin(places.index)]
        text = listed.assign(file=listed["file"].map(places)).to_csv(index=False)
        write_atomically(partial / MANIFEST, text)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def place(path: str, label: str, split: str) -> str:
    """Return where an image goes: what it was called below its class folder, in that of its part."""
    parts = PurePosixPath(path).parts
    below = parts[2:] if parts[0].lower() in SPLIT_OF_FOLDER and len(parts) > 2 else parts[1:]
    return "/".join([split, label, *below])


def _print(dealt: pd.DataFrame, where: Path, settings: Settings, has_test: bool) -> None:
    groups = dealt.groupby("split")["group"].nunique()
    console, shown = Console(), as_typed(where)
    print_table(count_table(dealt), f"{shown}: {len(dealt):,} images", console)
    listed = ", ".join(f"{groups[part]:,} in {part}" for part in ("train", "val", "test") if part in groups)
    notes = [f"Groups, each in one part: {listed}; split_seed={settings['split_seed']}."]
    if has_test:
        notes.append("The test part is the set's own, whatever test= and split_seed= say; again=true deals it too.")
    if settings["val"]:
        notes.append("train.py deals its folds from train and val together.")
    notes.append(f"To train on them: python train.py data=folder {shlex.quote(f'data.root={shown}')}")
    console.print("\n".join(notes), soft_wrap=True, highlight=False, markup=False)
