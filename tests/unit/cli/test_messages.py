"""The sentences for errors of the operating system."""

import errno
import os

import pytest

from facemask.cli.messages import explain


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("path", [["run/result.json"], []])
def test_too_many_open_files_are_not_blamed_on_the_path(number: int, path: list[str]) -> None:
    sentence = explain(OSError(number, os.strerror(number), *path))
    assert "ulimit -n" in sentence
    assert "data.num_workers=0" in sentence
    assert "result.json" not in sentence


def test_a_full_disk_and_a_forbidden_path_are_named() -> None:
    full = explain(OSError(errno.ENOSPC, "No space left on device", "run/result.json"))
    assert full == (
        "run/result.json cannot be written (No space left on device); free some space, or choose another folder."
    )
    assert "run/result.json cannot be written or read" in explain(
        PermissionError(errno.EACCES, "denied", "run/result.json")
    )
