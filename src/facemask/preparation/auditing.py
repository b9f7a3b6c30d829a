"""What ``prepare_data.py task=audit`` does: say what is wrong with a set of faces, and fail if it is too much."""

import hashlib
import json
from pathlib import Path

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from rich.console import Console

from facemask.config.compose import Settings
from facemask.data.duplicates import near_duplicates
from facemask.data.index import index
from facemask.data.store import open_store
from facemask.files import as_typed, write_atomically
from facemask.preparation.defects import find_defects
from facemask.reports.terminal import print_table

FINDINGS, JSON = "findings.csv", "audit.json"
SIDE = 64  # pixels, at which pictures are compared


def audit(settings: Settings) -> str | None:
    """Write and print what is wrong with a set of faces.

    Args:
        settings: the resolved configuration.

    Returns:
        What there is too much of, in one sentence; None if all is within ``allow``.

    Raises:
        FaceMaskError: the set cannot be read at all.
    """
    folder, root = Path(HydraConfig.get().runtime.output_dir), Path(settings["data"]["root"]).expanduser()
    table = index(root, for_training=False)
    store = open_store(root, table["path"].tolist(), SIDE, Path(settings["data"]["store_dir"]).expanduser())
    table = table.assign(**{name: store.samples[name].to_numpy() for name in ("width", "height", "error")})
    table["digest"] = [_digest(root / path) for path in table["path"]]
    findings = find_defects(table, near_duplicates(store.images), settings)
    found = findings["finding"].value_counts()
    counts = {kind: int(found.get(kind, 0)) for kind in settings["allow"]}
    too_many = {kind: n for kind, n in counts.items() if n > _allowed(settings, kind)}
    facts = {
        "data": {"root": str(root), "n": len(table), "groups": table["group"].nunique()},
        "classes": table["label"].value_counts().to_dict(),
        "limits": {key: settings[key] for key in ("min_side", "max_aspect", "max_imbalance")},
        "allowed": settings["allow"],
        "found": counts,
        "too_many": sorted(too_many),
    }
    write_atomically(folder / FINDINGS, findings.to_csv(index=False))
    write_atomically(folder / JSON, json.dumps(facts, indent=2) + "\n")
    _print(facts, findings, folder, Console())
    listed = ", ".join(f"{kind} ({n:,}, allowed {settings['allow'][kind]:,})" for kind, n in too_many.items())
    return f"more than is allowed: {listed}; mend the set, or allow more: allow.{min(too_many)}=…" if too_many else None


def _digest(file: Path) -> str:
    """Return a hash of a file's bytes; of one that cannot be read, its name."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return str(file)


def _allowed(settings: Settings, kind: str) -> float:
    allowed = settings["allow"][kind]
    return float("inf") if allowed is None else float(allowed)


def _print(facts: Settings, findings: pd.DataFrame, folder: Path, console: Console) -> None:
    rows = [
        {"finding": kind, "found": n, "allowed": "any" if facts["allowed"][kind] is None else facts["allowed"][kind]}
        for kind, n in facts["found"].items()
    ]
    about, first = facts["data"], findings.drop_duplicates("finding")
    title = f"{about['root']}: {about['n']:,} images in {about['groups']:,} groups, {len(facts['classes'])} classes"
    print_table(pd.DataFrame(rows), title, console)
    notes = [
        f"First of {kind}: {' and '.join(filter(None, [file or label, other]))} ({detail})"
        for kind, file, label, other, detail in first[["finding", "file", "label", "other", "detail"]].to_numpy()
    ]
    notes.append(f"All findings: {as_typed(folder)}/{FINDINGS}; as JSON: {as_typed(folder)}/{JSON}")
    console.print("\n".join(notes), soft_wrap=True, highlight=False, markup=False)
