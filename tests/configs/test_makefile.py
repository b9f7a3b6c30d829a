"""`make` says why it installs again."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import PROJECT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        ("here", None),
        ("/elsewhere", "because it was made in another folder"),
        ("old", "because these files changed: pyproject.toml"),
        (None, "because the last installation did not finish"),
    ],
)
def test_the_reason_for_another_installation_is_named(tmp_path: Path, stamp: str | None, reason: str | None) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(PROJECT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    if stamp is not None:
        ready = tmp_path / ".venv/.ready"
        ready.write_text(stamp if stamp.startswith("/") else str(tmp_path.resolve()))
        if stamp == "old":
            os.utime(tmp_path / "constraints.txt", (1, 1))
            os.utime(ready, (2, 2))
    done = subprocess.run(["make", "-n", "train"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "train.py" in done.stdout
    assert ("pip install" in done.stdout) == (reason is not None)
    if reason:
        assert f"installing into .venv again, {reason}" in done.stdout
