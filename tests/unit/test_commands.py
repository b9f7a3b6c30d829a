"""The tests' helper for running commands."""

import io
import logging
from pathlib import Path

from commands import call_command
from conftest import PROJECT


class Closing(logging.StreamHandler[io.StringIO]):
    """A handler that closes its stream, as absl's does."""

    def close(self) -> None:
        self.stream.close()
        super().close()


def test_a_command_in_this_process_closes_no_foreign_log_handler(tmp_path: Path) -> None:
    handler = Closing(io.StringIO())
    assert call_command(PROJECT / "train.py", ["lr=0"], tmp_path, {}).code == 2
    assert not handler.stream.closed
