"""The commands run where Python lacks the modules that only POSIX systems have."""

import os
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from commands import type_fresh_command
from conftest import PROJECT

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


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "hidden").mkdir()
    (folder / "hidden/sitecustomize.py").write_text(HIDE)
    return folder


def test_the_four_commands_run_without_resource_fcntl_and_fork(faces: Path, elsewhere: Path) -> None:
    paths = os.pathsep.join(filter(None, [str(elsewhere / "hidden"), os.environ.get("PYTHONPATH")]))
    Image.new("RGB", (64, 48), "gray").save(elsewhere / "photo.png")
    tiny = ["model=cnn", "model.channels=[4,8]", "data.store_size=16", "k=3", "bs=8"]
    lines = {
        "train.py": ["trainer=smoke", *tiny, f"data.root={faces}", "data.num_workers=1", "hydra.run.dir=run"],
        "evaluate.py": ["run=run", "n_bootstraps=100", "hydra.run.dir=report"],
        "export.py": ["run=run", "n_bootstraps=100", "hydra.run.dir=exported"],
        "infer_video.py": ["run=exported/CNN-fp32.onnx", "source=photo.png", "sink=events", "detector=haar"],
    }
    for script, words in lines.items():
        done = type_fresh_command(PROJECT / script, words, elsewhere, PYTHONPATH=paths)
        assert done.code == 0, f"{script}: {done.err}"
    assert len(pd.read_csv(elsewhere / "run/fold-0/metrics.csv")) == 1
    assert '"peak_memory_bytes": null' in (elsewhere / "run/result.json").read_text()
    assert (elsewhere / "report/report.html").is_file()
