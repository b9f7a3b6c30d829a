"""The saved view shows the logged metrics under the names they are logged with."""

import sys

import pytest

from facemask.tracking.dashboard import dashboard, main


def test_it_shows_the_ranking_the_best_epochs_and_the_curves() -> None:
    view = dashboard("team", "faces")
    assert [section.name for section in view.sections] == ["Rankings of sweeps", "Best epochs", "Learning curves"]
    spec = view._to_model().model_dump_json()
    for logged in ("ranking", "Scores of the folds", "best/auroc", "val/predictions", "val/auroc", "train/loss"):
        assert f'"{logged}"' in spec


@pytest.mark.parametrize("words", [[], ["project"], ["a/b", "c"]])
def test_wandb_view_requires_a_project(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["wandb_dashboard", *words])
    with pytest.raises(SystemExit, match="usage: .* ENTITY/PROJECT"):
        main()


def test_without_an_account_it_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(sys, "argv", ["wandb_dashboard", "team/faces"])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "error: the dashboard of team/faces cannot be saved" in capsys.readouterr().err
