"""Processes of the data loader."""

import subprocess
import sys

import pytest

KILLED = """
import os, signal
import numpy as np
from facemask.data.loading import array_loader

class Batches:
    def __getitems__(self, indices):
        return (np.zeros(1_000_000, np.uint8),)  # more than a pipe holds

for _ in array_loader(Batches(), range(100), batch_size=1, num_workers=1, drop_last=False):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="its workers are forked")
def test_the_workers_of_a_killed_process_end() -> None:
    # Returns when the last process that inherited the output has ended; PyTorch looks after the parent every 5 s.
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, timeout=120, check=False)
    assert killed.returncode == -9
    assert killed.stderr == b""
