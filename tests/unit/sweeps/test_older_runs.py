"""Runs of an older version are ranked with new ones: a missing key counts as its default."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from facemask.config.component import Component
from facemask.sweeps.configurations import gather
from facemask.sweeps.page import rebuild
from facemask.sweeps.race import judge
from facemask.sweeps.ranking import summarise
from runs_on_disk import SCORES, configuration, write_run

OTHER = Component("facemask.models.cnn.CNN", {"name": "other"})


def make_older(run: Path, without: str) -> None:
    """Rewrite a run folder as if a key of the configuration, and the format number, had not existed."""
    file = run / "config.yaml"
    config = OmegaConf.to_container(OmegaConf.load(file))
    *groups, key = without.split(".")
    node = config
    for group in groups:
        node = node[group]
    del node[key]
    file.write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
    for file in run.rglob("result.json"):
        result = json.loads(file.read_text())
        for item in (result, *result.get("folds", [])):
            item.pop("format", None)
        file.write_text(json.dumps(result))


def write_folds_before_and_after(sweep: Path, key: str) -> None:
    """Write a run per fold; the first as if a key, which has its default in the others, had not existed."""
    base = configuration()
    data, model = base.data.with_arguments(fraction=1.0), base.model.with_arguments(label_smoothing=0.0)
    for fold, score in SCORES.items():
        write_run(sweep / f"fold={fold}", {fold: score}, fold=fold, data=data, model=model)
    make_older(sweep / "fold=0", without=key)


@pytest.mark.parametrize("key", ["split_seed", "data.fraction", "model.label_smoothing"])
def test_folds_from_before_and_after_a_key_are_one_configuration(tmp_path: Path, key: str) -> None:
    write_folds_before_and_after(tmp_path, key)
    (found,) = gather(tmp_path)
    assert sorted(found.folds) == [0, 1, 2]


def test_older_runs_are_ranked_in_a_sweep_of_several_networks(tmp_path: Path) -> None:
    write_run(tmp_path / "other", SCORES, model=OTHER)
    write_folds_before_and_after(tmp_path, "model.label_smoothing")
    assert [sorted(c.folds) for c in gather(tmp_path)] == [[0, 1, 2], [0, 1, 2]]


def test_a_value_that_is_not_the_default_is_another_configuration(tmp_path: Path) -> None:
    data = configuration().data.with_arguments(fraction=0.5)
    write_run(tmp_path / "old", SCORES, data=data)
    make_older(tmp_path / "old", without="data.fraction")
    write_run(tmp_path / "new", SCORES, data=data)
    labels = [c.label for c in summarise(tmp_path).configurations]
    assert sorted(labels) == ["net", "net data.fraction=0.5"]


def test_old_and_new_formats_give_the_same_ranking(tmp_path: Path) -> None:
    for name in ("new", "old"):
        for i, lr in enumerate((1.0, 2.0)):
            write_run(tmp_path / name / f"lr={lr}", {fold: score - 0.1 * i for fold, score in SCORES.items()}, lr=lr)
    make_older(tmp_path / "old/lr=1.0", without="teacher")
    for name in ("new", "old"):
        rebuild(tmp_path / name)
    old, new = ((tmp_path / name / "summary.csv").read_text() for name in ("old", "new"))
    assert old == new
    assert "net lr=1" in new.splitlines()[1]


def test_a_race_finds_the_folds_that_an_older_version_wrote(tmp_path: Path) -> None:
    write_run(tmp_path / "best", SCORES, lr=1.0)
    behind = write_run(tmp_path / "behind", {0: 0.70, 1: 0.74}, lr=2.0, status="running")
    make_older(behind, without="teacher_weight")
    assert judge(tmp_path, configuration(lr=2.0)) is not None
