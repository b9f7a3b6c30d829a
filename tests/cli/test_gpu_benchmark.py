"""``benchmarks/gpu.py`` runs small on a CPU, where both sides of its comparison are the same."""

from pathlib import Path

import pytest
import torch

from commands import call_command, type_fresh_command
from conftest import PROJECT, write_faces

pytestmark = pytest.mark.slow

SCRIPT = PROJECT / "benchmarks/gpu.py"
BRIEF = ["--seconds", "0", "--faces", "64", "--workers", "0", "--jobs", "1", "--grid", "1", "--epochs", "1"]


def test_every_table_is_measured(tmp_path: Path) -> None:
    write_faces(tmp_path / "set", {"mask": 30, "no_mask": 24}, side=14)
    done = type_fresh_command(SCRIPT, ["set", "--device", "cpu", *BRIEF, "--limit", "1"], tmp_path)
    assert done.code == 0, done.err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.out.splitlines() if line.startswith("│")]
    step, epoch, equality, grid = rows[:2], rows[2:4], rows[4:-1], rows[-1:]
    assert [row[:2] for row in step] == [["32", "32-true"], ["32", "bf16-mixed"]]
    assert [row[:3] for row in epoch] == [["32", "32-true", "0"], ["32", "bf16-mixed", "0"]]
    assert all(float(row[-1].replace(",", "")) > 0 for row in [*step, *grid])
    assert "1 points x 5 folds, 1 epochs" in done.out
    assert "validation, n = 9" in done.out
    scores = {row[0]: row[1:] for row in equality}
    assert set(scores) == {"a probability, TF32", "a probability, float32", "accuracy", "f1", "auroc", "seconds"}
    for name in ("accuracy", "f1", "auroc"):
        here, there, difference = scores[name]
        assert here == there
        assert difference == "+0.0000"
        assert 0 <= float(here) <= 1
    assert scores["a probability, float32"][-1] == "0.0e+00"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    done = call_command(SCRIPT, [], tmp_path, {})
    assert done.code == 2
    assert done.err.startswith("error: there is no GPU here")
