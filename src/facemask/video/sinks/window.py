"""A window on the screen."""

import subprocess
import sys
from pathlib import Path

import cv2

from facemask.errors import ConfigError
from facemask.files import relative_to_cwd
from facemask.video.scene import Scene
from facemask.video.sinks.sink import Sink
from facemask.video.sources.source import Say, Source

TITLE = "facemask"
QUIT, PAUSE, SAVE, NO_KEY = (ord("q"), 27), ord(" "), ord("s"), 255
LOOK = 40  # polling interval of the keyboard while paused, milliseconds
OPEN_ONE = "import cv2; cv2.namedWindow('facemask'); cv2.waitKey(1)"


class WindowSink(Sink):
    """Show a window: q or Esc quits, space pauses, s saves the image as shown. Photos wait for a key."""

    is_watched = True
    _is_open = False

    def begin(self, source: Source, folder: Path, say: Say) -> None:
        """Open the window."""
        self._source, self._folder, self._say = source, folder, say
        # Tested in a separate process, because without a screen Qt ends the process instead of raising.
        tried = subprocess.run([sys.executable, "-c", OPEN_ONE], capture_output=True, text=True, check=False)
        if "not implemented" in tried.stderr:
            raise ConfigError(
                "this OpenCV build has no window support; type: pip install --force-reinstall --no-deps opencv-python, "
                "or choose sink=file, sink=web (a page) or sink=events."
            )
        if tried.returncode:
            raise ConfigError("sink=window needs a screen; use sink=file, sink=web (a page) or sink=events.")
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        self._is_open = True

    def write(self, scene: Scene) -> None:
        """Show the frame and handle keys."""
        cv2.imshow(TITLE, scene.picture)
        is_held = self._source.is_stills
        while True:
            key = cv2.waitKey(LOOK if is_held else 1) & 0xFF
            if key in QUIT or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
                self.wants_end = True
                return
            if key == SAVE:
                self._save(scene)
            elif key == PAUSE:
                is_held = not is_held
            elif key != NO_KEY and self._source.is_stills:
                return
            if not is_held or self._source.ended.is_set():
                return

    def _save(self, scene: Scene) -> None:
        file = self._folder / f"frame_{scene.frame.number:06d}.png"
        self._folder.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(file), scene.picture):
            self._say(f"{file} cannot be written.")
            return
        self._say(f"saved: {relative_to_cwd(file.absolute())}")

    def end(self) -> None:
        """Close the window."""
        if self._is_open:
            cv2.destroyAllWindows()
