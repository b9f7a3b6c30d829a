"""A wrong key is refused, and a configuration printed, before any large library is imported."""

import subprocess
import sys

import pytest

LARGE = ("torch", "lightning", "pandas", "scipy", "PIL", "cv2", "onnxruntime", "matplotlib")
PROGRAM = f"""
import sys
from facemask.cli.main import COMMANDS, main
sys.argv = ["{{command}}.py", *{{words}}]
try:
    main("{{command}}")
except SystemExit:
    pass
print(*sorted({{{{*{LARGE}}}}} & {{{{*sys.modules}}}}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", ["--cfg", "job"]),
        ("train", ["lr=0"]),
        ("evaluate", ["run=a", "recalls=[2]"]),
        ("infer_video", ["half_life=-1"]),
        ("export", []),
        ("evaluate", ["run=nowhere"]),
        ("train", ["data.root=nowhere"]),
        ("prepare_data", ["task=split", "data.root=a", "val=2"]),
    ],
)
def test_nothing_large_is_imported(command: str, words: list[str]) -> None:
    program = PROGRAM.format(command=command, words=words)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == ""
