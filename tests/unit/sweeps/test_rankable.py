"""A sweep whose runs could not be ranked with those in its folder is refused before it trains."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from facemask.config.compose import CONF, register
from facemask.errors import ConfigError
from facemask.sweeps.rankable import check_rankable
from runs_on_disk import SCORES, write_run

DATA = ["data=folder", "data.root=faces"]


def swept(*words: str) -> DictConfig:
    """Return what Hydra gives a sweep: its overrides are in the node of Hydra, and not in the configuration."""
    register()
    plain = [word for word in words if "," not in word]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [*DATA, *plain, "k=3"], return_hydra_config=True)
    config.hydra.overrides.task = [*DATA, *words, "k=3"]
    return config


def begun(folder: Path, fold: Any = "all") -> Path:
    write_run(folder / "a", SCORES if fold == "all" else {fold: 0.9}, fold=fold)
    return folder


def test_a_sweep_of_fewer_folds_is_refused(tmp_path: Path) -> None:
    assert check_rankable(swept("fold=all", "lr=1,2"), begun(tmp_path)) is None
    assert check_rankable(swept("sweep=cv"), tmp_path) is None
    assert check_rankable(swept("fold=0,1,2", "lr=1,2"), tmp_path) is None
    with pytest.raises(ConfigError, match="contains runs of 3 folds, but this command trains 1 of them, .* name=NAME"):
        check_rankable(swept("lr=1,2"), tmp_path)
    assert check_rankable(swept("lr=1,2"), begun(tmp_path / "first", fold=0)) is None
    assert check_rankable(swept("fold=all"), tmp_path / "first") is None  # a sweep may add folds


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("monitor=val/loss", "contains runs with monitor=val/auroc, which cannot be ranked with monitor=val/loss"),
        ("split_seed=3", "contains runs with split_seed=0, which cannot be ranked with split_seed=3"),
        ("data.root=others", "contains runs with data.root=.*faces, which cannot be ranked with data.root=others"),
    ],
)
def test_other_images_or_metrics_are_refused(tmp_path: Path, word: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        check_rankable(swept("fold=all", "lr=1,2", word), begun(tmp_path))


def test_a_sweep_over_data_is_warned_of(tmp_path: Path) -> None:
    assert check_rankable(swept("fold=all", "data.root=a,b"), tmp_path / "new") == (
        "data.root is swept; runs with different values of it cannot be ranked together."
    )
    assert check_rankable(swept("fold=all", "bs=8,16"), tmp_path / "new") is None


def test_another_store_size_is_refused_beside_runs_that_do_not_know_their_images(tmp_path: Path) -> None:
    larger = swept("fold=all", "data.store_size=160")
    assert check_rankable(larger, begun(tmp_path)) is None
    write_run(tmp_path / "earlier", SCORES, samples="", lr=1, fold="all")
    with pytest.raises(ConfigError, match=r"data\.store_size=24, which cannot be ranked with data\.store_size=160"):
        check_rankable(larger, tmp_path)
