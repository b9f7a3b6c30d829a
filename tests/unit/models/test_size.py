"""Sizes of models."""

from pathlib import Path

import torch
from torch import nn

from facemask.models.size import count_parameters, file_size, weights_size


def test_buffers_have_bytes_but_are_no_parameters() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    assert count_parameters(model) == 3 * 2 + 2 + 2 + 2
    assert weights_size(model) == 4 * (12 + 2 + 2) + 8  # running mean and variance, and an int64 count


def test_half_precision_halves_the_bytes() -> None:
    model = nn.Linear(3, 2)
    before = weights_size(model)
    assert weights_size(model.to(torch.float16)) == before / 2


def test_a_checkpoint_cannot_allocate_more_than_its_file_contains(tmp_path: Path) -> None:
    file = tmp_path / "best.ckpt"
    file.write_bytes(b"12345")
    assert file_size(file) == 5
