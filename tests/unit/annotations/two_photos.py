"""A set of two photos, one of them in a folder."""

from pathlib import Path

from PIL import Image


def write_two_photos(root: Path) -> Path:
    (root / "a").mkdir()
    for name in ("a/1.png", "2.png"):
        Image.new("RGB", (30, 30)).save(root / name)
    return root
