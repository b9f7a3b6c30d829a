"""The fuzzer and the killer themselves, on few files; `make fuzz` and `make kill` run them at length."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs fork")]


@pytest.mark.parametrize(
    ("script", "arguments", "expected"),
    [("fuzz", ["27", "1"], "27 damaged files, seed 1"), ("kill", ["2", "1", "training", "import"], "nothing was lost")],
)
def test_nothing_goes_wrong(tmp_path: Path, script: str, arguments: list[str], expected: str) -> None:
    command = [sys.executable, str(PROJECT / f"tests/security/{script}.py"), *arguments]
    paths = f"{PROJECT}/tests"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([paths, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert expected in done.stdout
