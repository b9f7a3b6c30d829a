"""The commands run where Python lacks the modules that only POSIX systems have."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from commands import TIMEOUT
from conftest import PROJECT

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent.parent
HIDE = """
import os
import sys


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in ("resource", "fcntl"):
            raise ImportError(f"{name} is hidden")


sys.meta_path.insert(0, Hidden())
sys.modules.pop("fcntl", None)
sys.modules.pop("resource", None)
del os.fork
"""
# Four commands in one process: what they import takes longer than what they do.
RUN = """
import json, sys
from pathlib import Path
from commands import call_command

if __name__ == "__main__":
    for script, words in json.loads(sys.argv[1]).items():
        done = call_command(Path(script), words, Path.cwd(), {})
        assert done.code == 0, f"{script}: {done.err}"
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "hidden").mkdir()
    (folder / "hidden/sitecustomize.py").write_text(HIDE)
    return folder


def test_the_four_commands_run_without_resource_fcntl_and_fork(faces: Path, elsewhere: Path) -> None:
    paths = os.pathsep.join(filter(None, [str(elsewhere / "hidden"), str(TESTS), os.environ.get("PYTHONPATH")]))
    Image.new("RGB", (64, 48), "gray").save(elsewhere / "photo.png")
    tiny = ["model=cnn", "model.channels=[4,8]", "data.store_size=16", "k=3", "bs=8"]
    lines = {
        "train.py": ["trainer=smoke", *tiny, f"data.root={faces}", "data.num_workers=1", "hydra.run.dir=run"],
        "evaluate.py": ["run=run", "n_bootstraps=100", "hydra.run.dir=report"],
        "export.py": ["run=run", "n_bootstraps=100", "hydra.run.dir=exported"],
        "infer_video.py": ["run=exported/CNN-fp32.onnx", "source=photo.png", "sink=events", "detector=haar"],
    }
    (elsewhere / "run.py").write_text(RUN)
    typed = json.dumps({str(PROJECT / script): words for script, words in lines.items()})
    command = [sys.executable, "run.py", typed]
    env = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, cwd=elsewhere, env=env, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(elsewhere / "run/fold-0/metrics.csv")) == 1
    assert '"peak_memory_bytes": null' in (elsewhere / "run/result.json").read_text()
    assert (elsewhere / "report/report.html").is_file()
