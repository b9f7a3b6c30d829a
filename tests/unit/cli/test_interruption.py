"""What an interrupted command says about its output."""

from pathlib import Path

import pytest

from facemask.cli.jobs import explained_interrupt


@pytest.mark.parametrize(
    ("exists", "out", "expected"),
    [
        (["run"], None, "interrupted; run is incomplete; run the same command again."),
        ([], None, "interrupted; no output was written; run the same command again."),
        (["run", "faces"], "faces", "interrupted; faces is incomplete; run the same command again."),
        (["run"], "faces", "interrupted; no output was written; run the same command again."),
    ],
)
def test_an_interruption_names_the_folder_that_is_incomplete(
    exists: list[str],
    out: str | None,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in exists:
        Path(name).mkdir()
        Path(name, "file").touch()
    with pytest.raises(KeyboardInterrupt), explained_interrupt(Path("run"), out):
        raise KeyboardInterrupt
    assert capsys.readouterr().out.strip() == expected
