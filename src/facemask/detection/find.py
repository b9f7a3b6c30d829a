"""Find faces with a detector of ``conf/detector``, or with one's own."""

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

CUSTOM = "custom"  # the file of conf/detector whose target the user gives


def find_faces(image: Pixels | str | Path, detector: str | SupportsDetect = "centerface", **arguments: object) -> Faces:
    """Find the faces of a picture.

    A detector that is named is built once for each set of arguments and kept; no two threads may use it at a time.

    Args:
        image: uint8[H, W, 3], RGB, or a picture's path.
        detector: a file of ``conf/detector``, the dotted path of a class of one's own, or a detector.
        arguments: of the detector, such as ``threshold=0.7``, where it is named; strings, numbers, lists and the like.

    Returns:
        The faces, the surest first.

    Raises:
        FaceMaskError: the picture cannot be read, or the detector is unknown or cannot be built.

    Example:
        >>> import numpy as np
        >>> len(find_faces(np.zeros((48, 64, 3), np.uint8), "haar", min_face=20))
        0
    """
    if isinstance(detector, str):
        detector = _named_detector(detector, json.dumps(arguments, sort_keys=True))
    elif arguments:
        raise ConfigError(f"{min(arguments)}= is for a detector that is named; give it to the detector itself.")
    return detector.detect(image if not isinstance(image, str | Path) else read_image(Path(image).expanduser()))


def build_detector(node: Component) -> SupportsDetect:
    """Build the detector that a node of the configuration asks for.

    Raises:
        FaceMaskError: it cannot be built, or has no method ``detect``.
    """
    detector = node.build()
    if not isinstance(detector, SupportsDetect):
        raise ConfigError(f"detector={node.target} has no method detect(image), which returns Faces; add it.")
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
