"""Run folders as training would write them, for what only reads them."""

from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from facemask.files import write_atomically
from facemask.runs.run_folder import write_result

SCORES = {0: 0.9, 1: 0.95, 2: 0.94}


def write_run(
    folder: Path,
    scores: dict[int, float],
    fold: int | str = "all",
    status: str = "complete",
    fingerprint: str = "abc",
    **settings: Any,
) -> Path:
    """Write a run folder as training would, with the given score of each complete fold."""
    config = {
        "model": {"name": "net"},
        "optim": {"lr": settings.get("lr", 0.1)},
        "lr": 0.1,
        "bs": 32,
        "k": 3,
        "seed": 0,
        "split_seed": 0,
    }
    config |= {"monitor": "val/auroc", "fold": fold, "data": {"name": "faces"}} | settings
    folds = []
    for number, score in scores.items():
        inner = folder / f"fold-{number}"
        inner.mkdir(parents=True)
        pd.DataFrame({"epoch": [1, 2], config["monitor"]: [score / 2, score]}).to_csv(
            inner / "metrics.csv", index=False
        )
        folds.append(
            {
                "fold": number,
                "status": "complete",
                "score": score,
                "best_epoch": 2,
                "metrics": {"val": {"accuracy": score, "f1": score, "auroc": score}},
                "data": {"name": "faces", "fingerprint": fingerprint, "n": {"train": {"a": 50, "b": 40}}},
                "n": {"val": 30},
                "weights": {"parameters": 1000},
                "seconds": 10.0 * settings.get("bs", 1),
                "peak_memory_bytes": 2**30,
            }
        )
        write_result(inner, folds[-1])
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)))
    result = {"status": status, "model": "net", "command": "python train.py", "folds": folds}
    result |= {"failed": {"error": "RunError: it diverged"}, "pruned": {"pruned": "it was slow"}}.get(status, {})
    write_result(folder, result)
    return folder


def shifted(by: float) -> dict[int, float]:
    return {fold: score + by for fold, score in SCORES.items()}
