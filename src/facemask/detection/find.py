"""Find faces with a detector of ``conf/detector`` or a custom one."""

import json
from functools import lru_cache
from pathlib import Path

from omegaconf import OmegaConf

from facemask.config.component import Component
from facemask.config.compose import CONF
from facemask.config.targets import check_targets
from facemask.data.pictures import read_image
from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Faces, SupportsDetect
from facemask.errors import ConfigError, did_you_mean

CUSTOM = "custom"  # file of conf/detector whose target the user sets


def find_faces(image: Pixels | str | Path, detector: str | SupportsDetect = "centerface", **arguments: object) -> Faces:
    """Find the faces of an image.

    Named detectors are built once per set of arguments and cached. A detector must not be used by two threads at the
    same time.

    Args:
        image: uint8[H, W, 3], RGB, or the path of an image.
        detector: name in ``conf/detector``, dotted path of a custom class, or a detector object.
        arguments: arguments of a named detector, such as ``threshold=0.7``.

    Returns:
        Faces by decreasing score.

    Raises:
        FaceMaskError: the image cannot be read, or the detector is unknown or cannot be built.

    Example:
        >>> import numpy as np
        >>> len(find_faces(np.zeros((48, 64, 3), np.uint8), "haar", min_face=20))
        0
    """
    if isinstance(detector, str):
        detector = _named_detector(detector, json.dumps(arguments, sort_keys=True))
    elif arguments:
        raise ConfigError(f"{min(arguments)}= only applies to a named detector; pass it to the detector object.")
    return detector.detect(image if not isinstance(image, str | Path) else read_image(Path(image).expanduser()))


def build_detector(node: Component) -> SupportsDetect:
    """Build the detector of a configuration node.

    Raises:
        FaceMaskError: it cannot be built, or has no method ``detect``.
    """
    detector = node.build()
    if not isinstance(detector, SupportsDetect):
        raise ConfigError(f"detector={node.target} has no method detect(image) that returns Faces; add it.")
    return detector


@lru_cache(maxsize=8)
def _named_detector(name: str, arguments: str) -> SupportsDetect:
    node = _node(name).with_arguments(**json.loads(arguments))
    check_targets({"detector": node.to_plain()})
    return build_detector(node)


def _node(name: str) -> Component:
    if "." in name:
        return Component(name)
    files = {file.stem: file for file in (CONF / "detector").glob("*.yaml") if file.stem != CUSTOM}
    if name not in files:
        raise ConfigError(f"detector={name}: there is no such detector{did_you_mean(name, files)}")
    node = OmegaConf.to_container(OmegaConf.load(files[name]))
    assert isinstance(node, dict)
    return Component.from_plain({str(key): value for key, value in node.items()})
