"""``python sabotage_crops.py prepare_data.py-arguments``: crop photos, and kill the process halfway through a file."""

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

from PIL import Image

PROJECT = Path(__file__).parent.parent.parent
FILES = 4  # written before

save, saved = Image.Image.save, []


def save_half(self: Any, stream: Any, *rest: Any, **more: Any) -> None:
    save(self, stream, *rest, **more)
    saved.append(stream)
    if len(saved) > FILES:
        stream.truncate(stream.tell() // 2)
        stream.flush()
        os.kill(os.getpid(), signal.SIGKILL)


Image.Image.save = save_half  # type: ignore[method-assign]
sys.argv[0] = str(PROJECT / "prepare_data.py")
runpy.run_path(sys.argv[0], run_name="__main__")
